"""Decides after an evaluation whether a trial goes on.

Successive halving compares means (ASHA, Li et al. 2020, arXiv:1810.05934): of the trials that reached a rung, one of
``factor`` goes on. With several seeds there is a second rule, which needs no rung: a trial is hopeless if even the
upper end of the interval over its seeds is below the median of the other trials at the same evaluation (the median rule
of Golovin et al. 2017, with an interval, so that one unlucky seed stops nothing).
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median

from rl_rewards.core.intervals import mean_interval
from rl_rewards.core.words import digits
from rl_rewards.searching.plan import Pruning

COMPARED = 4
"""The number of other trials that a median needs."""


def judged(
    pruning: Pruning, halved: bool, step: int, per_seed: Sequence[float], others: Sequence[Mapping[int, float]]
) -> str:
    """Return why a trial is stopped after its evaluation number ``step``; empty if it goes on.

    Args:
        halved: what successive halving decides.
        per_seed: the trial's measure at this evaluation.
        others: the means of the other trials, evaluation -> measure.
    """
    if halved:
        return f"successive halving after evaluation {step}"
    there = [one[step] for one in others if step in one and math.isfinite(one[step])]
    if not pruning.hopeless or step < pruning.first or len(per_seed) < 2 or len(there) < COMPARED:
        return ""
    _, _, high = mean_interval(per_seed)
    middle = median(there)
    if high >= middle:
        return ""
    return f"hopeless after evaluation {step}: at most {digits(high)}, where the others' median is {digits(middle)}"

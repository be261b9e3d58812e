"""Normalised scores: a return on the scale on which a random policy has 0 and an expert has 100."""

from typing import NamedTuple, TypeVar

import numpy as np

from rl_rewards.core.checks import require

Returns = TypeVar("Returns", float, np.ndarray)


class ReferenceReturns(NamedTuple):
    """The mean true returns of episodes of a uniformly random policy and of an expert."""

    random: float
    expert: float


D4RL = {
    "halfcheetah": ReferenceReturns(-280.178953, 12135.0),
    "hopper": ReferenceReturns(-20.272305, 3234.3),
    "walker2d": ReferenceReturns(1.629008, 4592.3),
}
"""The references of D4RL (Fu et al. 2020, arXiv:2004.07219) for the v2 environments of MuJoCo. They are only context:
the data sets here have references of their own, because the environments (v5) and the experts are others."""


def normalized_score(returns: Returns, random: float, expert: float) -> Returns:
    """Return 100 * (returns - random) / (expert - random), the score of D4RL (arXiv:2004.07219).

    Args:
        returns: true returns of episodes, or their mean.
        random: the mean return of a random policy, which has the score 0.
        expert: the mean return of an expert, which has the score 100.

    Raises:
        ConfigError: if the two references are equal.
    """
    require(random != expert, f"A score needs two references that differ, but both returns are {random:.6g}.")
    return 100.0 * (returns - random) / (expert - random)

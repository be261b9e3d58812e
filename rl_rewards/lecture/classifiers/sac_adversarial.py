"""SAC with an adversarial classifier: does it learn ``point``, and do two settings make it worse with training?

Suspected: a terminal at success under a positive reward (hovering outside the goal pays more than finishing), and
negatives from recent data alone with many classifier steps (chasing and forgetting).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.reporting.figures.drawing import LEARNED
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, enough_seeds, in_words, less
from rl_rewards.studies.drawing import SUCCESS_CURVE, draw_curves
from rl_rewards.studies.evidence import Evidence
from rl_rewards.studies.measures import (
    LAST,
    SUCCESS,
    THRESHOLD,
    best_mean,
    last_mean,
    share_fallen,
)

NEEDED = 0.9
"""The share of seeds that must be above the threshold."""

NAMES = {
    "as_it_is": "as it is",
    "terminal_at_success": "terminal at success, positive reward",
    "terminal_log_prob": "terminal at success, log D",
    "recent_negatives": "recent negatives, many classifier steps",
}
CURVES = (SUCCESS_CURVE, ("eval/prob_visited", LEARNED, "D, visited states"))


@dataclass(frozen=True, kw_only=True)
class SacAdversarial:
    """Judges the arms of configs/experiment/lecture/classifiers/sac_adversarial.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        final = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        loss = {name: less(best_mean(run, SUCCESS), final[name]) for name, run in arms.items()}
        fallen = {name: share_fallen(arms[name]) for name in ("as_it_is", "recent_negatives")}
        worse = (ends_worse(name, final, loss[name]) for name in ("terminal_at_success", "recent_negatives"))
        return Findings([learns(final["as_it_is"]), *worse, falls_back("recent_negatives", fallen)])

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        draw_curves(arms, NAMES, CURVES, path)


def learns(success: list[float]) -> Claim:
    return enough_seeds(
        f"Success over the last {LAST} evaluations is above {THRESHOLD} in {NEEDED:.0%} of seeds.",
        f"mean {in_words(success)}.",
        [value > THRESHOLD for value in success],
        NEEDED,
        {"as_it_is": success},
    )


def ends_worse(name: str, final: Mapping[str, list[float]], loss: list[float]) -> Claim:
    """Claim that with the setting success falls from its best, ``loss``, and ends below that of the arm as it is."""
    gap = less(final["as_it_is"], final[name])
    evidence = (
        Evidence(of="success lost against the arm as it is, paired by seed", values=gap, claimed=(PRACTICAL, math.inf)),
        Evidence(of="success lost against its own best evaluations", values=loss, claimed=(PRACTICAL, math.inf)),
    )
    return Claim(
        f"{NAMES[name].capitalize()}: ends below the arm as it is, and below its own best.",
        f"{in_words(gap)} below the arm as it is; {in_words(loss)} below its own best {LAST} evaluations in a row.",
        evidence,
        {"as_it_is": final["as_it_is"], name: final[name], "below its best": loss},
    )


def falls_back(name: str, fallen: Mapping[str, list[float]]) -> Claim:
    """Claim that once learned, the task is lost and learned again, more often than in the arm as it is."""
    more = less(fallen[name], fallen["as_it_is"])
    return at_least(
        f"{NAMES[name].capitalize()}: falls back below {THRESHOLD} more often, once above.",
        f"{np.mean(fallen[name]):.2f} of the evaluations against {np.mean(fallen['as_it_is']):.2f} as it is; "
        f"difference {in_words(more)}.",
        "share of evaluations below the threshold, more than as it is, paired by seed",
        more,
        PRACTICAL,
        {arm: fallen[arm] for arm in (name, "as_it_is")},
    )

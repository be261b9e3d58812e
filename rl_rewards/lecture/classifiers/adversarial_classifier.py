"""A goal classifier updated with visited states as negatives: does the policy succeed, and does the classifier last?

The lecture's five-step loop with balanced batches, on ``point`` and ``pencil_case``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.reporting.figures.drawing import GOALS
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, enough_seeds, in_words
from rl_rewards.studies.drawing import REWARD_CURVE, SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import (
    HELDOUT,
    LAST,
    SUCCESS,
    THRESHOLD,
    best_mean,
    last_mean,
    share_fallen,
)

NEEDED = 0.8
BALANCED = 0.5
"""The least output of a balanced classifier for a goal, where visited states are no denser than goals."""


@dataclass(frozen=True, kw_only=True)
class AdversarialClassifierStudy:
    """Judges the arms of configs/experiment/lecture/classifiers/adversarial_classifier.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        fallen = {name: share_fallen(run) for name, run in arms.items()}
        claims = [
            claim
            for name, run in arms.items()
            for claim in claims_of_arm(
                name, last_mean(run, SUCCESS), best_mean(run, SUCCESS), last_mean(run, HELDOUT), fallen[name]
            )
        ]
        return Findings(claims, {"share_fallen": fallen})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        titles = {name: f"{name}, adversarial classifier" for name in arms}
        draw_curves(arms, titles, [SUCCESS_CURVE, REWARD_CURVE, (HELDOUT, GOALS, "D, held-out goals")], path)


def claims_of_arm(
    name: str, success: list[float], best: list[float], goals: list[float], fallen: list[float]
) -> list[Claim]:
    return [
        enough_seeds(
            f"{name}: success over the last {LAST} evaluations is above {THRESHOLD} in {NEEDED:.0%} of seeds.",
            f"success {in_words(success)}; best {LAST} evaluations in a row {in_words(best)}; after the first above "
            f"{THRESHOLD}, {in_words(fallen)} of the evaluations are not.",
            [value > THRESHOLD for value in success],
            NEEDED,
            {"success": success, "best": best},
        ),
        at_least(
            f"{name}: the classifier gives held-out goals at least {BALANCED} at the end.",
            f"mean output {in_words(goals)}, lowest seed {min(goals):.2f}.",
            "mean output on held-out goals",
            goals,
            BALANCED,
            {"heldout goals": goals},
        ),
    ]

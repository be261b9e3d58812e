"""A goal classifier updated with visited states as negatives: does the policy succeed, and does the classifier last?

The lecture's five-step loop with balanced batches, on ``point`` and ``pencil_case``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import GOALS
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings, Verdict
from rl_rewards.studies.drawing import REWARD_CURVE, SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import (
    HELDOUT,
    LAST,
    SUCCESS,
    THRESHOLD,
    best_mean,
    enough_seeds,
    in_words,
    last_mean,
    share_fallen,
)

NEEDED = 0.8
BALANCED = 0.5
"""What a balanced classifier gives a goal at least, where visited states are no denser than goals."""


@dataclass(frozen=True, kw_only=True)
class AdversarialClassifierStudy:
    """Judges the arms of configs/experiment/lecture/adversarial_classifier.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        verdicts = [verdict for name, run in arms.items() for verdict in _of_arm(name, run)]
        return Findings(verdicts, {"share_fallen": {name: share_fallen(run) for name, run in arms.items()}})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        titles = {name: f"{name}, adversarial classifier" for name in arms}
        draw_curves(arms, titles, [SUCCESS_CURVE, REWARD_CURVE, (HELDOUT, GOALS, "D, held-out goals")], path)


def _of_arm(name: str, run: RunFiles) -> list[Verdict]:
    success, goals, best = last_mean(run, SUCCESS), last_mean(run, HELDOUT), best_mean(run, SUCCESS)
    mean, low, high = mean_interval(goals)
    return [
        enough_seeds(
            f"{name}: success over the last {LAST} evaluations is above {THRESHOLD} in {NEEDED:.0%} of seeds.",
            f"success {in_words(success)}; best {LAST} evaluations in a row {in_words(best)}; once above {THRESHOLD}, "
            f"{in_words(share_fallen(run))} of the evaluations are not.",
            [value > THRESHOLD for value in success],
            NEEDED,
            {"success": success, "best": best},
        ),
        Verdict(
            f"{name}: the classifier gives held-out goals at least {BALANCED} at the end.",
            f"mean output {mean:.2f} [{low:.2f}, {high:.2f}], lowest seed {min(goals):.2f}.",
            low >= BALANCED,
            (low, high),
            "mean output on held-out goals",
            {"heldout goals": goals},
        ),
    ]

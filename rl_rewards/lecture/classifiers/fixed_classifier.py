"""A goal classifier trained once, then optimised against: is it fooled, and does more RL make the outcome worse?

The lecture's exploitation problem, on ``point`` (extrapolation alone) and ``pencil_case`` (a foolable camera).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings, Verdict
from rl_rewards.studies.drawing import REWARD_CURVE, SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import (
    LEARNED,
    SUCCESS,
    above_zero,
    enough_seeds,
    in_words,
    last_mean,
    late_minus_early,
    series,
)

LEARNED_ABOVE, SUCCESS_BELOW, NEEDED = 0.9, 0.2, 0.9


@dataclass(frozen=True, kw_only=True)
class FixedClassifier:
    """Judges the arms of configs/experiment/lecture/fixed_classifier.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        verdicts = [verdict for name, run in arms.items() for verdict in _of_arm(name, run)]
        return Findings(verdicts)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        titles = {name: f"{name}, classifier trained once" for name in arms}
        draw_curves(arms, titles, [SUCCESS_CURVE, REWARD_CURVE], path)


def _of_arm(name: str, run: RunFiles) -> list[Verdict]:
    learned, success = last_mean(run, LEARNED), last_mean(run, SUCCESS)
    fooled = [high > LEARNED_ABOVE and low < SUCCESS_BELOW for high, low in zip(learned, success, strict=True)]
    per_seed = {"learned reward": learned, "success": success}
    gap = late_minus_early(series(run, LEARNED) - series(run, SUCCESS))
    lost = [-change for change in late_minus_early(series(run, SUCCESS))]
    return [
        enough_seeds(
            f"{name}: learned reward above {LEARNED_ABOVE} with true success below {SUCCESS_BELOW} in {NEEDED:.0%} of "
            "seeds.",
            f"learned reward {in_words(learned)}, success {in_words(success)}.",
            fooled,
            NEEDED,
            per_seed,
        ),
        above_zero(
            f"{name}: the gap between learned reward and success grows with RL steps.",
            "gap in the last third of the evaluations, more than in the first",
            gap,
            {"gap grown": gap},
        ),
        above_zero(
            f"{name}: true success falls with RL steps.",
            "success in the first third of the evaluations, more than in the last",
            lost,
            {"success lost": lost},
        ),
    ]

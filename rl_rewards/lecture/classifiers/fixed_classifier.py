"""A goal classifier trained once, then optimised against: is it fooled, and does more RL make the outcome worse?

The lecture's exploitation problem, on ``point`` (extrapolation alone) and ``pencil_case`` (a foolable camera).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, enough_seeds, gained, in_words
from rl_rewards.studies.drawing import REWARD_CURVE, SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import (
    LEARNED,
    SUCCESS,
    last_mean,
    late_minus_early,
    series,
)

LEARNED_ABOVE, SUCCESS_BELOW, NEEDED = 0.9, 0.2, 0.9


@dataclass(frozen=True, kw_only=True)
class FixedClassifier:
    """Judges the arms of configs/experiment/lecture/classifiers/fixed_classifier.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        return Findings([claim for name, run in arms.items() for claim in _claims(name, run)])

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        titles = {name: f"{name}, classifier trained once" for name in arms}
        draw_curves(arms, titles, [SUCCESS_CURVE, REWARD_CURVE], path)


def _claims(name: str, run: RunFiles) -> list[Claim]:
    learned, success = series(run, LEARNED), series(run, SUCCESS)
    gap, lost = late_minus_early(learned - success), [-change for change in late_minus_early(success)]
    return claims_of_arm(name, last_mean(run, LEARNED), last_mean(run, SUCCESS), gap, lost)


def claims_of_arm(
    name: str, learned: list[float], success: list[float], gap: list[float], lost: list[float]
) -> list[Claim]:
    """Claim that the classifier is fooled, and that both the gap and the loss of success grow with training."""
    return [
        enough_seeds(
            f"{name}: learned reward above {LEARNED_ABOVE} with true success below {SUCCESS_BELOW} in {NEEDED:.0%} of "
            "seeds.",
            f"learned reward {in_words(learned)}, success {in_words(success)}.",
            [high > LEARNED_ABOVE and low < SUCCESS_BELOW for high, low in zip(learned, success, strict=True)],
            NEEDED,
            {"learned reward": learned, "success": success},
        ),
        gained(
            f"{name}: the gap between learned reward and success grows with RL steps.",
            "gap in the last third of the evaluations, more than in the first",
            gap,
            {"gap grown": gap},
        ),
        gained(
            f"{name}: true success falls with RL steps.",
            "success in the first third of the evaluations, more than in the last",
            lost,
            {"success lost": lost},
        ),
    ]

"""Regularisers of the classifier on ``pencil_case``: which one brings success or steadiness to the adversarial loop?

The lecture's robot recipe regularises its classifier (mixup, spectral norm) without saying what each is worth.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, in_words, less
from rl_rewards.studies.drawing import REWARD_CURVE, SUCCESS_CURVE, draw_curves
from rl_rewards.studies.evidence import Evidence
from rl_rewards.studies.measures import SUCCESS, last_mean, series, share_fallen

LAST_EVALUATIONS = 5
STEADIER = 0.5
"""A regulariser steadies training where the spread is at most this share of the one without."""


@dataclass(frozen=True, kw_only=True)
class Regularisers:
    """Judges the arms of configs/experiment/lecture/classifiers/regularisers.yaml."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        success = {name: last_mean(run, SUCCESS, LAST_EVALUATIONS) for name, run in arms.items()}
        spread = {name: series(run, SUCCESS)[-LAST_EVALUATIONS:].std(axis=0).tolist() for name, run in arms.items()}
        claims = []
        for name in arms:
            if name != "none":
                claims += [better(name, success), steadier(name, spread, success)]
        table = {
            name: {
                "success": mean_interval(success[name]),
                "spread over the last evaluations": mean_interval(spread[name]),
                "share of evaluations fallen": mean_interval(share_fallen(run)),
            }
            for name, run in arms.items()
        }
        return Findings(claims, table)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        words = {name: findings.details[name]["success"] for name in arms}
        titles = {
            name: f"{name.replace('_', ' ')}: success {mean:.2f} [{low:.2f}, {high:.2f}]"
            for name, (mean, low, high) in words.items()
        }
        draw_curves(arms, titles, [SUCCESS_CURVE, REWARD_CURVE], path)


def better(name: str, success: Mapping[str, list[float]]) -> Claim:
    more = less(success[name], success["none"])
    return at_least(
        f"{name}: more success over the last {LAST_EVALUATIONS} evaluations than without a regulariser.",
        f"{in_words(success[name])} against {in_words(success['none'])}; {in_words(more)} more.",
        "success more than without, paired by seed",
        more,
        PRACTICAL,
        {name: success[name], "none": success["none"]},
    )


def steadier(name: str, spread: Mapping[str, list[float]], success: Mapping[str, list[float]]) -> Claim:
    """Claim less spread and no less success: never succeeding is steady too, and does not count."""
    less_by = [STEADIER * without - found for without, found in zip(spread["none"], spread[name], strict=True)]
    more = less(success[name], success["none"])
    evidence = (
        Evidence(
            of="half the spread without minus the spread with it, paired by seed",
            values=less_by,
            claimed=(0.0, math.inf),
        ),
        Evidence(of="success more than without, paired by seed", values=more, claimed=(-PRACTICAL, math.inf)),
    )
    return Claim(
        f"{name}: success spreads at most half as much over the last {LAST_EVALUATIONS} evaluations as without, and "
        "is no lower.",
        f"standard deviation {in_words(spread[name])} against {in_words(spread['none'])}; "
        f"success {in_words(success[name])} against {in_words(success['none'])}.",
        evidence,
        {name: spread[name], "none": spread["none"]},
    )

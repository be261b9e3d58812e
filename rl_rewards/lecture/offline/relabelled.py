"""Are preferences about 1% of the recorded episodes enough to learn a reward for all of them?

The lecture's recipe: label 1% of the trajectories, learn a reward from them, relabel the other 99%, and learn offline.
A teacher compares segments of a small share of the recording. The reward that is learned from its answers pays all
recorded steps, and IQL learns from them. The true reward is the reference, and null rewards say whether the data set
tests a reward at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, in_words
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import last_mean

TRUE_REWARD = "true"
NULLS = ("zero", "random")
SHARES = {"labelled_0_1": 0.1, "labelled_1": 1.0, "labelled_10": 10.0}
NOISY = "labelled_1_noisy"
ENOUGH = 0.9
"""The share of the true reward's score that counts as reaching it."""
NULL_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Relabelled:
    """Compares rewards that were learned from a share of the recorded steps with the true one."""

    metric: str  # of an evaluation; 0 is nothing

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        scores = {name: last_mean(run, self.metric) for name, run in arms.items()}
        return Findings(self.claims(scores), {"scores": scores})

    def claims(self, scores: Mapping[str, list[float]]) -> list[Claim]:
        """Claim that 1% of labels reach 90% of the true reward's score, and that null rewards stay below half."""
        true = scores[TRUE_REWARD]
        reaches = [self._reaches(scores, name, f"{share:g}%") for name, share in SHARES.items()]
        reaches.append(self._reaches(scores, NOISY, "1%, with one wrong answer in ten,"))
        nulls = [
            at_most(
                f"The {name} reward scores less than half of the true one, so that the data set tests rewards.",
                f"{in_words(scores[name])} against {in_words(true)}.",
                "score minus half of the true reward's, paired by seed",
                [b - NULL_SHARE * a for a, b in zip(true, scores[name], strict=True)],
                0.0,
                {TRUE_REWARD: true, name: scores[name]},
            )
            for name in NULLS
        ]
        return [*reaches, *nulls]

    def _reaches(self, scores: Mapping[str, list[float]], name: str, words: str) -> Claim:
        true = scores[TRUE_REWARD]
        return at_least(
            f"A reward learned from labels on {words} of the steps scores at least {ENOUGH:.0%} of the true reward.",
            f"{in_words(scores[name])} against {in_words(true)}.",
            "score minus 90% of the true reward's, paired by seed",
            [b - ENOUGH * a for a, b in zip(true, scores[name], strict=True)],
            0.0,
            {TRUE_REWARD: true, name: scores[name]},
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        scores = findings.details["scores"]
        with styled():
            figure = canvas(6.4, 3.6)
            axes = figure.subplots()
            shares = list(SHARES.values())
            found = np.array([mean_interval(scores[name]) for name in SHARES])
            spread = np.abs(found[:, 1:].T - found[:, 0])
            axes.errorbar(shares, found[:, 0], spread, color=LEARNED, marker="o", capsize=3, label="learned reward")
            noisy = mean_interval(scores[NOISY])
            axes.errorbar([1.15], noisy[:1], [[noisy[0] - noisy[1]], [noisy[2] - noisy[0]]], color=LEARNED, marker="s",
                          mfc="white", capsize=3, linestyle="none", label="one answer in ten wrong")  # fmt: skip
            for name, colour, style in ((TRUE_REWARD, TRUE, "-"), ("random", OTHER, "--"), ("zero", OTHER, ":")):
                axes.axhline(float(np.mean(scores[name])), color=colour, linestyle=style, label=f"{name} reward")
            axes.set(xscale="log", xlabel="labelled steps, % of the recording", ylabel="success", ylim=(-0.04, 1.04))
            axes.set_xticks(shares, [f"{one:g}" for one in shares])
            axes.minorticks_off()
            figure.legend(loc="outside right upper", frameon=False, fontsize=9)  # points and levels have no ends
            save(figure, path)

"""How many comparisons a reward model of texts needs: its accuracy on held-out prompts, up to the labels' own noise.

Labels are noisy (Bradley-Terry), so that even the true reward predicts only a part of them: the noise ceiling. A bag of
words, a linear reward of how often each word occurs, is the baseline: most of what a small network learns may be that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.labelers.oracle import CEILING
from rl_rewards.lecture.language.measures import at_the_end
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, in_words, less
from rl_rewards.studies.drawing import canvas, save

ARMS = {"reward_100": 100, "reward_model": 1000, "reward_3000": 3000, "reward_10000": 10_000}
"""Arm -> its number of comparisons."""
MOST = "reward_10000"
MEASURES = {
    "network": "reward/heldout_accuracy",
    "bag of words": "reward/bag_of_words_accuracy",
    "calibration error": "reward/heldout_calibration_error",
    "accuracy against gold": "train/same_start_accuracy",
    "noise ceiling": CEILING,
}
MORE = 0.05
"""The least difference of accuracy that counts."""


@dataclass(frozen=True, kw_only=True)
class NumberOfComparisons:
    """Compares reward models by their accuracy on answers about prompts that they have not seen."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds
        found = {name: {arm: at_the_end(arms[arm], key) for arm in ARMS} for name, key in MEASURES.items()}
        return Findings(self.claims(found), {name: dict(one) for name, one in found.items()})

    def claims(self, found: Mapping[str, Mapping[str, list[float]]]) -> list[Claim]:
        """Claim that accuracy grows with comparisons up to the noise ceiling, and beyond that of a bag of words.

        Args:
            found: measure -> arm -> a number of each seed.
        """
        network, words, ceiling = (found[name] for name in ("network", "bag of words", "noise ceiling"))
        grown, left = less(network[MOST], network["reward_100"]), less(ceiling[MOST], network[MOST])
        beyond = less(network[MOST], words[MOST])
        each = "; ".join(f"{n:,}: {in_words(network[arm])}" for arm, n in ARMS.items())
        return [
            at_least(
                f"10,000 comparisons give an accuracy on held-out prompts that is higher by {MORE:g} or more than 100.",
                f"{each}; {in_words(grown)} more.",
                "accuracy more, paired by seed", grown, MORE, network,
            ),
            at_most(
                f"With 10,000 comparisons the accuracy is at most {MORE:g} below the noise ceiling.",
                f"{in_words(network[MOST])}, the ceiling is {in_words(ceiling[MOST])}; {in_words(left)} below.",
                "accuracy below the ceiling, paired by seed", left, MORE,
                {"network": network[MOST], "ceiling": ceiling[MOST]},
            ),
            at_least(
                f"With 10,000 comparisons the network predicts at least {MORE:g} more than a bag of words.",
                f"{in_words(network[MOST])} against {in_words(words[MOST])}; {in_words(beyond)} more.",
                "accuracy more, paired by seed", beyond, MORE,
                {"network": network[MOST], "bag of words": words[MOST]},
            ),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        numbers = list(ARMS.values())
        with styled():
            figure = canvas(5.4, 3.6)
            axes = figure.subplots()
            lines = {"network": (TRUE, "-"), "bag of words": (LEARNED, "-"), "noise ceiling": (OTHER, ":")}
            for name, (colour, style) in lines.items():
                each = np.array([findings.details[name][arm] for arm in ARMS])
                axes.plot(numbers, each.mean(axis=1), style, color=colour, marker="o", markersize=3, label=name)
                if style == "-":
                    axes.plot(numbers, each, color=colour, linewidth=0.5, alpha=0.3)
            axes.axhline(0.5, color=OTHER, linewidth=0.6)
            axes.set(xscale="log", xlabel="comparisons", ylabel="accuracy", title="held-out prompts; thin: seeds")
            label_lines(axes)
            save(figure, path)

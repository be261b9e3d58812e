"""Over-optimisation of reward models of two sizes, from the same comparisons.

Gao et al. 2023 (arXiv:2210.10760, figure 3): the larger the reward model, the higher gold rises before it falls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.lecture.language.measures import (
    BETTER,
    GOLD,
    at_the_end,
    best,
    draw_path,
    evaluated_rounds,
)
from rl_rewards.reporting.figures.drawing import LEARNED, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, in_words, less
from rl_rewards.studies.drawing import canvas, draw_seeds, save
from rl_rewards.studies.measures import last_mean, series

SIZES = ("narrow", "wide")
MORE = 0.02
"""The least difference of accuracy that counts."""


@dataclass(frozen=True, kw_only=True)
class RewardModelSize:
    """Compares RL without a penalty against a narrow and a wide reward model."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds
        policies = {size: arms[f"no_penalty_{size}"] for size in SIZES}
        curves = {size: series(run, GOLD) for size, run in policies.items()}
        highest = {size: best(found).tolist() for size, found in curves.items()}
        end = {size: last_mean(run, GOLD) for size, run in policies.items()}
        accuracy = {size: at_the_end(arms[f"reward_{size}"], "reward/heldout_accuracy") for size in SIZES}
        details = {"best": highest, "end": end, "accuracy": accuracy}
        details["curves"] = {size: found.tolist() for size, found in curves.items()}
        return Findings(self.claims(highest, end, accuracy), details)

    def claims(
        self,
        highest: Mapping[str, list[float]],
        end: Mapping[str, list[float]],
        accuracy: Mapping[str, list[float]],
    ) -> list[Claim]:
        """Claim that the wide model predicts more, and that gold rises higher and ends higher against it.

        Args:
            highest: size -> the best gold of each seed.
            end: size -> gold at the end, of each seed.
            accuracy: size -> accuracy on held-out prompts, of each seed.
        """

        def wider(found: Mapping[str, list[float]], words: str, unit: str, margin: float) -> Claim:
            narrow, wide = (found[size] for size in SIZES)
            return at_least(
                f"A wide reward model {words} than a narrow one, by {margin:g} or more.",
                f"{in_words(wide)} against {in_words(narrow)}; {in_words(less(wide, narrow))} more.",
                f"{unit} more, paired by seed", less(wide, narrow), margin, found,
            )  # fmt: skip

        return [
            wider(accuracy, "is right about more of the held-out prompts", "accuracy", MORE),
            wider(highest, "allows a higher best gold", "gold", BETTER),
            wider(end, "leaves more gold at the end", "gold", BETTER),
        ]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        with styled():
            figure = canvas(8.6, 3.6)
            rounds, paths = figure.subplots(1, 2, sharey=True)
            for size, colour in zip(SIZES, (LEARNED, TRUE), strict=True):
                run = arms[f"no_penalty_{size}"]
                draw_seeds(rounds, evaluated_rounds(run), np.array(findings.details["curves"][size]), colour, size)
                draw_path(paths, run, colour, size)
            rounds.set(xlabel="rounds of RL", ylabel="gold", title="3,000 comparisons, by size")
            paths.set(xlabel="distance from fine-tuning, √KL", title="against distance, means")
            label_lines(paths)
            save(figure, path)

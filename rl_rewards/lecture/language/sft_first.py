"""Why fine-tuning comes first: RL from a pre-trained model, and from the same model after fine-tuning.

Slides: a pre-trained model hardly ever answers, so that RL has little to reward; fine-tuning teaches the format.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.lecture.language.measures import BETTER, GOLD, evaluated_rounds
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, in_words, less, median_at_most
from rl_rewards.studies.drawing import canvas, draw_seeds, save
from rl_rewards.studies.measures import last_mean, reached_at, series

STARTS = {"rl_fine_tuned": "fine-tuned", "rl_pretrained": "pre-trained"}


@dataclass(frozen=True, kw_only=True)
class FineTuningFirst:
    """Compares RL from both starts, against the same reward model."""

    target: float  # gold

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds
        gold = {name: last_mean(arms[name], GOLD) for name in STARTS}
        before = {name: last_mean(arms[name], GOLD, 1) for name in ("pretrained", "fine_tuned")}
        reached = {name: reached_at(arms[name], GOLD, self.target, clock="round") for name in STARTS}
        curves = {name: series(arms[name], GOLD).tolist() for name in STARTS}
        details = {"gold": gold, "before": before, "rounds": reached, "curves": curves, "target": self.target}
        return Findings(self.claims(gold, reached), details)

    def claims(self, gold: Mapping[str, list[float]], reached: Mapping[str, list[float]]) -> list[Claim]:
        """Claim that fine-tuning first halves the gradient steps of RL, and that RL ends higher.

        Args:
            gold: start -> mean gold at the end, of each seed.
            reached: start -> the round, counted from 0, whose evaluation first shows the target; infinite for never.
        """
        rounds = {name: [one + 1.0 for one in found] for name, found in reached.items()}
        first, without = (rounds[name] for name in STARTS)
        more = less(gold["rl_fine_tuned"], gold["rl_pretrained"])
        medians = [_median_in_words(one) for one in (first, without)]
        never = [sum(np.isinf(one)) for one in (first, without)]
        return [
            Claim(
                f"From the fine-tuned model RL needs at most half as many gradient steps to a gold of {self.target:g} "
                "as from the pre-trained one (median).",
                f"{medians[0]} against {medians[1]} rounds; never in {never[0]} and {never[1]} of {len(first)} seeds.",
                (median_at_most(first, 0.5, without),),
                rounds,
            ),
            at_least(
                f"From the fine-tuned model RL ends with more gold, by {BETTER:g} or more.",
                f"{in_words(gold['rl_fine_tuned'])} against {in_words(gold['rl_pretrained'])}; {in_words(more)} more.",
                "gold more, paired by seed", more, BETTER, gold,
            ),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        details = findings.details
        with styled():
            figure = canvas(5.0, 3.6)
            axes = figure.subplots()
            for (name, words), colour in zip(STARTS.items(), (TRUE, LEARNED), strict=True):
                draw_seeds(axes, evaluated_rounds(arms[name]), np.array(details["curves"][name]), colour, words)
            axes.axhline(self.target, color=OTHER, linestyle=":", linewidth=1.0)
            for start, colour in (("fine_tuned", TRUE), ("pretrained", LEARNED)):
                axes.plot(0, np.mean(details["before"][start]), "o", color=colour)
            axes.set(xlabel="rounds of RL", ylabel="gold", title="gold, by what RL begins with (dotted: target)")
            label_lines(axes)
            save(figure, path)


def _median_in_words(found: Sequence[float]) -> str:
    median = float(np.median(found))
    return f"{median:.0f}" if np.isfinite(median) else "more than the run's"

"""Does self-play make a curriculum: do Alice's goals get harder as Bob gets better, and stay such that he learns?

The lecture's claim for asymmetric self-play. How hard a goal is: its shortest-path distance, which in the hall is how
far the goal's cell is from the start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings, Verdict
from rl_rewards.studies.drawing import canvas, draw_over_training
from rl_rewards.studies.measures import above_zero, first_third, in_words, last_third, less, over_rounds

DISTANCE, SUCCESS = "reward/goal_distance", "reward/bob_success"
STYLES = {"time": ("#0072B2", "times"), "win": ("#D55E00", "plus and minus one")}


@dataclass(frozen=True, kw_only=True)
class Curriculum:
    """Judges the arms of configs/experiment/lecture/curriculum.yaml."""

    easiest: float  # Bob's success above which a goal teaches nothing
    hardest: float  # and below which neither

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        verdicts = []
        for name, run in arms.items():
            distances = over_rounds(run, DISTANCE)
            early, late = first_third(distances), last_third(distances)
            verdicts.append(
                above_zero(
                    f"With {STYLES[name][1]} for rewards goals are farther away in the last third of training than in "
                    "the first.",
                    f"cells farther (from {in_words(early)} to {in_words(late)})",
                    less(late, early),
                    {"first third": early, "last third": late},
                )
            )
            verdicts.append(self._between(name, over_rounds(run, SUCCESS)))
        table = {
            name: {
                key: [mean_interval(third) for third in _thirds(over_rounds(run, key))] for key in (DISTANCE, SUCCESS)
            }
            for name, run in arms.items()
        }
        return Findings(verdicts, {"thirds_of_training": table})

    def _between(self, name: str, success: np.ndarray) -> Verdict:
        """Holds where the band keeps Bob for at least nine rounds in ten, on average over seeds."""
        inside = np.nanmean((success >= self.hardest) & (success <= self.easiest), axis=0).tolist()
        over = np.nanmean(success > self.easiest, axis=0).tolist()
        _, low, high = mean_interval(inside)
        return Verdict(
            f"With {STYLES[name][1]} for rewards Bob's success stays between {self.hardest:g} and {self.easiest:g}.",
            f"share of rounds in which it does {in_words(inside)}; above {self.easiest:g} in {in_words(over)}.",
            low >= 0.9,
            (low, high),
            "mean share of rounds",
            {name: inside},
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        with styled():
            figure = canvas(7.4, 3.2)
            far, success = figure.subplots(1, 2)
            for name, run in arms.items():
                draw_over_training(far, run, DISTANCE, *STYLES[name])
                draw_over_training(success, run, SUCCESS, *STYLES[name])
            success.axhspan(self.hardest, self.easiest, color="#009E73", alpha=0.12)
            far.set(title="how far Alice's goals are", ylabel="cells, shortest path")
            success.set(title="Bob's success, and the band that teaches", ylabel="share of games", ylim=(-0.04, 1.04))
            far.legend(frameon=False, fontsize=8)
            figure.savefig(path, dpi=110)


def _thirds(found: np.ndarray) -> list[list[float]]:
    return [np.nanmean(third, axis=0).tolist() for third in np.array_split(found, 3)]

"""Does self-play make a curriculum: do Alice's goals get harder as Bob gets better, and never too hard to learn?

This is the lecture's claim for asymmetric self-play. The difficulty of a goal is its shortest-path distance; in the
hall, the distance of the goal's cell from the start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, gained, in_words, less
from rl_rewards.studies.drawing import canvas, draw_over_training, save
from rl_rewards.studies.measures import first_third, last_third, over_rounds

DISTANCE, SUCCESS = "reward/goal_distance", "reward/bob_success"
MOSTLY = 0.9
HALF_A_CELL = 0.5
"""The least difference of mean distances that counts."""
STYLES = {"time": ("#0072B2", "times"), "win": ("#D55E00", "plus and minus one")}


@dataclass(frozen=True, kw_only=True)
class Curriculum:
    """Judges the arms of configs/experiment/lecture/games/curriculum.yaml."""

    easiest: float  # Bob's success above which a goal teaches nothing
    hardest: float  # Bob's success below which a goal teaches nothing either

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        claims = []
        for name, run in arms.items():
            distances, success = over_rounds(run, DISTANCE), over_rounds(run, SUCCESS)
            claims.append(farther(name, first_third(distances), last_third(distances)))
            inside = np.nanmean((success >= self.hardest) & (success <= self.easiest), axis=0).tolist()
            claims.append(self.between(name, inside, np.nanmean(success > self.easiest, axis=0).tolist()))
        table = {
            name: {
                key: [mean_interval(third) for third in _thirds(over_rounds(run, key))] for key in (DISTANCE, SUCCESS)
            }
            for name, run in arms.items()
        }
        return Findings(claims, {"thirds_of_training": table})

    def between(self, name: str, inside: list[float], over: list[float]) -> Claim:
        """Claim that Bob's success stays in the band, for the share ``MOSTLY`` of the rounds on average over seeds.

        Args:
            inside: share of each seed's rounds with a success in the band; ``over``: above it.
        """
        return at_least(
            f"With {STYLES[name][1]} for rewards Bob's success stays between {self.hardest:g} and {self.easiest:g}.",
            f"share of rounds in which it does {in_words(inside)}; above {self.easiest:g} in {in_words(over)}.",
            "mean share of rounds",
            inside,
            MOSTLY,
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
            label_lines(success)
            save(figure, path)


def farther(name: str, early: list[float], late: list[float]) -> Claim:
    """Claim that goals are farther away in the last third of training, ``late``, than in the first, ``early``."""
    return gained(
        f"With {STYLES[name][1]} for rewards goals are farther away in the last third of training than in the first.",
        f"cells farther (from {in_words(early)} to {in_words(late)})",
        less(late, early),
        {"first third": early, "last third": late},
        HALF_A_CELL,
    )


def _thirds(found: np.ndarray) -> list[list[float]]:
    return [np.nanmean(third, axis=0).tolist() for third in np.array_split(found, 3)]

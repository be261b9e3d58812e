"""Does self-play save supervised episodes of a task?

(Sukhbaatar et al. 2018, arXiv:1703.05407, section 4.) Episodes of the task count, games do not. Every arm is the
same learner on the same observations; ``supervised`` plays no games.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.intervals import mean_interval, ratio_of_medians
from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, in_words, median_at_most
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import over_rounds, reached_at

EPISODES, SUCCESS, TOUCHED = "reward/task_episodes", "eval/success", "reward/touched"
SUPERVISED, GAMES = "supervised", "games"
STYLES = {
    SUPERVISED: ("#555555", "no self-play"),
    "mixed": ("#0072B2", "tasks among games"),
    "fine_tuned": ("#009E73", "games first, then tasks"),
}


@dataclass(frozen=True, kw_only=True)
class SelfPlayTransfer:
    """Judges the arms of one file in configs/experiment/lecture/games/self_play_transfer/."""

    row: str
    solved: float  # success that counts as learned
    share: float  # of the episodes without self-play: the most that self-play may need
    rising: float | None  # least rank correlation of touched objects with time; null where the env has none

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        needed = {name: reached_at(run, SUCCESS, self.solved, EPISODES) for name, run in arms.items() if name in STYLES}
        claims = [self.saves(needed, name) for name in needed if name != SUPERVISED]
        if self.rising is not None:
            claims.append(self.touches(*_rising(over_rounds(arms[GAMES], TOUCHED))))
        medians = {name: float(np.median(found)) for name, found in needed.items()}
        final = {name: mean_interval(_finals(run)) for name, run in arms.items() if name in STYLES}
        return Findings(claims, {"episodes_to_solve": needed, "median": medians, "final_success": final})

    def saves(self, needed: Mapping[str, list[float]], name: str) -> Claim:
        """Claim that self-play saves episodes of the task; ``needed`` are those of every seed until solved."""
        both = {arm: needed[arm] for arm in (name, SUPERVISED)}
        ratio, low, high = ratio_of_medians(*both.values())
        medians = [f"{np.median(found):,.0f}" for found in both.values()]
        evidence = median_at_most(both[name], self.share, both[SUPERVISED])
        return Claim(
            f"{self.row}: {STYLES[name][1]} reach {self.solved:.0%} success with at most {self.share:g} of the "
            "supervised episodes.",
            f"median {medians[0]} episodes against {medians[1]} without self-play (inf: never); ratio "
            f"{ratio:.2f} [{low:.2f}, {high:.2f}].",
            (evidence,),
            both,
        )

    def touches(self, ranks: list[float], thirds: Sequence[list[float]]) -> Claim:
        """Claim that touched objects become more; ``thirds`` are their numbers in each third of training."""
        assert self.rising is not None
        return at_least(
            f"{self.row}: the objects that Alice touches rise over training (Spearman above {self.rising:g}).",
            f"rank correlation {in_words(ranks)}; by thirds of training {', '.join(map(in_words, thirds))} objects.",
            "mean rank correlation",
            ranks,
            self.rising,
            {GAMES: ranks},
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        with styled():
            figure = canvas(7.4, 3.2)
            success, touched = figure.subplots(1, 2)
            for name, (colour, label) in STYLES.items():
                if name not in arms:
                    continue
                rows = arms[name].evaluation_rows
                episodes = np.array([values(row, EPISODES) for row in rows])
                found = np.array([values(row, SUCCESS) for row in rows])
                success.plot(episodes, found, color=colour, linewidth=0.5, alpha=0.3)
                success.plot(episodes.mean(axis=1), found.mean(axis=1), color=colour, linewidth=2.0, label=label)
            success.axhline(self.solved, color="#999999", linewidth=1.0, linestyle=":")
            success.set(title=f"{self.row}: success", xlabel="supervised episodes", ylim=(-0.04, 1.04))
            success.set_xscale("symlog", linthresh=100)
            success.set_xlim(left=0)
            self._draw_games(touched, arms.get(GAMES))
            label_lines(success)
            save(figure, path)

    def _draw_games(self, axes: Any, run: RunFiles | None) -> None:
        if run is None:
            axes.set_axis_off()
            return
        key, title = "reward/goal_distance", "how far Alice's goals are"
        if self.rising is not None:
            key, title = TOUCHED, "objects that Alice touches"
        found = over_rounds(run, key)
        steps = [row["env_steps"] for row in run.rows]
        axes.plot(steps, found, color="#0072B2", linewidth=0.5, alpha=0.3)
        axes.plot(steps, np.nanmean(found, axis=1), color="#0072B2", linewidth=2.0)
        axes.set(title=title, xlabel="environment steps of games")


def _finals(run: RunFiles) -> list[float]:
    return values(run.evaluation_rows[-1], SUCCESS)


def _rising(touched: np.ndarray) -> tuple[list[float], list[list[float]]]:
    """Return each seed's rank correlation of touched objects with time, and their mean in each third of training."""
    from scipy import stats

    ranks = []
    for one in touched.T:
        known = np.isfinite(one)
        constant = np.ptp(one[known]) == 0.0
        ranks.append(0.0 if constant else float(stats.spearmanr(np.flatnonzero(known), one[known])[0]))
    return ranks, [np.nanmean(third, axis=0).tolist() for third in np.array_split(touched, 3)]

"""How many supervised episodes does self-play save a task?

(Sukhbaatar et al. 2018, arXiv:1703.05407, section 4.) An episode of the task counts, a game does not. Every arm is the
same learner on the same observations; ``supervised`` plays no games.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings, Verdict
from rl_rewards.studies.drawing import canvas
from rl_rewards.studies.measures import in_words, over_rounds, ratio_of_medians, reached_at

EPISODES, SUCCESS, TOUCHED = "reward/task_episodes", "eval/success", "reward/touched"
SUPERVISED, GAMES = "supervised", "games"
STYLES = {
    SUPERVISED: ("#555555", "no self-play"),
    "mixed": ("#0072B2", "tasks among games"),
    "fine_tuned": ("#009E73", "games first, then tasks"),
}


@dataclass(frozen=True, kw_only=True)
class SelfPlayTransfer:
    """Judges the arms of one file in configs/experiment/lecture/self_play_transfer/."""

    row: str
    solved: float  # success that counts as learned
    share: float  # of the episodes without self-play that self-play may need
    rising: float | None  # rank correlation of touched objects with time; null where the env has none

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        needed = {name: reached_at(run, SUCCESS, self.solved, EPISODES) for name, run in arms.items() if name in STYLES}
        verdicts = [self._saves(needed, name) for name in needed if name != SUPERVISED]
        if self.rising is not None:
            verdicts.append(self._touches(over_rounds(arms[GAMES], TOUCHED)))
        medians = {name: float(np.median(found)) for name, found in needed.items()}
        final = {name: mean_interval(_finals(run)) for name, run in arms.items() if name in STYLES}
        return Findings(verdicts, {"episodes_to_solve": needed, "median": medians, "final_success": final})

    def _saves(self, needed: Mapping[str, list[float]], name: str) -> Verdict:
        ratio, low, high = ratio_of_medians(needed[name], needed[SUPERVISED])
        told = {arm: f"{np.median(needed[arm]):,.0f}" for arm in (name, SUPERVISED)}
        return Verdict(
            f"{self.row}: {STYLES[name][1]} reach {self.solved:.0%} success with at most {self.share:g} of the "
            "supervised episodes.",
            f"median {told[name]} episodes against {told[SUPERVISED]} without self-play (inf: never); ratio "
            f"{ratio:.2f} [{low:.2f}, {high:.2f}].",
            high <= self.share,
            (low, high),
            "ratio of medians",
            {arm: needed[arm] for arm in (name, SUPERVISED)},
        )

    def _touches(self, touched: np.ndarray) -> Verdict:
        from scipy import stats

        assert self.rising is not None
        ranks = []
        for one in touched.T:
            known = np.isfinite(one)
            constant = np.ptp(one[known]) == 0.0
            ranks.append(0.0 if constant else float(stats.spearmanr(np.flatnonzero(known), one[known])[0]))
        _, low, high = mean_interval(ranks)
        thirds = [np.nanmean(third, axis=0).tolist() for third in np.array_split(touched, 3)]
        return Verdict(
            f"{self.row}: the objects that Alice touches rise over training (Spearman above {self.rising:g}).",
            f"rank correlation {in_words(ranks)}; by thirds of training {', '.join(map(in_words, thirds))} objects.",
            low > self.rising,
            (low, high),
            "mean rank correlation",
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
            success.legend(frameon=False, fontsize=8)
            self._draw_games(touched, arms.get(GAMES))
            figure.savefig(path, dpi=110)

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

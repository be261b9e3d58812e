"""Which offline algorithms use which recorded data well, and does the data set need its rewards at all?

Slides: imitate what was good (AWR), fit values of better policies (IQL), be conservative (CQL). Every algorithm learns
from data sets of different quality in one environment. Null rewards, zero and random, stand beside them: on many data
sets they score as well as the true reward (Shin et al. 2023, arXiv:2301.02328).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.data.reference_returns import normalized_score
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.online_budget import BudgetCurve, online_budget
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, in_words, less
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import last_mean

METHODS = {
    "naive_sac": "naive SAC",
    "bc": "cloning",
    "bc_top": "top-10% cloning",
    "awr": "AWR",
    "iql": "IQL",
    "cql": "CQL",
    "td3_bc": "TD3+BC",
    "rebrac": "ReBRAC",
}
NULLS = {"zero": "zero reward (IQL)", "random": "random reward (IQL)"}
MARGIN = 5.0
"""The least difference of normalised scores that counts."""
NEEDED = 0.5
"""A data set tests the reward only if null rewards score at most this share of the true one."""
BUDGET = 100
"""Online episodes that a user may afford to choose among the trained policies."""


@dataclass(frozen=True, kw_only=True)
class OfflineMethods:
    """Judges the arms DATASET-METHOD of one file in configs/experiment/lecture/offline/methods/."""

    row: str  # names the environment
    metric: str  # of an evaluation; more is better
    random: float  # the metric of random actions, which counts as 0
    expert: float  # the metric of the expert, which counts as 100
    datasets: tuple[str, ...]
    mixed: str  # the data set, of unequal episodes, on which better than cloning is claimed
    narrow: str  # the data set of one good policy, on which naive SAC is claimed to fail

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        scores = {name: self._scores(run) for name, run in arms.items()}
        curves = {data: self._budget(arms, data) for data in self.datasets}
        details = {
            "scores": scores,
            "online_budget": {data: {"mean": one.mean.tolist(), "best": one.best, "random": one.random}
                              for data, one in curves.items()},
        }  # fmt: skip
        return Findings(self.claims(scores), details)

    def claims(self, scores: Mapping[str, list[float]]) -> list[Claim]:
        """Claim that caution pays: naive SAC is worse than cloning, and using rewards is better than cloning.

        Args:
            scores: arm -> normalised score of every seed.
        """
        beats = [self._beats(scores, self.narrow, "bc", "naive_sac")]
        beats += [self._beats(scores, self.mixed, name, "bc") for name in ("bc_top", "awr", "iql", "cql")]
        return [*beats, *(self._needs_reward(scores, null) for null in NULLS)]

    def _scores(self, run: RunFiles) -> list[float]:
        return [normalized_score(one, self.random, self.expert) for one in last_mean(run, self.metric)]

    def _beats(self, scores: Mapping[str, list[float]], data: str, better: str, worse: str) -> Claim:
        ours, theirs = scores[f"{data}-{better}"], scores[f"{data}-{worse}"]
        more = less(ours, theirs)
        return at_least(
            f"{self.row}, {data}: {METHODS[better]} scores more than {METHODS[worse]} (by {MARGIN:g} of 100 or more).",
            f"{in_words(ours, 0)} against {in_words(theirs, 0)}; {in_words(more, 0)} more.",
            "normalised score more, paired by seed",
            more,
            MARGIN,
            {better: ours, worse: theirs},
        )

    def _needs_reward(self, scores: Mapping[str, list[float]], null: str) -> Claim:
        true, without = scores[f"{self.mixed}-iql"], scores[f"{self.mixed}-{null}"]
        over = [b - NEEDED * a for a, b in zip(true, without, strict=True)]
        return at_most(
            f"{self.row}, {self.mixed}: with {NULLS[null]} the score is at most half of that with the true reward.",
            f"{in_words(without, 0)} against {in_words(true, 0)}.",
            "score minus half of that with the true reward, paired by seed",
            over,
            0.0,
            {"true": true, null: without},
        )

    def _budget(self, arms: Mapping[str, RunFiles], data: str) -> BudgetCurve:
        """Return the normalised score of the policy that a bandit over all methods' first seeds names."""
        returns = []
        for method in METHODS:
            evaluation = arms[f"{data}-{method}"].evaluations[-1].of_seed(0)
            ended = evaluation.ended_in_success
            found = ended if self.metric.startswith("eval/success") and ended is not None else evaluation.true_returns
            returns.append([normalized_score(float(one), self.random, self.expert) for one in found])
        return online_budget(returns, BUDGET)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        scores, names = findings.details["scores"], {**METHODS, **NULLS}
        with styled():
            figure = canvas(min(2.6 + 0.85 * len(self.datasets) + 4.2, 10.0), 4.2)
            table, budget = figure.subplots(1, 2, width_ratios=[1.5, 1.0])
            means = np.array(
                [[np.mean(scores.get(f"{data}-{name}", [np.nan])) for data in self.datasets] for name in names]
            )
            table.imshow(np.clip(means, 0, 100), cmap="YlGnBu", vmin=0, vmax=130, aspect="auto")
            for (i, j), mean in np.ndenumerate(means):
                if np.isfinite(mean):
                    table.text(j, i, f"{mean:.0f}", ha="center", va="center", fontsize=9)
            table.set_xticks(range(len(self.datasets)), [one.replace("_", "\n") for one in self.datasets])
            table.set_yticks(range(len(names)), list(names.values()))
            table.tick_params(length=0)
            table.set_title("normalised score (expert = 100)", loc="left")
            for data in self.datasets:
                curve = findings.details["online_budget"][data]
                budget.plot(range(1, BUDGET + 1), curve["mean"], linewidth=1.8, label=data.replace("_", " "))
            budget.set(xscale="log", xlabel="online episodes", ylabel="score of the chosen policy", ylim=(-4, 108))
            budget.set_title("choosing among the eight", loc="left")
            figure.suptitle(self.row, x=0.01, ha="left")
            label_lines(budget)
            save(figure, path)

"""Does GAIL need less of the environment with an off-policy learner?

(Kostrikov et al. 2019, arXiv:1809.02925, section 5: a tenth on average, with discriminator-actor-critic.) SAC asks the
newest discriminator for the rewards of replayed steps whenever it samples them; PPO learns from each step once. Two
more arms clone the same demonstrations, and run SAC from demonstrations of random actions, which should learn nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.intervals import mean_interval, ratio_of_medians
from rl_rewards.reporting.figures.drawing import OTHER, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, enough_seeds, in_words, less, median_at_most
from rl_rewards.studies.drawing import canvas, draw_mean, save
from rl_rewards.studies.measures import last_mean, reached_at, series

OFF, ON = "off_policy", "on_policy"
TITLES = {OFF: "GAIL with SAC", ON: "GAIL with PPO"}
COLOURS = {OFF: "#0072B2", ON: "#D55E00"}
BESIDE = {"cloning": ("cloning", "--"), "dummy": ("SAC, random demonstrations", ":")}
NEEDED = 0.8
"""The share of seeds that must solve the task."""


@dataclass(frozen=True, kw_only=True)
class GailOffPolicy:
    """Judges the arms of one file in configs/experiment/lecture/demonstrations/gail_off_policy/."""

    row: str
    metric: str  # of an evaluation; more is better
    metric_name: str
    solved: float  # what counts as learned, in the metric's units
    share: float  # of the env steps that PPO needs: the most that SAC may need
    margin: float  # the least difference of the metric that counts

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        needed = {name: reached_at(arms[name], self.metric, self.solved) for name in TITLES}
        final = {name: last_mean(run, self.metric) for name, run in arms.items()}
        medians = {name: float(np.median(found)) for name, found in needed.items()}
        table = {name: mean_interval(found) for name, found in final.items()}
        return Findings(self.claims(needed, final), {"env_steps_to_solve": needed, "median": medians, "final": table})

    def claims(self, needed: Mapping[str, list[float]], final: Mapping[str, list[float]]) -> list[Claim]:
        """Claim that both learn, that SAC needs fewer steps, and that it beats cloning.

        Args:
            needed: env steps until solved, of every seed.
            final: the metric at the end, of every seed.
        """
        learn = [self._learns(name, final[name]) for name in TITLES]
        return [*learn, self._saves(needed), self._beats_cloning(final), self._learns_nothing(final["dummy"])]

    def _learns(self, name: str, found: list[float]) -> Claim:
        return enough_seeds(
            f"{self.row}: {TITLES[name]} ends above {self.solved:g} ({self.metric_name}) in {NEEDED:.0%} of seeds.",
            f"{self.metric_name} {in_words(found)}.",
            [value > self.solved for value in found],
            NEEDED,
            {name: found},
        )

    def _saves(self, needed: Mapping[str, list[float]]) -> Claim:
        ratio, low, high = ratio_of_medians(needed[OFF], needed[ON])
        evidence = median_at_most(needed[OFF], self.share, needed[ON])
        return Claim(
            f"{self.row}: with SAC, GAIL first reaches {self.solved:g} ({self.metric_name}) after at most "
            f"{self.share:g} of the env steps that it takes with PPO.",
            f"median {np.median(needed[OFF]):,.0f} env steps against {np.median(needed[ON]):,.0f} (inf: never); ratio "
            f"{ratio:.2f} [{low:.2f}, {high:.2f}].",
            (evidence,),
            dict(needed),
        )

    def _beats_cloning(self, final: Mapping[str, list[float]]) -> Claim:
        both = {name: final[name] for name in (OFF, "cloning")}
        more = less(final[OFF], final["cloning"])
        return at_least(
            f"{self.row}: {TITLES[OFF]} ends with more {self.metric_name} than cloning the same demonstrations.",
            f"{in_words(final[OFF])} against {in_words(final['cloning'])}; {in_words(more)} more.",
            f"{self.metric_name} more than cloning, paired by seed",
            more,
            self.margin,
            both,
        )

    def _learns_nothing(self, found: list[float]) -> Claim:
        return at_most(
            f"{self.row}: {TITLES[OFF]}, from demonstrations of random actions, does not reach {self.solved:g}.",
            f"{self.metric_name} {in_words(found)}.",
            f"mean {self.metric_name}",
            found,
            self.solved,
            {"dummy": found},
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        final = findings.details["final"]
        with styled():
            figure = canvas(7.2, 4.0)
            axes = figure.subplots()
            for name, title in TITLES.items():
                steps = [row["env_steps"] for row in arms[name].evaluation_rows]
                draw_mean(axes, steps, series(arms[name], self.metric), COLOURS[name], title)
            for name, (title, style) in BESIDE.items():
                axes.axhline(final[name][0], color=OTHER, linestyle=style, linewidth=1.2, label=f"{title}, at the end")
            axes.axhline(self.solved, color="#AAAAAA", linewidth=0.8, label="counts as solved")
            axes.set(title=f"{self.row}: mean over seeds and 95% interval", ylabel=self.metric_name,
                     xlabel="environment steps", xscale="log")  # fmt: skip
            label_lines(axes)
            save(figure, path)

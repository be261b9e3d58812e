"""Do the values of untried actions grow without bound offline, and do CQL and IQL prevent it?

Slides: "Querying Q-function on OOD actions causes overestimation." Notes: IQL "learns V and Q for the behavior policy",
and its expectile loss "pushes V to estimate values for a policy that's better". The algorithms learn from an expert's
episodes in a maze in which success earns 1 and ends the episode, so that no discounted return exceeds 1. The expectiles
are compared on the episodes of a recording policy that takes random actions half of the time.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, at_most, in_words, less
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.evidence import Evidence
from rl_rewards.studies.measures import SUCCESS, last_mean, series

NAIVE, CQL, IQL = "naive_sac", "cql", "iql"
EXPECTILES = ("tau_5", "tau_7", "tau_9")
ESTIMATE, REACHED = "eval/value_estimate", "eval/discounted_return"
VALUE, RECORDED = "agent/v_mean", "agent/recorded_value"
TITLES = {NAIVE: "naive SAC", CQL: "CQL", IQL: "IQL"}
COLOURS = {NAIVE: "#D55E00", CQL: "#0072B2", IQL: "#009E73"}
WORDS = {"tau_5": "tau = 0.5", "tau_7": "tau = 0.7", "tau_9": "tau = 0.9"}


@dataclass(frozen=True, kw_only=True)
class Overestimation:
    """Compares what algorithms believe with what their policies then get."""

    highest: float  # no discounted return exceeds it

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        measured = {
            key: {name: last_mean(arms[name], metric) for name in TITLES}
            for key, metric in {"estimate": ESTIMATE, "reached": REACHED, "success": SUCCESS}.items()
        }
        values = {name: last_mean(arms[name], VALUE) for name in EXPECTILES}
        recorded = last_mean(arms[EXPECTILES[0]], RECORDED)
        claims = [*self.of_estimates(measured["estimate"], measured["reached"], measured["success"])]
        claims += self.of_expectiles(values, recorded)
        return Findings(claims, {**measured, "recorded_value": recorded, "value": values})

    def of_estimates(
        self,
        estimate: Mapping[str, list[float]],
        reached: Mapping[str, list[float]],
        success: Mapping[str, list[float]],
    ) -> list[Claim]:
        """Claim that naive SAC's estimate is impossible while it fails, that CQL's is low, and IQL's in between."""
        double = 2.0 * self.highest
        surplus = less(estimate[CQL], reached[CQL])
        above = less(estimate[IQL], estimate[CQL])
        factors = [a / max(b, 1e-3) for a, b in zip(estimate[NAIVE], estimate[IQL], strict=True)]
        return [
            Claim(
                f"Naive SAC comes to expect more than twice the highest possible return ({self.highest:g}).",
                f"it expects {_of_seeds(estimate[NAIVE])} and gets {in_words(reached[NAIVE])}.",
                (_many_times("expected return of naive SAC", estimate[NAIVE], double),),
                {"expected": estimate[NAIVE], "reached": reached[NAIVE]},
            ),
            at_most(
                "Naive SAC's policy then fails: it succeeds in at most half of its episodes.",
                f"success {in_words(success[NAIVE])}.",
                "success of naive SAC",
                success[NAIVE],
                0.5,
                {NAIVE: success[NAIVE]},
            ),
            at_most(
                f"CQL expects no more than its policy gets (by {PRACTICAL:g} at most).",
                f"it expects {in_words(estimate[CQL])} and gets {in_words(reached[CQL])}.",
                "expected minus reached return of CQL",
                surplus,
                PRACTICAL,
                {"expected": estimate[CQL], "reached": reached[CQL]},
            ),
            Claim(
                "Naive SAC expects at least twice as much as IQL.",
                f"{_of_seeds(estimate[NAIVE])} against {in_words(estimate[IQL])}.",
                (_many_times("expected return of naive SAC / IQL, paired by seed", factors, 2.0),),
                {name: estimate[name] for name in (NAIVE, IQL)},
            ),
            at_least(
                "IQL expects more than CQL.",
                f"{in_words(estimate[IQL])} against {in_words(estimate[CQL])}.",
                "expected return more than CQL's, paired by seed",
                above,
                PRACTICAL,
                {name: estimate[name] for name in (IQL, CQL)},
            ),
        ]

    def of_expectiles(self, values: Mapping[str, list[float]], recorded: list[float]) -> list[Claim]:
        """Claim that V is the recording policy's with tau = 1/2, and rises with tau."""
        off = less(values[EXPECTILES[0]], recorded)
        first = Claim(
            f"With tau = 0.5, IQL's V is the mean recorded return (to within {PRACTICAL:g}).",
            f"V {in_words(values[EXPECTILES[0]])}, recorded {in_words(recorded)}.",
            (Evidence(of="V minus the recorded return", values=off, claimed=(-PRACTICAL, PRACTICAL)),),
            {"V": values[EXPECTILES[0]], "recorded": recorded},
        )
        rises = [
            at_least(
                f"IQL's V is higher with {WORDS[more]} than with {WORDS[fewer]}.",
                f"{in_words(values[more])} against {in_words(values[fewer])}.",
                "V more, paired by seed",
                less(values[more], values[fewer]),
                0.01,
                {name: values[name] for name in (fewer, more)},
            )
            for fewer, more in pairwise(EXPECTILES)
        ]
        return [first, *rises]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        with styled():
            figure = canvas(9.6, 3.6)
            left, right = figure.subplots(1, 2)
            for name, title in TITLES.items():
                steps = [row["gradient_steps"] for row in arms[name].evaluation_rows]
                for axes, key in ((left, ESTIMATE), (right, SUCCESS)):
                    found = series(arms[name], key)
                    axes.plot(steps, found, color=COLOURS[name], linewidth=0.5, alpha=0.3)
                    axes.plot(steps, found.mean(axis=1), color=COLOURS[name], linewidth=2.0, label=title)
            left.axhline(self.highest, color="#777777", linestyle="--", linewidth=1.0)
            left.annotate("highest possible", (0.99, self.highest), xycoords=("axes fraction", "data"), ha="right",
                          va="bottom", fontsize=9, color="#777777")  # fmt: skip
            most = max(float(np.nanmax(series(arms[name], ESTIMATE))) for name in TITLES)
            left.set(title="expected return", xlabel="gradient steps", ylabel="discounted return",
                     yscale="symlog" if most > 5 * self.highest else "linear")  # fmt: skip
            right.set(title="success", xlabel="gradient steps", ylabel="share of episodes", ylim=(-0.04, 1.04))
            label_lines(right)
            save(figure, path)


def _many_times(of: str, values: list[float], least: float) -> Evidence:
    """Return the evidence for a geometric mean over seeds of at least ``least``, for values that span magnitudes."""
    positive = [max(value, 1e-3) for value in values]
    return Evidence(of=f"{of}, geometric mean", values=positive, claimed=(least, math.inf), method="geometric mean")


def _of_seeds(values: list[float]) -> str:
    """Return the median over seeds, and the least and the greatest value."""
    return f"{np.median(values):.2g} (median; {min(values):.2g} to {max(values):.2g})"

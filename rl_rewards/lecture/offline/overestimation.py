"""Do the values of untried actions grow without bound offline, and do CQL and IQL prevent it?

Slides: "Querying Q-function on OOD actions causes overestimation." Notes: IQL "learns V and Q for the behavior policy",
and its expectile loss "pushes V to estimate values for a policy that's better". All arms learn from one recording in a
maze in which success earns 1 and ends the episode, so that no discounted return exceeds 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, at_most, in_words, less
from rl_rewards.studies.drawing import canvas
from rl_rewards.studies.evidence import Evidence
from rl_rewards.studies.measures import SUCCESS, last_mean, series

NAIVE, CQL, IQL = "naive_sac", "cql", ("iql_5", "iql_7", "iql_9")
ESTIMATE, REACHED = "eval/value_estimate", "eval/discounted_return"
VALUE, RECORDED = "agent/v_mean", "agent/recorded_value"
TITLES = {NAIVE: "naive SAC", CQL: "CQL", "iql_5": "IQL, tau 0.5", "iql_7": "IQL, tau 0.7", "iql_9": "IQL, tau 0.9"}
COLOURS = {NAIVE: "#D55E00", CQL: "#0072B2", "iql_5": "#56B4E9", "iql_7": "#009E73", "iql_9": "#CC79A7"}


@dataclass(frozen=True, kw_only=True)
class Overestimation:
    """Compares what algorithms believe with what their policies then get."""

    highest: float  # no discounted return exceeds it

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        measured = {
            key: {name: last_mean(run, metric) for name, run in arms.items()}
            for key, metric in {"estimate": ESTIMATE, "reached": REACHED, "success": SUCCESS}.items()
        }
        values = {name: last_mean(arms[name], VALUE) for name in IQL}
        recorded = last_mean(arms[IQL[0]], RECORDED)
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
        middle = IQL[1]
        below, above = less(estimate[NAIVE], estimate[middle]), less(estimate[middle], estimate[CQL])
        return [
            at_least(
                f"Naive SAC comes to expect more than twice the highest possible return ({self.highest:g}).",
                f"it expects {in_words(estimate[NAIVE])} and gets {in_words(reached[NAIVE])}.",
                "expected return of naive SAC",
                estimate[NAIVE],
                double,
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
            at_least(
                "IQL expects less than naive SAC.",
                f"{in_words(estimate[middle])} against {in_words(estimate[NAIVE])}.",
                "expected return less than naive SAC's, paired by seed",
                below,
                PRACTICAL,
                {name: estimate[name] for name in (middle, NAIVE)},
            ),
            at_least(
                "IQL expects more than CQL.",
                f"{in_words(estimate[middle])} against {in_words(estimate[CQL])}.",
                "expected return more than CQL's, paired by seed",
                above,
                PRACTICAL,
                {name: estimate[name] for name in (middle, CQL)},
            ),
        ]

    def of_expectiles(self, values: Mapping[str, list[float]], recorded: list[float]) -> list[Claim]:
        """Claim that V is the recording policy's with tau = 1/2, and rises with tau."""
        off = less(values[IQL[0]], recorded)
        first = Claim(
            f"With tau = 0.5, IQL's V is the mean recorded return (to within {PRACTICAL:g}).",
            f"V {in_words(values[IQL[0]])}, recorded {in_words(recorded)}.",
            (Evidence(of="V minus the recorded return", values=off, claimed=(-PRACTICAL, PRACTICAL)),),
            {"V": values[IQL[0]], "recorded": recorded},
        )
        rises = [
            at_least(
                f"V is higher with {TITLES[more]} than with {TITLES[fewer]}.",
                f"{in_words(values[more])} against {in_words(values[fewer])}.",
                "V more, paired by seed",
                less(values[more], values[fewer]),
                0.01,
                {name: values[name] for name in (fewer, more)},
            )
            for fewer, more in pairwise(IQL)
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
                          va="bottom", fontsize=8, color="#777777")  # fmt: skip
            most = max(float(np.nanmax(series(arms[name], ESTIMATE))) for name in TITLES)
            left.set(title="expected return", xlabel="gradient steps", ylabel="discounted return",
                     yscale="symlog" if most > 5 * self.highest else "linear")  # fmt: skip
            right.set(title="success", xlabel="gradient steps", ylabel="share of episodes", ylim=(-0.04, 1.04))
            handles, labels = right.get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=9)
            figure.savefig(path, dpi=110)

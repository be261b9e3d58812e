"""Which kind of feedback gives most success for equal human seconds, if people err?

Every arm but one is a kind with a number of items, and all have the same env steps. What an item costs is a parameter
of the study. A budget buys the largest arm of a kind that it can pay for; a kind of which it buys nothing is left out.
The arm ``true_reward`` costs nothing: it shows what the policy learns if the reward has no mistake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, in_words, less
from rl_rewards.studies.drawing import ON_TOP, canvas, save
from rl_rewards.studies.measures import SUCCESS, last_mean

COLOURS = {
    "pairs": "#0072B2", "ratings": "#E69F00", "corrections": "#009E73", "descriptions": "#CC79A7",
    "demonstrations": "#D55E00", "pictures": "#555555", "yes_no": "#56B4E9",
}  # fmt: skip
PREDICTED = (("corrections", "pairs"), ("descriptions", "pairs"))
"""More success and less, claimed at every budget."""
PREDICTED_ONCE = (("pairs", "ratings"), ("yes_no", "pictures"), ("corrections", "demonstrations"))
"""The same, claimed at one budget."""
TRUE_ARM = "true_reward"
APART = 1.04
"""The ratio between the places of two kinds in the figure, so that their intervals do not lie on each other."""


@dataclass(frozen=True, kw_only=True)
class FeedbackKinds:
    """Judges the arms of one file in configs/experiment/lecture/preferences/feedback_kinds/."""

    row: str
    budgets: tuple[float, ...]
    judged_at: float
    seconds: Mapping[str, float]
    bought: Mapping[str, Mapping[str, int]]

    def __post_init__(self) -> None:
        require(
            self.judged_at in self.budgets,
            f"study.judged_at={self.judged_at:g} must be one of study.budgets={list(self.budgets)}.",
        )
        for kind, seconds in self.seconds.items():
            require(seconds > 0, f"study.seconds.{kind}={seconds:g} must be positive.")
        for arm, items in self.bought.items():
            for kind in (_kind(arm), *items):
                require(
                    kind in self.seconds,
                    f"study.bought.{arm} needs study.seconds.{kind}; there are {', '.join(self.seconds)}.",
                )

    def cost(self, arm: str) -> float:
        """Return the human seconds of an arm."""
        return sum(count * self.seconds[kind] for kind, count in self.bought[arm].items())

    def affordable(self, budget: float) -> dict[str, str]:
        """Return kind -> its dearest arm that costs at most ``budget``."""
        arms = sorted((arm for arm in self.bought if self.cost(arm) <= budget), key=self.cost)
        return {_kind(arm): arm for arm in arms}

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        require(
            set(arms) == {TRUE_ARM, *self.bought},
            f"study.bought must name every arm but {TRUE_ARM}, and no other: "
            f"{', '.join(sorted(set(arms) ^ {TRUE_ARM, *self.bought}))}.",
        )
        success = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        spent = {name: self.cost(name) for name in self.bought}
        left_out = {
            f"{budget:g}": sorted({_kind(arm) for arm in self.bought} - set(self.affordable(budget)))
            for budget in self.budgets
        }
        details = {
            "seconds_spent": spent,
            "success": {name: mean_interval(found) for name, found in success.items()},
            "bought_nothing": left_out,
        }
        return Findings(self.claims(success), details)

    def claims(self, success: Mapping[str, list[float]]) -> list[Claim]:
        """Claim which of two kinds has more success, wherever the budget buys both."""
        wanted = [(*two, budget) for two in PREDICTED for budget in self.budgets]
        wanted += [(*two, self.judged_at) for two in PREDICTED_ONCE]
        wanted.append(("demonstrations", "pairs", max(self.budgets)))
        found = []
        for better, worse, budget in wanted:
            bought = self.affordable(budget)
            if better in bought and worse in bought:
                found.append(self._more(success, bought[better], bought[worse], budget))
        return found

    def _more(self, success: Mapping[str, list[float]], better: str, worse: str, budget: float) -> Claim:
        more = less(success[better], success[worse])
        told = " against ".join(f"{in_words(success[arm])} for {self.cost(arm):g} s" for arm in (better, worse))
        return at_least(
            f"{self.row}, {budget:g} seconds: {_words(better)} give more success than {_words(worse)}.",
            f"{told}; {in_words(more)} more.",
            "success more, paired by seed",
            more,
            PRACTICAL,
            {arm: success[arm] for arm in (better, worse)},
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        with styled():
            figure = canvas(8.0, 4.6)
            axes = figure.subplots()
            kinds = list(dict.fromkeys(map(_kind, self.bought)))
            for place, kind in enumerate(kinds):
                own = sorted((arm for arm in self.bought if _kind(arm) == kind), key=self.cost)
                beside = APART ** (place - len(kinds) // 2)
                found = np.array([mean_interval(last_mean(arms[arm], SUCCESS)) for arm in own])
                axes.errorbar(
                    [self.cost(arm) * beside for arm in own],
                    found[:, 0],
                    np.abs(found[:, 1:] - found[:, :1]).T,
                    fmt="o-",
                    color=COLOURS[kind],
                    label=_words(own[0]),
                    capsize=2,
                    elinewidth=1.0,
                    **ON_TOP,
                )
            reached = float(np.mean(last_mean(arms[TRUE_ARM], SUCCESS)))
            axes.axhline(reached, color="#999999", linestyle=":", label="the true reward")
            axes.set(xscale="log", xlabel="human seconds", ylabel="true success at the end", ylim=(-0.02, 1.02))
            axes.set_xticks(self.budgets, [f"{budget:g}" for budget in self.budgets])
            axes.minorticks_off()
            axes.set_title(f"{self.row}: mean over seeds and 95% interval; equal costs are drawn beside each other")
            label_lines(axes)
            save(figure, path)


def _kind(arm: str) -> str:
    return arm.rpartition("_")[0]


def _words(arm: str) -> str:
    return {"yes_no": "yes/no answers"}.get(_kind(arm), _kind(arm))

"""AI feedback instead of people's (RLAIF): how accurate must a judge be, and where does its bias go?

Slides: a judge of texts is cheaper than people, and "if your AI judge prefers verbose responses, your trained model
will be verbose". Here the judges are scripted: they know gold, and err or lean as their arms say. (Lee et al. 2023,
arXiv:2309.00267; length bias: Singhal et al. 2023, arXiv:2310.03716.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.labelers.calibration import calibrate
from rl_rewards.lecture.language.measures import BETTER, GOLD, at_the_end
from rl_rewards.lecture.preferences.ai_feedback.study import answers, spec_of
from rl_rewards.loop.build import build_env
from rl_rewards.loop.run_folder import read_config
from rl_rewards.reporting.figures.drawing import ALARM, OTHER, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, enough_seeds, in_words, less
from rl_rewards.studies.drawing import canvas
from rl_rewards.studies.measures import last_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ERRING = {"policy_70": 0.7, "policy_80": 0.8, "policy_90": 0.9, "policy_always_right": 1.0}
"""Policy -> the share of its judge's answers that are right."""
LEANING = {
    "policy_flattered": ("judge_flattered", "eval/gold_flattery", "gold_flattery", "flattering sentences"),
    "policy_verbose": ("judge_verbose", "eval/gold_length", "length", "tokens"),
}
"""Policy -> its judge, the metric of what its judge leans towards, the feature's name for calibrate, and its unit."""
PEOPLE, PLAIN = "rlhf", "policy_90"
LONGER = {"policy_flattered": 2.0, "policy_verbose": 1.25}
"""How many times as much of the feature counts as the policy's own bias."""


@dataclass(frozen=True, kw_only=True)
class RLAIF:
    """Compares policies by the gold that they reach, and by what their judges lean towards.

    Args:
        dollars: of one comparison, by whom it is made; for the table of costs only.
    """

    dollars: Mapping[str, float]

    def __post_init__(self) -> None:
        for name in ("people", "judge"):
            told = f"study.dollars.{name}={self.dollars.get(name)} must be a number of at least 0."
            require(isinstance(self.dollars.get(name), int | float) and self.dollars[name] >= 0, told)

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds
        policies = [PEOPLE, *ERRING, *LEANING]
        gold = {name: last_mean(arms[name], GOLD) for name in policies}
        manner = {
            name: {one: last_mean(arms[one], key) for one in (name, PLAIN)} for name, (_, key, _, _) in LEANING.items()
        }
        named = {
            name: [leans_on(arms[judge].path, seed) == feature for seed in arms[judge].seeds]
            for name, (judge, _, feature, _) in LEANING.items()
        }
        judges = {"people": "reward_model", **{name: name.replace("policy", "judge") for name in ERRING}}
        counts = {who: at_the_end(arms[arm], "reward/labels") for who, arm in judges.items()}
        details = {
            "gold": gold,
            "manner": manner,
            "named": named,
            "accuracy": {who: at_the_end(arms[arm], "reward/heldout_accuracy") for who, arm in judges.items()},
            "right": {who: at_the_end(arms[arm], "labeler/agreement_with_true_return") for who, arm in judges.items()},
            "dollars": {who: self._cost(who, np.mean(count)) for who, count in counts.items()},
        }
        return Findings(self.claims(gold, manner, named, details["dollars"]), details)

    def _cost(self, who: str, count: float) -> float:
        return float(count * self.dollars["people" if who == "people" else "judge"])

    def claims(
        self,
        gold: Mapping[str, list[float]],
        manner: Mapping[str, Mapping[str, list[float]]],
        named: Mapping[str, list[bool]],
        dollars: Mapping[str, float],
    ) -> list[Claim]:
        """Claim that a judge that is mostly right replaces people, and that a judge's bias becomes the policy's.

        Args:
            gold: policy -> gold at the end, of each seed.
            manner: biased policy -> how much of the feature it and the unbiased one have at the end, of each seed.
            named: biased policy -> True for each seed in which calibrate names its judge's bias first.
            dollars: who -> the cost of all answers of a seed, at the stated prices.
        """
        lost, gained = less(gold[PEOPLE], gold[PLAIN]), less(gold["policy_always_right"], gold["policy_70"])
        each = "; ".join(f"{share:g}: {in_words(gold[name])}" for name, share in ERRING.items())
        return [
            at_most(
                f"A judge that is right in 90% of pairs brings as much gold as people do, within {BETTER:g}.",
                f"{in_words(gold[PLAIN])} against {in_words(gold[PEOPLE])}; {in_words(lost)} less. At the stated "
                f"prices the answers of a seed cost {dollars[PLAIN]:.2f} and {dollars['people']:.2f} dollars.",
                "gold less, paired by seed", lost, BETTER, {PLAIN: gold[PLAIN], PEOPLE: gold[PEOPLE]},
            ),
            at_least(
                f"A judge that is always right brings {BETTER:g} more gold than one that is right in 70% of pairs.",
                f"{each}; {in_words(gained)} more.",
                "gold more, paired by seed", gained, BETTER, {name: gold[name] for name in ERRING},
            ),
            *(self._leans(name, manner[name]) for name in LEANING),
            *(
                enough_seeds(
                    f"Held against gold, the judge that leans towards {unit} is found to lean so most, in 90% of "
                    "seeds.",
                    f"named in {sum(named[name])} of {len(named[name])} seeds.",
                    named[name], 0.9, {name: [float(one) for one in named[name]]},
                )
                for name, (_, _, _, unit) in LEANING.items()
            ),
        ]  # fmt: skip

    def _leans(self, name: str, found: Mapping[str, list[float]]) -> Claim:
        unit, times = LEANING[name][3], LONGER[name]
        more = less(found[name], [times * one for one in found[PLAIN]])
        return at_least(
            f"Under a judge that leans towards {unit} the policy writes at least {times:g} times as many as under the "
            "same judge without that bias.",
            f"{in_words(found[name])} against {in_words(found[PLAIN])} in a response.",
            f"{unit} more than {times:g} times those without a bias, paired by seed", more, 0.0, dict(found),
        )  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        gold, manner = findings.details["gold"], findings.details["manner"]
        with styled():
            figure = canvas(10.5, 3.6)
            left, *panels = figure.subplots(1, 1 + len(LEANING), width_ratios=[1.6, *[1.0] * len(LEANING)])
            shares = list(ERRING.values())
            each = np.array([gold[name] for name in ERRING])
            left.plot(shares, each, color=TRUE, linewidth=0.6, alpha=0.35)
            left.plot(shares, each.mean(axis=1), color=TRUE, linewidth=2.0, marker="o", markersize=3)
            left.axhline(float(np.mean(gold[PEOPLE])), color=OTHER, linestyle=":", linewidth=1.0)
            left.annotate("people", (0.0, float(np.mean(gold[PEOPLE]))), xycoords=("axes fraction", "data"),
                          xytext=(4, 3), textcoords="offset points", fontsize=8)  # fmt: skip
            left.set(xlabel="share of the judge's answers that are right", ylabel="gold at the end")
            for axes, (name, found) in zip(panels, manner.items(), strict=True):
                _bars(axes, found, LEANING[name][3])
            figure.savefig(path, dpi=110)


def leans_on(run_dir: Path, seed: int) -> str | None:
    """Return the feature that biases a run's answers most, as ``python -m rl_rewards.calibrate RUN_DIR`` names it."""
    pairs, env = answers(run_dir, seed), build_env(read_config(run_dir, ["env"], ()))
    assert pairs.returns is not None, "the judges are scripted and store true rewards"
    features = pairs.features(spec_of(run_dir)) | env.manners(pairs.obs, pairs.action)
    return calibrate(pairs.scores, pairs.returns, features).leans_on


def _bars(axes: "Axes", found: Mapping[str, list[float]], unit: str) -> None:
    """Draw how much of a feature each policy has: bars of means, points of seeds."""
    for place, (values, colour) in enumerate(zip(found.values(), (ALARM, TRUE), strict=True)):
        axes.bar(place, np.mean(values), color=colour, alpha=0.6)
        axes.plot(np.full(len(values), place), values, ".", color=colour, markersize=4)
    axes.set_xticks([0, 1], ["leaning judge", "unbiased"], fontsize=8)
    axes.set(ylabel=f"{unit} in a response")

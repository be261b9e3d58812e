"""AI feedback instead of people's (RLAIF): how accurate must a judge be?

Slides: a judge of texts is cheaper than people. Here the judges are scripted: they know gold, and err as often as their
arms say. (Lee et al. 2023, arXiv:2309.00267.) Judges that lean: judge_bias.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.lecture.language.measures import BETTER, GOLD, at_the_end
from rl_rewards.reporting.figures.drawing import OTHER, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, in_words, less
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import last_mean

ERRING = {"policy_70": 0.7, "policy_80": 0.8, "policy_90": 0.9, "policy_always_right": 1.0}
"""Policy -> the share of its judge's answers that are right."""
PEOPLE, PLAIN = "rlhf", "policy_90"
RIGHT, LEANING = "policy_always_right", "policy_position"
"""The policies of a judge that is always right, and of one that favours the response that it sees first."""


@dataclass(frozen=True, kw_only=True)
class RLAIF:
    """Compares policies by the gold that they reach.

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
        gold = {name: last_mean(arms[name], GOLD) for name in (PEOPLE, *ERRING, LEANING)}
        judges = {"people": "reward_model", **{name: name.replace("policy", "judge") for name in (*ERRING, LEANING)}}
        right = {who: at_the_end(arms[arm], "labeler/agreement_with_true_return") for who, arm in judges.items()}
        counts = {who: at_the_end(arms[arm], "reward/labels") for who, arm in judges.items()}
        details = {
            "gold": gold,
            "accuracy": {who: at_the_end(arms[arm], "reward/heldout_accuracy") for who, arm in judges.items()},
            "right": right,
            "dollars": {who: self._cost(who, np.mean(count)) for who, count in counts.items()},
        }
        return Findings(self.claims(gold, details["dollars"], right[LEANING]), details)

    def _cost(self, who: str, count: float) -> float:
        return float(count * self.dollars["people" if who == "people" else "judge"])

    def claims(self, gold: Mapping[str, list[float]], dollars: Mapping[str, float], right: list[float]) -> list[Claim]:
        """Claim that a judge that is mostly right replaces people, that its accuracy matters, and that its lean costs.

        Args:
            gold: policy -> gold at the end, of each seed.
            dollars: who -> the cost of all answers of a seed, at the stated prices.
            right: the share of right answers of the judge that favours the first response, of each seed.
        """
        lost, gained = less(gold[PEOPLE], gold[PLAIN]), less(gold[RIGHT], gold["policy_70"])
        leant = less(gold[RIGHT], gold[LEANING])
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
            at_least(
                f"That a judge favours the response that it sees first costs {BETTER:g} gold or more.",
                f"{in_words(gold[LEANING])} against {in_words(gold[RIGHT])}; {in_words(leant)} less. The order is "
                f"random, so that {in_words(right)} of its answers are right, and its lean is noise.",
                "gold less, paired by seed", leant, BETTER, {name: gold[name] for name in (LEANING, RIGHT)},
            ),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        gold = findings.details["gold"]
        with styled():
            figure = canvas(5.2, 3.6)
            axes = figure.subplots()
            shares = list(ERRING.values())
            each = np.array([gold[name] for name in ERRING])
            axes.plot(shares, each, color=TRUE, linewidth=0.6, alpha=0.35)
            axes.plot(shares, each.mean(axis=1), color=TRUE, linewidth=2.0, marker="o", markersize=3)
            axes.axhline(float(np.mean(gold[PEOPLE])), color=OTHER, linestyle=":", linewidth=1.0)
            axes.annotate("people", (0.0, float(np.mean(gold[PEOPLE]))), xycoords=("axes fraction", "data"),
                          xytext=(4, 3), textcoords="offset points", fontsize=8)  # fmt: skip
            axes.set(xlabel="share of the judge's answers that are right", ylabel="gold at the end")
            save(figure, path)

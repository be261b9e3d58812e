"""Does the bias of an AI judge become the policy's, is it found, and what takes it away?

Slides: "if your AI judge prefers verbose responses, your trained model will be verbose". The judges are scripted: they
answer by gold and by what their arm says, and are wrong in 10% of pairs. (Length bias: Singhal et al. 2023,
arXiv:2310.03716; control of the length: Chen et al. 2024, arXiv:2402.07319.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rl_rewards.labelers.calibration import calibrate
from rl_rewards.lecture.language.measures import GOLD
from rl_rewards.lecture.preferences.ai_feedback.study import answers, spec_of
from rl_rewards.loop.build import build_env
from rl_rewards.loop.run_folder import read_config
from rl_rewards.reporting.figures.drawing import ALARM, OTHER, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, enough_seeds, in_words, less
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.evidence import Evidence
from rl_rewards.studies.measures import last_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEANING = {
    "policy_flattered": ("judge_flattered", "eval/gold_flattery", "gold_flattery", "flattering sentences"),
    "policy_verbose": ("judge_verbose", "eval/gold_length", "length", "tokens"),
    "policy_formal": ("judge_formal", "eval/gold_polite", "gold_polite", "polite sentences"),
    "policy_credulous": ("judge_credulous", "eval/gold_complied", "gold_complied", "responses that help with harm"),
}
"""Policy -> its judge, the metric of what its judge leans towards, the feature's name for calibrate, and its unit."""
PLAIN = "policy_90"
"""The policy whose judge has no bias."""
LONGER = {"policy_flattered": 2.0, "policy_verbose": 1.25, "policy_formal": 1.25, "policy_credulous": 1.25}
"""How many times as much of the feature counts as the policy's own bias."""
DEBIASED = {
    "policy_controlled": ("policy_verbose", "a control of the length"),
    "policy_balanced_verbose": ("policy_verbose", "pairs of about equal length"),
    "policy_balanced_flattered": ("policy_flattered", "pairs with about as much flattery"),
}
"""Policy -> the one whose judge is the same, and what has been done against the bias."""


@dataclass(frozen=True)
class JudgeBias:
    """Compares policies by what their judges lean towards."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds
        manner = {
            name: {one: last_mean(arms[one], key) for one in (name, PLAIN, *_debiased(name))}
            for name, (_, key, _, _) in LEANING.items()
        }
        named = {
            name: [leans_on(arms[judge].path, seed) == feature for seed in arms[judge].seeds]
            for name, (judge, _, feature, _) in LEANING.items()
        }
        gold = {name: last_mean(arms[name], GOLD) for name in (PLAIN, *LEANING, *DEBIASED)}
        return Findings(self.claims(manner, named), {"manner": manner, "named": named, "gold": gold})

    def claims(self, manner: Mapping[str, Mapping[str, list[float]]], named: Mapping[str, list[bool]]) -> list[Claim]:
        """Claim that a judge's bias becomes the policy's, that calibrate names it, and that it can be taken away.

        Args:
            manner: biased policy -> how much of the feature it, the unbiased and the debiased ones have at the end, of
                each seed.
            named: biased policy -> True for each seed in which calibrate names its judge's bias first.
        """
        return [
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
            *(self._takes_half(name, leaning, what, manner[leaning]) for name, (leaning, what) in DEBIASED.items()),
        ]  # fmt: skip

    def _leans(self, name: str, found: Mapping[str, list[float]]) -> Claim:
        unit, times = LEANING[name][3], LONGER[name]
        more = less(found[name], [times * one for one in found[PLAIN]])
        return at_least(
            f"Under a judge that leans towards {unit} the policy writes at least {times:g} times as many as under the "
            "same judge without that bias.",
            f"{in_words(found[name])} against {in_words(found[PLAIN])} for each response.",
            f"{unit} more than {times:g} times those without a bias, paired by seed", more, 0.0, dict(found),
        )  # fmt: skip

    def _takes_half(self, name: str, leaning: str, what: str, found: Mapping[str, list[float]]) -> Claim:
        unit, times = LEANING[leaning][3], LONGER[leaning]
        taken, bias = less(found[leaning], found[name]), less(found[leaning], found[PLAIN])
        beyond_half = less(taken, [0.5 * one for one in bias])
        there = less(found[leaning], [times * one for one in found[PLAIN]])
        return Claim(
            f"There is a bias towards {unit} to take away ({times:g} times as many as without it), and {what} takes at "
            "least half of it.",
            f"{in_words(found[name])} for each response, against {in_words(found[leaning])} with the bias and "
            f"{in_words(found[PLAIN])} without.",
            (
                Evidence(of=f"{unit} that the bias adds beyond {times:g} times", values=there, claimed=(0.0, np.inf)),
                Evidence(
                    of=f"{unit} taken, beyond half of what the bias adds", values=beyond_half, claimed=(0.0, np.inf)
                ),
            ),
            {one: found[one] for one in (name, leaning, PLAIN)},
        )

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        gold, manner = findings.details["gold"], findings.details["manner"]
        with styled():
            figure = canvas(10.0, 6.4)
            panels = figure.subplots(2, -(-len(LEANING) // 2)).ravel()
            for axes, (name, found) in zip(panels, manner.items(), strict=True):
                _bars(axes, found, gold, LEANING[name][3])
            save(figure, path)


def _debiased(leaning: str) -> list[str]:
    """Return the policies that were trained with something done against the bias of ``leaning``."""
    return [name for name, (biased, _) in DEBIASED.items() if biased == leaning]


def leans_on(run_dir: Path, seed: int) -> str | None:
    """Return the feature that biases a run's answers most, as ``python -m rl_rewards.calibrate RUN_DIR`` names it."""
    pairs, env = answers(run_dir, seed), build_env(read_config(run_dir, ["env"], ()))
    assert pairs.returns is not None, "the judges are scripted and store true rewards"
    features = pairs.features(spec_of(run_dir)) | env.manners(pairs.obs, pairs.action)
    return calibrate(pairs.scores, pairs.returns, features).leans_on


def _bars(axes: "Axes", found: Mapping[str, list[float]], gold: Mapping[str, list[float]], unit: str) -> None:
    """Draw how much of a feature each policy has: bars of means, points of seeds; and its gold below."""
    for place, (name, values) in enumerate(found.items()):
        colour = ALARM if name in LEANING else TRUE if name == PLAIN else OTHER
        axes.bar(place, np.mean(values), color=colour, alpha=0.6)
        axes.plot(np.full(len(values), place), values, ".", color=colour, markersize=4)
    axes.set_xticks(
        range(len(found)), [f"{_called(name)}\ngold {np.mean(gold[name]):.2f}" for name in found], fontsize=8
    )
    axes.set(ylabel=unit)


def _called(name: str) -> str:
    """Return what a figure calls a policy."""
    if name in LEANING or name == PLAIN:
        return "leaning" if name in LEANING else "unbiased"
    return "controlled" if name == "policy_controlled" else "balanced"

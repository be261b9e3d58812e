"""Is judging easier than generating? The same network as judge and as generator, on three kinds of problems.

The lecture says that a model can criticise what it cannot write. Here the judge begins with the generator's layers,
has its size, and learns from 10,000 labels of its responses whether their answers are right. Checking is cheaper than
finding in one kind of problem (search), and not in the others. A judge that guesses has an AUC of 1/2, and a generator
that guesses solves nearly nothing, so that AUC - pass@1 favours the judge wherever both are bad. So the claims are also
made of the judge's skill, 2 AUC - 1, which is 0 for guessing and 1 without errors, as pass@1 is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rl_rewards.lecture.language.chains import DrawnChains, DrawsChains, auc
from rl_rewards.loop.sources import restore_from_run
from rl_rewards.reporting.figures.drawing import ALARM, LEARNED, TRUE, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, at_most, in_words, less
from rl_rewards.studies.drawing import canvas, save

PAIRS = {"narrow": ("sft_narrow", "judge_narrow"), "usual": ("sft_chains", "outcome_model"),
         "wide": ("sft_wide", "judge_wide")}  # fmt: skip
"""Sizes of the network: the arms of its generator and of its judge."""
USUAL = "usual"
KINDS = {"search": 3, "worked": 1, "mental": 2}
"""The kinds of problems with their numbers in ``info["kind"]``; checking is cheaper than finding in the first."""
CHEAP, OTHERS = "search", ("worked", "mental")
MORE = 0.2
"""The least difference that counts."""
COLOURS = {"search": TRUE, "worked": LEARNED, "mental": ALARM}


@dataclass(frozen=True, kw_only=True)
class Critique(DrawsChains):
    """Compares a judge's AUC with its generator's share of right answers, by size and by kind of problem."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        each: dict[str, list[dict[str, dict[str, float]]]] = {}
        for size, (generator, judge) in PAIRS.items():
            judges = [restore_from_run(arms[judge].path, seed) for seed in seeds]
            drawn = self.draw_from(arms[generator], seeds)
            source: Any = judges[0].source

            @jax.jit
            def score(state: Any, texts: Any, source: Any = source) -> Any:
                return source.text_rewards(source.step_scores(state, texts), texts)

            each[size] = [by_kind(own, score, one.state) for own, one in zip(drawn, judges, strict=True)]
        found = {
            what: {size: {kind: [one[what][kind] for one in values] for kind in KINDS} for size, values in each.items()}
            for what in ("auc", "pass_at_1")
        }
        return Findings(self.claims(found["auc"][USUAL], found["pass_at_1"][USUAL]), found)

    def claims(self, judging: Mapping[str, list[float]], generating: Mapping[str, list[float]]) -> list[Claim]:
        """Claim that judging is easier where checking is cheaper, and not elsewhere.

        Args:
            judging: kind of problem -> AUC of the judge, right answers against wrong ones, of each seed.
            generating: kind of problem -> share of the generator's answers that are right.
        """
        skill = {kind: [2.0 * one - 1.0 for one in found] for kind, found in judging.items()}
        raw, more = (less(found[CHEAP], generating[CHEAP]) for found in (judging, skill))
        seen = {"judge": judging[CHEAP], "generator": generating[CHEAP]}
        words = f"AUC {in_words(judging[CHEAP])} against {in_words(generating[CHEAP])}"
        return [
            at_least(
                f"Where checking is cheaper (search), the judge's AUC exceeds the share of problems that the generator "
                f"solves by {MORE:g} or more.",
                f"{words}; {in_words(raw)} more.",
                "AUC - pass@1, paired by seed", raw, MORE, seen,
            ),
            at_least(
                f"There, the judge's skill, 2 AUC - 1, exceeds it by {MORE:g} or more as well.",
                f"skill {in_words(skill[CHEAP])} against {in_words(generating[CHEAP])}; {in_words(more)} more.",
                "2 AUC - 1 - pass@1, paired by seed", more, MORE, seen,
            ),
            *(self._not_easier(kind, judging, skill, generating) for kind in OTHERS),
        ]  # fmt: skip

    def _not_easier(
        self,
        kind: str,
        judging: Mapping[str, list[float]],
        skill: Mapping[str, list[float]],
        generating: Mapping[str, list[float]],
    ) -> Claim:
        more, raw = less(skill[kind], generating[kind]), less(judging[kind], generating[kind])
        return at_most(
            f"Where checking is not cheaper ({kind}), the judge's skill exceeds it by {MORE:g} at most.",
            f"skill {in_words(skill[kind])} against {in_words(generating[kind])}; {in_words(more)} more. The AUC is "
            f"{in_words(judging[kind])}, {in_words(raw)} more.",
            "2 AUC - 1 - pass@1, paired by seed", more, MORE,
            {"judge": judging[kind], "generator": generating[kind]},
        )  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        found = findings.details
        skills = [2.0 * one - 1.0 for size in found["auc"].values() for seeds in size.values() for one in seeds]
        lowest = min(-0.1, *(one - 0.05 for one in skills))
        with styled():
            figure = canvas(8.0, 3.6)
            for axes, size in zip(figure.subplots(1, len(PAIRS), sharey=True), PAIRS, strict=True):
                for kind, colour in COLOURS.items():
                    skill = 2.0 * np.array(found["auc"][size][kind]) - 1.0
                    axes.plot(found["pass_at_1"][size][kind], skill, ".", color=colour, label=kind)
                axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
                axes.set(xlabel="pass@1 of the generator", title=size, xlim=(0, 1), ylim=(lowest, 1))
            figure.axes[0].set_ylabel("skill of the judge, 2 AUC - 1")
            figure.axes[0].legend(frameon=False, fontsize=9)  # points have no ends to be named at
            save(figure, path)


def by_kind(drawn: DrawnChains, score: Any, state: Any) -> dict[str, dict[str, float]]:
    """Return the judge's AUC and the generator's share of right answers, for each kind of problem.

    Args:
        score: (state, texts [n, tokens]) -> scores of responses [n].
    """
    flat = drawn.texts.reshape(-1, drawn.texts.shape[-1])
    scores, right, kind = np.asarray(score(state, flat), float), drawn.answer_right.reshape(-1), drawn.kind.reshape(-1)
    found: dict[str, dict[str, float]] = {"auc": {}, "pass_at_1": {}}
    for name, number in KINDS.items():
        of_kind = kind == number
        found["auc"][name] = auc(scores[of_kind & right], scores[of_kind & ~right])
        found["pass_at_1"][name] = float(np.mean(right[of_kind])) if of_kind.any() else float("nan")
    return found

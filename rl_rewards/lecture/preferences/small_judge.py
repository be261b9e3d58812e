"""A very small language model as the judge: does it agree with the truth, and does its reward teach the task?

"AI feedback" of the size that everybody can run: SmolLM2-135M-Instruct (arXiv:2502.02737) rates clips of ``point`` by
their description in words. The other arm has a teacher who knows the true reward.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.lecture.preferences.ai_feedback.study import answers, check_teacher, spec_of
from rl_rewards.reporting.figures.drawing import LEARNED, TRUE
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, in_words
from rl_rewards.studies.drawing import draw_curves
from rl_rewards.studies.measures import SUCCESS, last_mean, over_rounds

CHANCE = 0.5
COST = ("calls", "tokens", "seconds")
"""A judge's cost, by the names of its metrics; the seconds are those of all calls, one after the other."""
TITLES = {"teacher": "a teacher who is never wrong", "judge": "SmolLM2-135M-Instruct"}


@dataclass(frozen=True, kw_only=True)
class SmallJudge:
    """Judges the arms of configs/experiment/lecture/preferences/small_judge.yaml."""

    success: float  # share of episodes that counts as the task learned

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        checks = {
            name: [asdict(check_teacher(answers(run.path, seed), spec_of(run.path))) for seed in run.seeds]
            for name, run in arms.items()
        }
        success = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        cost = {what: over_rounds(arms["judge"], f"labeler/{what}")[-1].tolist() for what in COST}
        return Findings(self.claims(checks["judge"], success, cost), {"checks": checks, "cost": cost})

    def claims(
        self, checks: Sequence[Mapping[str, Any]], success: Mapping[str, list[float]], cost: Mapping[str, list[float]]
    ) -> list[Claim]:
        """Claim that the judge agrees with the truth, by ``checks`` of its answers, and that they teach the task.

        Args:
            cost: what the judge took, by the names of ``COST``, of each seed.
        """
        took = {what: float(np.mean(each)) for what, each in cost.items()}
        agreed = [one["agreement_decided"] for one in checks if one["agreement_decided"] is not None]
        undecided = len(checks) - len(agreed)
        leanings = [one["leans_on"] or "nothing" for one in checks]
        return [
            at_least(
                "The judge orders two clips of different true return better than chance.",
                (f"it agrees with the truth on {in_words(agreed)} of them" if agreed else "it decided no pair")
                + (f", {undecided} of {len(checks)} seeds left out, where it decided none" if undecided else "")
                + f"; the check of it names {', '.join(leanings)}.",
                "share of decided pairs",
                agreed,
                CHANCE + PRACTICAL,
                {"judge": agreed},
            ),
            at_least(
                f"Its answers teach the task: success is above {self.success:g}.",
                f"{in_words(success['judge'])} (from the teacher's {in_words(success['teacher'])}). The judge took "
                f"{took['calls']:,.0f} calls, {took['tokens']:,.0f} tokens and {took['seconds']:,.0f} s for a seed.",
                "mean success",
                success["judge"],
                self.success,
                {"judge": success["judge"]},
            ),
        ]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        curves = [(SUCCESS, TRUE, "true success")]
        draw_curves(arms, TITLES, curves, path, other_scale=("eval/learned_return", LEARNED, "learned return"))

"""A very small language model as the judge: does it agree with the truth, and does its reward teach the task?

"AI feedback" of the size that everybody can run: SmolLM2-135M-Instruct (arXiv:2502.02737) rates clips of ``point`` by
what it is told of them in words. Beside it a teacher who knows the true reward. Reported as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rl_rewards.core.intervals import mean_interval
from rl_rewards.lecture.preferences.ai_feedback.study import answers, check_teacher, spec_of
from rl_rewards.reporting.figures.drawing import LEARNED, TRUE
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings, Verdict
from rl_rewards.studies.drawing import draw_curves
from rl_rewards.studies.measures import SUCCESS, in_words, last_mean

CHANCE = 0.5
TITLES = {"teacher": "a teacher who is never wrong", "judge": "SmolLM2-135M-Instruct"}


@dataclass(frozen=True, kw_only=True)
class SmallJudge:
    """Judges the arms of configs/experiment/lecture/small_judge.yaml."""

    success: float  # share of episodes that counts as the task learned

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        checks = {
            name: [check_teacher(answers(run.path, seed), spec_of(run.path)) for seed in run.seeds]
            for name, run in arms.items()
        }
        agreed = [one.agreement_decided for one in checks["judge"] if one.agreement_decided is not None]
        silent = len(checks["judge"]) - len(agreed)
        success = {name: last_mean(run, SUCCESS) for name, run in arms.items()}
        leanings = [one.leans_on or "nothing" for one in checks["judge"]]
        verdicts = [
            self._above(
                "The judge orders two clips of different true return better than chance.",
                (f"it agrees with the truth on {in_words(agreed)} of them" if agreed else "it decided no pair")
                + (f", {silent} of {silent + len(agreed)} seeds left out, where it decided none" if silent else "")
                + f"; the check of it names {', '.join(leanings)}.",
                agreed,
                CHANCE,
                "share of decided pairs",
            ),
            self._above(
                f"Its answers teach the task: success is above {self.success:g}.",
                f"{in_words(success['judge'])} (from the teacher's {in_words(success['teacher'])}).",
                success["judge"],
                self.success,
                "mean success",
            ),
        ]
        return Findings(verdicts, {"checks": {name: [asdict(one) for one in found] for name, found in checks.items()}})

    def _above(self, claim: str, measured: str, found: list[float], least: float, what: str) -> Verdict:
        if not found:
            return Verdict(claim, measured, False, None, what, {"judge": found})
        _, low, high = mean_interval(found)
        return Verdict(claim, measured, low > least, (low, high), what, {"judge": found})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del findings
        curves = [(SUCCESS, TRUE, "true success")]
        draw_curves(arms, TITLES, curves, path, other_scale=("eval/learned_return", LEARNED, "learned return"))

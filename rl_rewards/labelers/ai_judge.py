"""A language model that judges segments, through any OpenAI-compatible endpoint or embedded in this process.

Segments are told in words and numbers, or shown as frames; pairs are asked both ways round; where a reward asks whether
the task is done, the judge says yes or no, in either mode. Threads ask while the run goes on; every answer goes through
the run's label store, so that a killed run is told the same again, and every request through the judge's journal, so
that none is made twice. (Constitution: Bai et al. 2022, arXiv:2212.08073.)
"""

from dataclasses import dataclass

from rl_rewards.core.checks import require
from rl_rewards.core.requirements import Requirements
from rl_rewards.labelers.base import Assignment, Labeling
from rl_rewards.labelers.judge.at_work import Judge
from rl_rewards.labelers.judge.settings import JudgeSettings
from rl_rewards.labelers.judge.tell import check_words


@dataclass(frozen=True, kw_only=True)
class AIJudge(JudgeSettings, Labeling):
    """Keys and units: configs/labeler/ai_judge.yaml."""

    @property
    def requirements(self) -> Requirements:
        reads = ("obs", "action", "info.scene") if self.show == "frames" else ("obs", "action")
        return Requirements(reads=reads, reads_if_there=("scene",), waits_for_answers=self.wait)

    def make(self, assignment: Assignment) -> Judge:
        """The judge of one seed.

        Raises:
            ConfigError: when the key or a package is missing, or the queries do not suit it.
        """
        require(
            assignment.clips > 1 or self.mode == "pointwise" or assignment.question == "success",
            "labeler.mode=pairwise compares clips, and reward.clips=1 asks how good one is; choose "
            "labeler.mode=pointwise.",
        )
        if self.show == "words":
            check_words(assignment)
        return Judge(self, assignment)

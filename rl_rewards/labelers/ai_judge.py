"""A language model that judges segments, through any OpenAI-compatible endpoint or embedded in this process.

Segments are described in words and numbers, or shown as frames. Pairs are asked in both orders. Where a reward asks
whether the task is done, the judge answers yes or no, in every mode. Threads send requests while the run goes on.
Every answer goes through the run's label store, so that a run that was killed receives the same answers again; every
request goes through the judge's journal, so that none is sent twice. (Constitution: Bai et al. 2022, arXiv:2212.08073.)
"""

from dataclasses import dataclass

from rl_rewards.core.checks import require
from rl_rewards.core.requirements import Requirements
from rl_rewards.labelers.base import Assignment, Labeling
from rl_rewards.labelers.judge.descriptions import check_words
from rl_rewards.labelers.judge.judge import Judge
from rl_rewards.labelers.judge.settings import JudgeSettings


@dataclass(frozen=True, kw_only=True)
class AIJudge(JudgeSettings, Labeling):
    """Keys and units: configs/labeler/ai_judge.yaml."""

    @property
    def requirements(self) -> Requirements:
        reads = ("obs", "action", "info.scene") if self.show == "frames" else ("obs", "action")
        return Requirements(reads=reads, optional_reads=("scene",), waits_for_answers=self.wait)

    def make(self, assignment: Assignment) -> Judge:
        """Return the judge of one seed.

        Raises:
            ConfigError: when the key or a package is missing, or the settings do not suit the queries.
        """
        require(
            assignment.clips > 1 or self.mode != "pairwise" or assignment.question == "success",
            "labeler.mode=pairwise compares clips, but reward.clips=1 asks for a rating of one clip; choose "
            "labeler.mode=pointwise or progress.",
        )
        if self.show == "words":
            check_words(assignment)
        return Judge(self, assignment)

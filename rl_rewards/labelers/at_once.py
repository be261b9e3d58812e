"""A labeler that answers every query at once by a function of its segments: the shortest way to an own judge."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.queries import NOBODY, Labels, Query
from rl_rewards.core.types import Transition
from rl_rewards.labelers.base import Assignment, Labeler


class AnswersAtOnce(Labeler):
    """Answers with the scores that ``judge`` gives to the segments of each query.

    Args:
        judge: takes a query's segments, leaves [K, L, ...] in numpy, and returns K scores: the higher the better, equal
            ones for a tie, NaN where it cannot tell. Where the question is whether a task is done, K is 1 and the score
            1 (yes) or 0 (no). It must be deterministic: a resumed run asks again.
    """

    def __init__(self, assignment: Assignment, judge: Callable[[Transition], Any]) -> None:
        self._assignment, self._judge = assignment, judge
        self._waiting = self._none()

    def submit(self, query: Query, round: int) -> None:
        """Answers the queries of a round.

        Raises:
            ConfigError: when the judge returns something else than one score for each segment.
        """
        del round
        labels, ids = self._none(), np.asarray(query.id)
        for place, row in enumerate(np.flatnonzero(ids != NOBODY)):
            labels.id[place] = ids[row]
            labels.scores[place] = self._scores(jax.tree.map(lambda x, row=row: np.asarray(x)[row], query.segments))
        self._waiting = labels

    def open(self, round: int) -> int:
        del round
        return 0

    def collect(self, round: int) -> Labels:
        del round
        labels, self._waiting = self._waiting, self._none()
        return labels

    def _scores(self, segments: Transition) -> np.ndarray:
        found, clips = np.asarray(self._judge(segments), np.float64), self._assignment.clips
        name = getattr(self._judge, "__qualname__", type(self._judge).__name__)
        require(
            found.size == clips,
            f"{name} returned an array of the shape {list(found.shape)} for a query of {clips} segments; it must "
            f"return {clips} numbers, one score for each segment.",
        )
        return found.reshape(clips)

    def _none(self) -> Labels:
        return Labels.none(self._assignment.answers, self._assignment.clips)

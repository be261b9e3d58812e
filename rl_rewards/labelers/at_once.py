"""Labelers that answer every query at once.

:class:`AnswersAtOnce`, which takes a function of the segments, is the shortest way to a labeler of your own.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from rl_rewards.core.checks import require
from rl_rewards.core.queries import NOBODY, Labels, Query
from rl_rewards.core.types import Transition
from rl_rewards.labelers.base import Assignment, Labeler


class AtOnce(Labeler):
    """Answers all queries of a round in the same round; a subclass defines ``answers``."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment
        self._waiting = self._none()

    @abstractmethod
    def answers(self, query: Query, rows: np.ndarray) -> Iterable[tuple[Float[np.ndarray, " K"], int]]:
        """Return for each of the ``rows`` of ``query`` the scores of its segments and the rater's number."""
        ...

    def submit(self, query: Query, round: int) -> None:
        del round
        labels, ids = self._none(), np.asarray(query.id)
        rows = np.flatnonzero(ids != NOBODY)
        for place, (row, answer) in enumerate(zip(rows, self.answers(query, rows), strict=True)):
            labels.id[place] = ids[row]
            labels.scores[place], labels.rater[place] = answer
        self._waiting = labels

    def open(self, round: int) -> int:
        del round
        return 0

    def collect(self, round: int) -> Labels:
        del round
        labels, self._waiting = self._waiting, self._none()
        return labels

    def _none(self) -> Labels:
        return Labels.none(self.assignment.answers, self.assignment.clips)


class AnswersAtOnce(AtOnce):
    """Answers with the scores that ``judge`` computes from the segments of each query.

    Args:
        judge: takes a query's segments, numpy leaves [K, L, ...], and returns K scores: higher is better, equal scores
            are a tie, and NaN refuses to answer. Where the question is whether the task is done, K is 1 and the score
            is 1 (yes) or 0 (no). It must be deterministic, because a resumed run asks again.
    """

    def __init__(self, assignment: Assignment, judge: Callable[[Transition], Any]) -> None:
        super().__init__(assignment)
        self._judge = judge

    def answers(self, query: Query, rows: np.ndarray) -> Iterable[tuple[Float[np.ndarray, " K"], int]]:
        """Yield the judge's scores, with rater 0.

        Raises:
            ConfigError: when the judge does not return one score for each segment.
        """
        for row in rows:
            yield self._scores(jax.tree.map(lambda x, row=row: np.asarray(x)[row], query.segments)), 0

    def _scores(self, segments: Transition) -> Float[np.ndarray, " K"]:
        found, clips = np.asarray(self._judge(segments), np.float64), self.assignment.clips
        name = getattr(self._judge, "__qualname__", type(self._judge).__name__)
        require(
            found.size == clips,
            f"{name} returned an array of shape {list(found.shape)} for a query of {clips} segments; it must "
            f"return {clips} numbers, one score for each segment.",
        )
        return found.reshape(clips)

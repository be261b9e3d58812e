"""A labeler that answers at once, and whose answers go through the run's label store."""

from collections.abc import Callable

import numpy as np

from rl_rewards.core.queries import NOBODY, Query
from rl_rewards.labelers.at_once import AtOnce
from rl_rewards.labelers.base import Assignment
from rl_rewards.labelers.records import Source
from rl_rewards.labelers.stored import StoredLabeler


class StoredAnswers(StoredLabeler):
    """Stores the answers of another labeler, so that they can be exported, replayed and calibrated.

    Args:
        name: takes the number of a rater, and returns the name that is stored with the answer.
        source: the kind of rater.
    """

    def __init__(
        self, assignment: Assignment, labeler: AtOnce, name: Callable[[int], str], source: Source = "scripted"
    ) -> None:
        super().__init__(assignment)
        self._labeler, self._name = labeler, name
        self._source: Source = source

    def submit(self, query: Query, round: int) -> None:
        super().submit(query, round)
        self._labeler.submit(query, round)
        labels = self._labeler.collect(round)
        for place in np.flatnonzero(labels.id != NOBODY):
            scores = labels.scores[place].tolist()
            answer = {int(labels.id[place]): None if np.isnan(scores).any() else scores}
            name = self._name(int(labels.rater[place]))
            self.store.record(self.run, self.assignment.seed, name, self._source, answer)

    def save(self) -> bytes:
        return self._labeler.save()

    def load(self, saved: bytes) -> None:
        self._labeler.load(saved)

    def metrics(self) -> dict[str, float]:
        return self._labeler.metrics()

    def probabilities(self) -> dict[int, float]:
        return self._labeler.probabilities()

"""What answers queries: a synthetic teacher, a person, a language model. Host code between two jitted rounds."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from rl_rewards.core.queries import Labels, Query, Question
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Transition


@dataclass(frozen=True)
class Assignment:
    """The run whose queries a labeler is to answer, one of its seeds."""

    seed: int
    answers: int  # most that are collected at once
    clips: int  # K, segments in a query
    budget: int  # most that the whole run asks
    folder: Path  # of the run
    spec: EnvSpec
    draw: Callable[[np.ndarray], np.ndarray]  # info["scene"] [k] -> picture uint8 [height, width, 3]
    describe: Callable[[Transition], str] | None  # a segment, leaves [L, ...], in words; None: the environment has none
    acquisition: str  # how its queries are chosen, for the record
    question: Question = "quality"


class Labeling(Protocol):
    """A way of answering, as a YAML under configs/labeler describes it.

    A class that inherits from it needs ``make`` alone; the rest has defaults, which are those of a teacher that answers
    at once.
    """

    @property
    def requirements(self) -> Requirements:
        """Returns what this part needs of a run, and what a run must know about it."""
        return Requirements()

    @abstractmethod
    def make(self, assignment: Assignment) -> "Labeler":
        """The labeler of one seed's run."""
        ...


class Labeler(Protocol):
    """The labeler of one seed. What it answers to a query must not depend on when it is asked.

    For one that answers at once :class:`rl_rewards.labelers.at_once.AnswersAtOnce` does all this.
    """

    @abstractmethod
    def submit(self, query: Query, round: int) -> None:
        """Take the queries of a round that asks some, leaves [Q, K, L, ...] in numpy; returns at once."""
        ...

    @abstractmethod
    def open(self, round: int) -> int:
        """How many queries, of rounds up to ``round``, are neither answered nor refused yet, and may still be."""
        ...

    @abstractmethod
    def collect(self, round: int) -> Labels:
        """What has been answered since the last call, perhaps to queries of earlier rounds; padded to one length."""
        ...

    def save(self) -> bytes:
        """Everything that later answers depend on."""
        return b""

    def load(self, saved: bytes) -> None:
        """Go on from what :meth:`save` returned."""
        return None

    def close(self) -> None:
        """The run is over, or stops: give back what is open."""
        return None

    def metrics(self) -> dict[str, float]:
        """Numbers on its work so far, by full names that begin with ``labeler/``: finite, and always the same names."""
        return {}

    def news(self) -> list[str]:
        """Sentences that a person should hear, each once."""
        return []

    def probabilities(self) -> dict[int, float]:
        """Query id -> probability that the first of its two segments is better, where it has said more than which."""
        return {}

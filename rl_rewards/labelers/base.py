"""The contract of labelers: synthetic teachers, people and language models that answer queries.

Labelers run on the host, between two jitted rounds.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np

from rl_rewards.core.queries import Labels, Query, Question
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Transition


@dataclass(frozen=True)
class Assignment:
    """One seed of a run, whose queries a labeler answers."""

    seed: int
    answers: int  # the most answers that one call of collect returns
    clips: int  # K, the number of segments in a query
    budget: int  # the most queries that the whole run asks
    folder: Path  # the run folder
    spec: EnvSpec
    draw: Callable[[np.ndarray], np.ndarray]  # info["scene"] [k] -> image uint8 [height, width, 3]
    describe: Callable[[Transition], str] | None  # a segment, leaves [L, ...], in words; None: not offered
    acquisition: str  # how queries are chosen; only stored with them
    question: Question = "quality"
    features: tuple[str, ...] = ()  # of a description: their names, in the order of its alternatives
    reward_of: Callable[[np.ndarray, np.ndarray, np.ndarray], Any] | None = None
    """The true reward [*batch] of observations, actions and next observations; None if observations hide it."""
    legend: str = ""  # what the pictures show, for people
    passage: Callable[[Transition], tuple[str, str]] | None = None  # a segment's prompt and response; None: no texts
    model: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    """log P, in nats [N], of answers [N, C] to prompts [N, Q] by the language model that ``asks_model`` names."""


def responses_of(segments: Transition, assignment: Assignment) -> list[str]:
    """Return the responses of K segments of text, numpy leaves [K, L, ...]."""
    assert assignment.passage is not None, "the environment has texts"
    each = [jax.tree.map(lambda x, k=k: x[k], segments) for k in range(len(segments.action))]
    return [assignment.passage(one)[1] for one in each]


class Labeling(Protocol):
    """The settings of a labeler, as a YAML in configs/labeler gives them.

    A subclass must define only ``make``. The defaults of everything else suit a teacher that answers at once.
    """

    @property
    def requirements(self) -> Requirements:
        """Return what the labeler needs from a run, and what a run must know about it."""
        return Requirements()

    @abstractmethod
    def make(self, assignment: Assignment) -> "Labeler":
        """Return the labeler of one seed."""
        ...


class Labeler(Protocol):
    """The labeler of one seed. Its answer to a query must not depend on when it is asked.

    :class:`rl_rewards.labelers.at_once.AnswersAtOnce` implements all of this for a labeler that answers at once.
    """

    @abstractmethod
    def submit(self, query: Query, round: int) -> None:
        """Receive the queries of a round, numpy leaves [Q, K, L, ...], and return without waiting for answers."""
        ...

    @abstractmethod
    def open(self, round: int) -> int:
        """Return how many queries of rounds up to ``round`` are still waiting for an answer or a refusal."""
        ...

    @abstractmethod
    def collect(self, round: int) -> Labels:
        """Return the answers since the last call, also to queries of earlier rounds, padded to a fixed length."""
        ...

    def save(self) -> bytes:
        """Return all state that later answers depend on."""
        return b""

    def load(self, saved: bytes) -> None:
        """Restore the state that :meth:`save` returned."""
        return None

    def close(self) -> None:
        """Release all resources, because the run has ended or is stopping."""
        return None

    def metrics(self) -> dict[str, float]:
        """Return numbers about the work so far, NaN for one that is not known yet.

        The names begin with ``labeler/`` and are always the same.
        """
        return {}

    def news(self) -> list[str]:
        """Return new messages for the user; each message is returned once."""
        return []

    def probabilities(self) -> dict[int, float]:
        """Return query id -> P(first of the two segments is better), for those pairs for which it is known."""
        return {}

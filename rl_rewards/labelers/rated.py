"""``labeler=rated``: the rating that people would give a response's sentiment, by a linear model of its words.

The model is learned from 21,333 texts that people have rated (Hutto and Gilbert 2014, ICWSM; ``make language-data``).
It judges how positive a response is, and nothing else: neither the prompt nor whether what it says is right.
"""

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.queries import Query
from rl_rewards.core.requirements import Requirements
from rl_rewards.data.rated.fit import RatedFit, fit_rated
from rl_rewards.data.rated.sentiment import sentiment
from rl_rewards.data.rated.texts import read_rated_texts
from rl_rewards.labelers.at_once import AtOnce
from rl_rewards.labelers.base import Assignment, Labeling, responses_of

WORD_PLACES = 2**15
"""The number of places that words are hashed to."""
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+|[!?]")
PIECE = 32
"""Texts are padded to a multiple of this many words, so that few shapes are compiled."""


@dataclass(frozen=True, kw_only=True)
class RatedSentiment(Labeling):
    """Keys and units: configs/labeler/rated.yaml."""

    rated_texts: str

    def __post_init__(self) -> None:
        check_fields(self, "labeler")

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("obs", "action"))

    def make(self, assignment: Assignment) -> "SentimentRater":
        """Return the labeler of one seed.

        Raises:
            ConfigError: when the environment has no texts, or the rated texts are missing.
        """
        require(
            assignment.passage is not None and assignment.question != "success",
            f"labeler=rated judges how positive texts are, and {assignment.spec.name} has none to compare; choose "
            "another labeler, or env=text_prompts.",
        )
        return SentimentRater(fitted(Path(self.rated_texts).expanduser()), assignment)


class SentimentRater(AtOnce):
    """The rater of one seed. It says once how far it agrees with people."""

    def __init__(self, fit: RatedFit, assignment: Assignment) -> None:
        super().__init__(assignment)
        self._fit, self._told = fit, False

    def answers(self, query: Query, rows: np.ndarray) -> Iterable[tuple[Float[np.ndarray, " K"], int]]:
        """Yield the sentiment of the responses of each query, in [-4, 4], with rater 0."""
        for row in rows:
            segments = jax.tree.map(lambda x, row=row: np.asarray(x)[row], query.segments)
            yield ratings(self._fit, responses_of(segments, self.assignment)), 0

    def news(self) -> list[str]:
        if self._told:
            return []
        self._told = True
        return [
            f"Seed {self.assignment.seed} is labelled by a linear model of how positive people find a text, not by a "
            "language model or a person; on held-out texts its ratings correlate with people's at "
            f"{self._fit.correlation['all']:.2f}."
        ]


@cache
def fitted(folder: Path) -> RatedFit:
    """Return the model of the rated texts in ``folder``; a process learns it once.

    Raises:
        ConfigError: when the texts are missing or have been changed.
    """
    return fit_rated(read_rated_texts(folder), encode, WORD_PLACES)


def encode(text: str) -> list[int]:
    """Return the words of a text, in any case, with its question and exclamation marks, as numbers below
    ``WORD_PLACES``."""
    return [zlib.crc32(word.encode()) % WORD_PLACES for word in WORD.findall(text.lower())]


def ratings(fit: RatedFit, texts: list[str]) -> Float[np.ndarray, " K"]:
    """Return the sentiment of texts, in [-4, 4]."""
    words = [encode(text) for text in texts]
    longest = max(map(len, words), default=0)
    mask = np.arange(PIECE * max(1, -(-longest // PIECE))) < np.array([len(one) for one in words])[:, None]
    tokens = np.zeros(mask.shape, np.int32)
    tokens[mask] = np.array([word for one in words for word in one], np.int32)
    return np.asarray(_sentiment(fit.model, tokens, mask), np.float64)


_sentiment = jax.jit(sentiment)

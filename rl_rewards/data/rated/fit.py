"""Learns the sentiment of texts from those that people have rated, in the tokens of any tokenizer.

Everything is computed in one thread and in one order, so that a resumed run has the same reward.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Float, Int

from rl_rewards.data.rated.sentiment import (
    PAIR_COUNTS,
    PAIR_WEIGHTS,
    RatedModel,
    features,
    mean_log_prob,
    pair_places,
    sentiment,
)
from rl_rewards.data.rated.texts import RatedTexts

HELD_OUT_EVERY = 10
"""One text in this many is held out, to measure the agreement with people and the usual log-probability of a token."""
PENALTY = 0.5
"""The weight of the squared weights, chosen on held-out texts."""
UNUSUAL = 0.25
"""The share of held-out human texts that are stranger than ``RatedModel.usual``."""
EXACT = 1e-9
"""The relative error of the weights; they are rounded to float32."""


class RatedFit(NamedTuple):
    """The model, and the correlation of its sentiment with the mean rating of people on held-out texts."""

    model: RatedModel  # of numpy arrays
    correlation: dict[str, float]  # of each kind of texts, and "all"


def fit_rated(texts: RatedTexts, encode: Callable[[str], list[int]], vocabulary: int) -> RatedFit:
    """Return the model that is learned from the texts which are not held out.

    Args:
        encode: returns the tokens of a text, which are below ``vocabulary``.
    """
    tokens, mask = _padded([encode(text) for text in texts.text])
    held = np.arange(len(tokens)) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    index, known = map(np.asarray, features(jnp.asarray(tokens), jnp.asarray(mask), vocabulary))
    inputs = _unit_rows(index, known, vocabulary + PAIR_WEIGHTS)
    bias = float(texts.mean[~held].mean())
    model = RatedModel(
        weights=ridge(inputs[~held], texts.mean[~held] - bias).astype(np.float32),
        bias=np.asarray(bias, np.float32),
        **_counts(tokens[~held], mask[~held], vocabulary),
        usual=np.asarray(0.0, np.float32),
    )
    found, told = (np.asarray(jax.jit(of)(model, tokens[held], mask[held])) for of in (sentiment, mean_log_prob))
    kinds, mean = np.array(texts.kind)[held], texts.mean[held]
    groups = {"all": np.ones(len(kinds), bool), **{kind: kinds == kind for kind in dict.fromkeys(texts.kind)}}
    correlation = {name: float(np.corrcoef(found[rows], mean[rows])[0, 1]) for name, rows in groups.items()}
    return RatedFit(model.replace(usual=np.asarray(np.quantile(told, UNUSUAL), np.float32)), correlation)


def ridge(inputs: scipy.sparse.csr_matrix, targets: Float[np.ndarray, " n"]) -> Float[np.ndarray, " F"]:
    """Return the weights w with the least |inputs w - targets|^2 + PENALTY |w|^2."""
    return scipy.sparse.linalg.lsqr(inputs, targets.astype(np.float64), damp=PENALTY**0.5, atol=EXACT, btol=EXACT)[0]


def _padded(rows: list[list[int]]) -> tuple[Int[np.ndarray, "n L"], np.ndarray]:
    """Return the tokens of texts in rows of one length, and where there is one."""
    lengths = np.array([len(row) for row in rows])
    mask = np.arange(lengths.max()) < lengths[:, None]
    tokens = np.zeros(mask.shape, np.int32)
    tokens[mask] = np.concatenate([np.asarray(row, np.int32) for row in rows])
    return tokens, mask


def _unit_rows(index: np.ndarray, known: np.ndarray, width: int) -> scipy.sparse.csr_matrix:
    """Return a row of length 1 for each text: equal numbers at the features that it has, however often, and 0."""
    rows = np.repeat(np.arange(len(index)), known.sum(axis=1))
    found = scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, index[known])), shape=(len(index), width))
    count = np.diff(found.indptr)  # duplicates have been added up
    found.data = np.repeat(1.0 / np.sqrt(np.maximum(count, 1)), count)
    return found


def _counts(tokens: np.ndarray, mask: np.ndarray, vocabulary: int) -> dict[str, np.ndarray]:
    """Return the log-probability and the count of tokens, and the counts of pairs."""
    place, known = map(np.asarray, pair_places(jnp.asarray(tokens), jnp.asarray(mask)))
    alone = np.bincount(tokens[mask], minlength=vocabulary) + 1.0
    return {
        "log_prob": np.log(alone / alone.sum()).astype(np.float32),
        "count": np.bincount(tokens[:, :-1][known], minlength=vocabulary).astype(np.float32),
        "pair_count": np.minimum(np.bincount(place[known], minlength=PAIR_COUNTS), 255).astype(np.uint8),
    }

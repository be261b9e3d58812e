"""Queries about segments, their answers, and the likelihood of an answer under a reward.

Shape letters: Q queries, K segments in a query (2 for a pair, more for a ranking, 1 for a rating), P pairs of segments
in a query, L steps, A answers, E ensemble members.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.types import Transition, make_record

Question = Literal["quality", "success", "correction", "description"]
"""The question about a query's segments. ``quality`` asks which one is better, or how good the only one is. ``success``
asks whether the task is done in the single state that the query shows (K = L = 1): a score of 1 is yes and 0 is no. The
other two ask for a choice: the first segment is what the policy did, the others are alternatives to it, and the one
with the highest score is chosen. The alternatives of a ``correction`` can be done; those of a ``description`` are the
same segment with one feature of its observations higher (segments 1, 3, ...) or lower (2, 4, ...)."""
NOBODY = -1
"""The id of padding in a batch of queries or answers."""


@dataclass(frozen=True, kw_only=True)
class QueryPlan:
    """The kind of queries that a reward source asks in a run, and their largest number."""

    question: Question
    queries_per_round: int  # Q, the largest number of queries in a round
    clips: int  # K, segments in a query
    budget: int  # the largest number of queries in the whole run
    acquisition: str  # how queries are chosen; only recorded
    features: tuple[str, ...] = ()  # of a description: the names of the features, in the order of its alternatives


class Query(struct.PyTreeNode):
    """The queries of one round."""

    id: Int[Array, " Q"]  # counts up over the whole run; NOBODY is padding
    segments: Transition  # leaves [Q, K, L, ...]


class Labels(struct.PyTreeNode):
    """Answers to queries; higher scores are better."""

    id: Int[Array, " A"]  # id of the query; NOBODY is padding
    scores: Float[Array, "A K"]  # equal scores are a tie; NaN means no answer, or is padding
    rater: Int[Array, " A"]  # number of the rater, counted from 0

    @classmethod
    def none(cls, answers: int, clips: int) -> "Labels":
        """Return ``answers`` rows of padding."""
        return make_record(
            cls,
            id=np.full(answers, NOBODY, np.int32),
            scores=np.full((answers, clips), np.nan, np.float32),
            rater=np.zeros(answers, np.int32),
        )


class GivenComparisons(struct.PyTreeNode):
    """Segments that somebody compared before the run, with the answers: D questions about K segments each."""

    segments: Transition  # leaves [D, K, L, ...]
    scores: Float[Array, "D K"]  # higher is better, equal is a tie


class Comparisons(struct.PyTreeNode):
    """Queries with their answers, as a reward source keeps them: D queries, some of which may not be answered."""

    inputs: Float[Array, "D K L d"]  # what the reward sees of every step of the queries' segments
    scores: Float[Array, "D K"]  # higher is better; arbitrary where unknown
    known: Bool[Array, "D K"]


def pairs_of(clips: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the second index of all C(K, 2) pairs of ``clips`` segments."""
    return np.triu_indices(clips, 1)


def pair_targets(
    scores: Float[Array, "*batch K"], soft: bool = False
) -> tuple[Float[Array, "*batch P"], Bool[Array, "*batch P"]]:
    """Return the target of every pair and a mask of the pairs whose target is known.

    The target is 1 if the first segment is better, 0 if the second is, and 1/2 for a tie or if it is unknown.

    Args:
        soft: scores that are less than 1 apart say how sure the answer is. The target is then the probability
            (1 + difference) / 2 that the first segment is better; scores 0.75 and 0.25 give 0.75.
    """
    first, second = pairs_of(scores.shape[-1])
    difference = scores[..., first] - scores[..., second]
    known = jnp.isfinite(difference)
    decided = jnp.clip(difference, -1.0, 1.0) if soft else jnp.sign(difference)
    return jnp.where(known, 0.5 * (1.0 + decided), 0.5), known


def preference_logits(returns: Float[Array, "*batch K"]) -> Float[Array, "*batch P"]:
    """Return the log-odds that the first segment of each pair is preferred, under the Bradley-Terry model.

    They are the difference of the two returns (Christiano et al. 2017, arXiv:1706.03741, equation 1), so adding a
    constant to every return changes nothing.
    """
    first, second = pairs_of(returns.shape[-1])
    return returns[..., first] - returns[..., second]


def preference_loss(
    returns: Float[Array, "*batch K"], scores: Float[Array, "*batch K"], noise: float, soft: bool = False
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Return the cross-entropy of the answers in nats, summed over a query's known pairs, and the number of those.

    Args:
        noise: fraction of answers assumed to be random, in [0, 1] (Christiano et al. 2017, section 2.2.3: 0.1).
        soft: as for :func:`pair_targets`.
    """
    target, known = pair_targets(scores, soft)
    logits = preference_logits(returns)
    if noise == 0.0:
        loss = target * jax.nn.softplus(-logits) + (1.0 - target) * jax.nn.softplus(logits)
    else:
        first = (1.0 - noise) * jax.nn.sigmoid(logits) + 0.5 * noise
        loss = -(target * jnp.log(first) + (1.0 - target) * jnp.log1p(-first))
    return jnp.sum(jnp.where(known, loss, 0.0), axis=-1), jnp.sum(known.astype(jnp.float32), axis=-1)


def choice_loss(
    returns: Float[Array, "*batch K"], scores: Float[Array, "*batch K"], noise: float
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Return the cross-entropy in nats of the choice of one segment, and 1 where it is known, else 0.

    P(k) = (1 - noise) exp(R(k)) / sum_j exp(R(j)) + noise / K: a correction or a description is a choice from a set of
    alternatives, whose value is their return (reward-rational choice, Jeon, Milli and Dragan 2020, arXiv:2002.04833,
    equation 1). For K = 2 it is :func:`preference_loss`.

    Args:
        scores: the segments with the highest score are chosen, each with an equal share; NaN: there is no answer.
    """
    known = jnp.all(jnp.isfinite(scores), axis=-1)
    chosen = (scores == jnp.max(scores, axis=-1, keepdims=True)).astype(returns.dtype)
    share = chosen / jnp.maximum(jnp.sum(chosen, axis=-1, keepdims=True), 1.0)
    log_prob = jax.nn.log_softmax(returns, axis=-1)
    if noise > 0.0:
        log_prob = jnp.log((1.0 - noise) * jnp.exp(log_prob) + noise / returns.shape[-1])
    return jnp.where(known, -jnp.sum(share * log_prob, axis=-1), 0.0), known.astype(jnp.float32)


def right(
    returns: Float[Array, "*batch K"], scores: Float[Array, "*batch K"]
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Return the number of a query's decided pairs that the returns order as answered, and the number of decided pairs.

    A pair is decided if its answer is known and is not a tie. Equal returns count as half.
    """
    target, known = pair_targets(scores)
    decided = known & (target != 0.5)
    agrees = 0.5 * (1.0 + jnp.sign(preference_logits(returns)) * jnp.sign(target - 0.5))
    return jnp.sum(jnp.where(decided, agrees, 0.0), axis=-1), jnp.sum(decided.astype(jnp.float32), axis=-1)


CALIBRATION_BINS = 5
"""The number of bins of confidence from 0.5 to 1; it is small because few answers are held out."""


def calibration_error(first: Float[Array, "*batch P"], scores: Float[Array, "*batch K"]) -> Float[Array, ""]:
    """Return the expected calibration error of decided pairs (Guo et al. 2017, arXiv:1706.04599, equation 3).

    It lies in [0, 1], and is NaN if no pair is decided.

    Args:
        first: the predicted probability that the first segment of each pair is preferred.
    """
    target, known = pair_targets(scores)
    decided = known & (target != 0.5)
    confidence, hit = jnp.maximum(first, 1.0 - first), (first > 0.5) == (target > 0.5)
    place = jnp.clip(((confidence - 0.5) * 2.0 * CALIBRATION_BINS).astype(int), 0, CALIBRATION_BINS - 1)
    inside = (place[..., None] == jnp.arange(CALIBRATION_BINS)) & decided[..., None]
    axes = tuple(range(inside.ndim - 1))
    gap = jnp.abs(jnp.sum(inside * (confidence - hit)[..., None], axis=axes))  # of each bin, times its count
    total = jnp.sum(decided)
    return jnp.where(total > 0, jnp.sum(gap) / jnp.maximum(total, 1), jnp.nan)

"""Questions about segments: what is asked, what comes back, and how likely an answer is under a reward.

Shape letters: Q queries, K segments in a query (2 a pair, more a ranking, 1 a rating), L steps, A answers, E members.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.types import Transition, make_record

Question = Literal["quality", "success"]
"""The question about a query's segments: which is better, or how good the only one is; or whether the task is done in
the one state that it shows (K = L = 1), where a score of 1 is yes and 0 is no."""
NOBODY = -1
"""The id of a place in a batch of queries or answers that holds none."""


@dataclass(frozen=True, kw_only=True)
class QueryPlan:
    """The questions of a reward source in one run: their kind, and the largest number of them."""

    question: Question
    queries_per_round: int  # Q, the most that a round asks
    clips: int  # K, segments in a query
    budget: int  # queries that the whole run asks, at most
    acquisition: str  # how queries are chosen, for the record


class Query(struct.PyTreeNode):
    """What a round asks."""

    id: Int[Array, " Q"]  # counted up over the run; NOBODY pads
    segments: Transition  # leaves [Q, K, L, ...]


class Labels(struct.PyTreeNode):
    """What has come back; higher scores are better."""

    id: Int[Array, " A"]  # of the query; NOBODY pads
    scores: Float[Array, "A K"]  # equal is a tie, NaN was refused or is padding
    rater: Int[Array, " A"]  # who answered, counted from 0

    @classmethod
    def none(cls, answers: int, clips: int) -> "Labels":
        """Padding alone."""
        return make_record(
            cls,
            id=np.full(answers, NOBODY, np.int32),
            scores=np.full((answers, clips), np.nan, np.float32),
            rater=np.zeros(answers, np.int32),
        )


def pairs_of(clips: int) -> tuple[np.ndarray, np.ndarray]:
    """First and second of all C(K, 2) pairs of ``clips`` segments."""
    return np.triu_indices(clips, 1)


def pair_targets(scores: Float[Array, "*batch K"]) -> tuple[Float[Array, "*batch P"], Bool[Array, "*batch P"]]:
    """Of every pair: 1 where the first is better, 0 where the second is, 1/2 for a tie; and whether it is known."""
    first, second = pairs_of(scores.shape[-1])
    difference = scores[..., first] - scores[..., second]
    known = jnp.isfinite(difference)
    return jnp.where(known, 0.5 * (1.0 + jnp.sign(difference)), 0.5), known


def preference_logits(returns: Float[Array, "*batch K"]) -> Float[Array, "*batch P"]:
    """Bradley-Terry: the log-odds that a pair's first segment is preferred are the difference of their returns.

    (Christiano et al. 2017, arXiv:1706.03741, equation 1.) Adding a constant to every return changes nothing.
    """
    first, second = pairs_of(returns.shape[-1])
    return returns[..., first] - returns[..., second]


def preference_loss(
    returns: Float[Array, "*batch K"], scores: Float[Array, "*batch K"], noise: float
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Cross-entropy of the answers, in nats, summed over a query's pairs; and how many pairs that were.

    Args:
        noise: share of answers taken to be random (Christiano et al. 2017, section 2.2.3: 0.1).
    """
    target, known = pair_targets(scores)
    logits = preference_logits(returns)
    if noise == 0.0:
        loss = target * jax.nn.softplus(-logits) + (1.0 - target) * jax.nn.softplus(logits)
    else:
        first = (1.0 - noise) * jax.nn.sigmoid(logits) + 0.5 * noise
        loss = -(target * jnp.log(first) + (1.0 - target) * jnp.log1p(-first))
    return jnp.sum(jnp.where(known, loss, 0.0), axis=-1), jnp.sum(known.astype(jnp.float32), axis=-1)


def right(
    returns: Float[Array, "*batch K"], scores: Float[Array, "*batch K"]
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """How many of a query's decided pairs are ordered as answered (equal returns count half), and of how many."""
    target, known = pair_targets(scores)
    decided = known & (target != 0.5)
    agrees = 0.5 * (1.0 + jnp.sign(preference_logits(returns)) * jnp.sign(target - 0.5))
    return jnp.sum(jnp.where(decided, agrees, 0.0), axis=-1), jnp.sum(decided.astype(jnp.float32), axis=-1)


CALIBRATION_BINS = 5
"""Of confidence, 0.5 to 1: few, for few answers are held out."""


def calibration_error(first: Float[Array, "*batch P"], scores: Float[Array, "*batch K"]) -> Float[Array, ""]:
    """Expected calibration error of decided pairs (Guo et al. 2017, arXiv:1706.04599, equation 3); NaN without any.

    Args:
        first: probability that a pair's first segment is preferred.
    """
    target, known = pair_targets(scores)
    decided = known & (target != 0.5)
    confidence, hit = jnp.maximum(first, 1.0 - first), (first > 0.5) == (target > 0.5)
    place = jnp.clip(((confidence - 0.5) * 2.0 * CALIBRATION_BINS).astype(int), 0, CALIBRATION_BINS - 1)
    inside = (place[..., None] == jnp.arange(CALIBRATION_BINS)) & decided[..., None]
    axes = tuple(range(inside.ndim - 1))
    gap = jnp.abs(jnp.sum(inside * (confidence - hit)[..., None], axis=axes))  # of each bin, times what it holds
    total = jnp.sum(decided)
    return jnp.where(total > 0, jnp.sum(gap) / jnp.maximum(total, 1), jnp.nan)

"""Selection of queries by an ensemble's predictions for each candidate, and the novelty of states.

``probs`` [E, N, P] are every member's probabilities that the first segment of a pair is preferred.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rl_rewards.core.types import Key

Acquisition = Literal[
    "uniform", "disagreement", "entropy", "mutual_information", "volume_removal", "k_center", "balanced"
]
Probs = Float[Array, "E N P"]


def entropy(prob: Array) -> Array:
    """Return the entropy of a yes-or-no answer, in nats."""
    return jax.scipy.special.entr(prob) + jax.scipy.special.entr(1.0 - prob)


def _disagreement(probs: Probs) -> Float[Array, " N"]:
    """Return the standard deviation over members (Christiano et al. 2017, section 2.2.4)."""
    return jnp.mean(jnp.std(probs, axis=0), axis=-1)


def _entropy(probs: Probs) -> Float[Array, " N"]:
    """Return the entropy of the mean prediction, which is also high where all members predict a tie."""
    return jnp.mean(entropy(jnp.mean(probs, axis=0)), axis=-1)


def _mutual_information(probs: Probs) -> Float[Array, " N"]:
    """Return the mutual information of the answer and the member (Houlsby et al. 2011, arXiv:1112.5745; Biyik et al.
    2019)."""
    return jnp.mean(entropy(jnp.mean(probs, axis=0)) - jnp.mean(entropy(probs), axis=0), axis=-1)


def _volume_removal(probs: Probs) -> Float[Array, " N"]:
    """Return the share of members that any answer removes at least (Sadigh et al. 2017, equation 12)."""
    first = jnp.mean(probs, axis=0)
    return jnp.mean(jnp.minimum(first, 1.0 - first), axis=-1)


SCORES: dict[str, Callable[[Probs], Float[Array, " N"]]] = {
    "disagreement": _disagreement,
    "entropy": _entropy,
    "mutual_information": _mutual_information,
    "volume_removal": _volume_removal,
}


def choose(acquisition: Acquisition, probs: Probs, features: Float[Array, "N d"], n: int, key: Key) -> Int[Array, " n"]:
    """Return the indices of the ``n`` candidates to ask; ties are broken at random.

    Args:
        features: one vector per candidate, for ``k_center``, which selects from the half with most disagreement n
            candidates, each as far as possible from those selected before (B-Pref, Lee et al. 2021, arXiv:2111.03026,
            appendix B).
    """
    candidates = probs.shape[1]
    order = jax.random.permutation(key, candidates)
    if acquisition == "uniform":
        return order[:n]
    if acquisition == "k_center":
        half = order[jnp.argsort(-_disagreement(probs)[order])[: max(n, candidates // 2)]]
        return half[_spread_out(features[half], n)]
    scores = SCORES[acquisition](probs)[order]
    return order[jnp.argsort(-scores)[:n]]


def most_balanced(feature: Float[Array, "N K"], n: int, key: Key) -> Int[Array, " n"]:
    """Return the indices of the ``n`` candidates whose segments differ least in ``feature``; ties at random.

    A labeler that leans towards the feature can then hardly do so, and its answers tell of the rest.
    """
    order = jax.random.permutation(key, len(feature))
    return order[jnp.argsort((jnp.max(feature, axis=-1) - jnp.min(feature, axis=-1))[order])[:n]]


def _spread_out(points: Float[Array, "N d"], n: int) -> Int[Array, " n"]:
    """Return ``n`` indices by greedy k-centre: the first point, then always the one farthest from all selected ones."""

    def step(distance, _):
        taken = jnp.argmax(distance)
        return jnp.minimum(distance, jnp.sum(jnp.square(points - points[taken]), axis=-1)), taken

    far = jnp.full(len(points), jnp.finfo(points.dtype).max)
    return jax.lax.scan(step, far, None, length=n)[1]


def novelty(points: Float[Array, "*batch d"], seen: Float[Array, "M d"], neighbours: int) -> Float[Array, "*batch"]:
    """Return log(1 + distance to the k-th nearest of ``seen``), k = ``neighbours``, from which the entropy of the
    visited states is estimated (Lee et al. 2021, PEBBLE, arXiv:2106.05091, equation 3).

    Differs: the nearest one is skipped, since a visited point is itself in ``seen``.
    """
    flat = points.reshape(-1, points.shape[-1])
    squared = jnp.sum(flat**2, 1)[:, None] - 2.0 * flat @ seen.T + jnp.sum(seen**2, 1)
    nearest = -jax.lax.top_k(-squared, neighbours + 1)[0][:, -1]
    return jnp.log1p(jnp.sqrt(jnp.maximum(nearest, 0.0))).reshape(points.shape[:-1])

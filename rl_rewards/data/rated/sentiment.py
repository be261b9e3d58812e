"""The sentiment of texts in any tokens: a linear model that is learned from texts which people have rated (fit.py)."""

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.text_measures import ngrams

BOUND = 4.0
"""The largest magnitude of a rating."""
PAIR_WEIGHTS, PAIR_COUNTS = 2**16, 2**20
"""The number of places that pairs of tokens are hashed to, for the weights of sentiment and for counting them."""
BACK_OFF = 20.0
"""The number of times that a token must have been seen for its successors to count as much as single tokens."""

Either = Array | np.ndarray
"""An array of JAX, or of numpy where a model has just been fitted."""


class RatedModel(struct.PyTreeNode):
    """Weights and statistics that are fitted to the rated texts, for V tokens."""

    weights: Float[Either, " F"]  # of each token, then of each place of pairs; F = V + PAIR_WEIGHTS
    bias: Float[Either, ""]
    log_prob: Float[Either, " V"]  # of single tokens, in nats
    count: Float[Either, " V"]  # of each token before another one
    pair_count: Int[Either, " PAIR_COUNTS"]  # uint8, at most 255
    usual: Float[Either, ""]  # the mean log-probability of a token which three in four human texts exceed


def features(tokens: Int[Array, "N L"], mask: Bool[Array, "N L"], vocabulary: int) -> tuple[Array, Array]:
    """Return the index of the weight of every token and pair [N, 2 L - 1], and where all its tokens are in the mask."""
    pairs, known = ngrams(tokens, mask, 2)
    index = vocabulary + (pairs.astype(jnp.uint32) % PAIR_WEIGHTS).astype(jnp.int32)
    return jnp.concatenate([tokens, index], axis=1), jnp.concatenate([mask, known], axis=1)


def pair_places(tokens: Int[Array, "N L"], mask: Bool[Array, "N L"]) -> tuple[Array, Array]:
    """Return the place in ``pair_count`` of every pair of tokens [N, L - 1], and where both are in the mask."""
    pairs, known = ngrams(tokens, mask, 2)
    return (pairs.astype(jnp.uint32) % PAIR_COUNTS).astype(jnp.int32), known


def sentiment(model: RatedModel, tokens: Int[Array, "N L"], mask: Bool[Array, "N L"]) -> Float[Array, " N"]:
    """Return the rating, in [-4, 4]: a sum over different tokens and pairs, divided by the root of their number."""
    index, known = features(tokens, mask, len(model.log_prob))
    nothing = len(model.weights)
    ordered = jnp.sort(jnp.where(known, index, nothing), axis=1)
    first = jnp.concatenate([jnp.ones_like(known[:, :1]), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    counted = first & (ordered < nothing)
    total = jnp.sum(jnp.where(counted, model.weights[jnp.minimum(ordered, nothing - 1)], 0.0), axis=1)
    found = model.bias + total / jnp.sqrt(jnp.maximum(jnp.sum(counted, axis=1), 1))
    return jnp.clip(found, -BOUND, BOUND)


def mean_log_prob(model: RatedModel, tokens: Int[Array, "N L"], mask: Bool[Array, "N L"]) -> Float[Array, " N"]:
    """Return the mean log-probability of a token given the one before it, in nats; ``usual`` for a text without tokens.

    p(b | a) = (n(a b) + BACK_OFF p(b)) / (n(a) + BACK_OFF), and p(b) for a text's first token.
    """
    alone = jnp.where(mask, model.log_prob[tokens], 0.0)
    place, known = pair_places(tokens, mask)
    seen = model.pair_count[place].astype(jnp.float32) + BACK_OFF * jnp.exp(alone[:, 1:])
    later = jnp.where(known, jnp.log(seen / (model.count[tokens[:, :-1]] + BACK_OFF)), 0.0)
    count = jnp.sum(mask, axis=1)
    return jnp.where(count > 0, (alone[:, 0] + jnp.sum(later, axis=1)) / jnp.maximum(count, 1), model.usual)

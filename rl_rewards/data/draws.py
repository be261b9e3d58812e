"""Random indices, for replay and data sets."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from rl_rewards.core.types import Key


def draw_true(key: Key, mask: Bool[Array, " N"], n: int) -> Int[Array, " n"]:
    """Return ``n`` indices of True entries of ``mask``, drawn uniformly with replacement; arbitrary if none is True."""
    cumulative = jnp.cumsum(mask)
    rank = jax.random.randint(key, (n,), 1, jnp.maximum(cumulative[-1], 1) + 1)
    return jnp.searchsorted(cumulative, rank)

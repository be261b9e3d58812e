"""Random indices, as every record here draws them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from rl_rewards.core.types import Key


def draw_true(key: Key, mask: Bool[Array, " N"], n: int) -> Int[Array, " n"]:
    """Returns ``n`` indices of True entries of ``mask``, uniform with replacement; any where there is none."""
    cumulative = jnp.cumsum(mask)
    rank = jax.random.randint(key, (n,), 1, jnp.maximum(cumulative[-1], 1) + 1)
    return jnp.searchsorted(cumulative, rank)

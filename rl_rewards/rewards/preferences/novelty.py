"""How new a state is, from states that have been visited."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def novelty(points: Float[Array, "*batch d"], seen: Float[Array, "M d"], neighbours: int) -> Float[Array, "*batch"]:
    """log(1 + distance to the k-th nearest of ``seen``), k = ``neighbours`` (Lee et al. 2021, PEBBLE, arXiv:2106.05091,
    equation 3): what an entropy of the visited states is estimated from.

    Differs: one nearer is left out, for a point that was visited lies among ``seen``.
    """
    flat = points.reshape(-1, points.shape[-1])
    squared = jnp.sum(flat**2, 1)[:, None] - 2.0 * flat @ seen.T + jnp.sum(seen**2, 1)
    nearest = -jax.lax.top_k(-squared, neighbours + 1)[0][:, -1]
    return jnp.log1p(jnp.sqrt(jnp.maximum(nearest, 0.0))).reshape(points.shape[:-1])

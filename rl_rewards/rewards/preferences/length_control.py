"""Rewards of texts that do not depend on length, although the answers that they are learned from do.

The answers are explained by R(y) + w z(y), and the policy is paid R alone: z is a response's length, and w its
maximum-likelihood coefficient, given R. The squared correlation of R and z over pairs is added to the loss, so that w
explains what the length explains, and R does not (Chen et al. 2024, ODIN, arXiv:2402.07319). Length-controlled win
rates have the same term in the length (Dubois et al. 2024, arXiv:2404.04475).

Differs from ODIN: its head of the length is a linear function of the length, and is fitted anew to each batch.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rl_rewards.core.queries import pair_targets, preference_logits

NEWTON_STEPS, LARGEST_STEP = 8, 2.0
RIDGE = 1e-3
"""The weight of w^2 / 2 in its own loss: w stays finite where the length alone separates the answers."""
TINY = 1e-12


def without_length(
    returns: Float[Array, "*batch K"], lengths: Float[Array, "*batch K"], scores: Float[Array, "*batch K"]
) -> tuple[Float[Array, "*batch K"], Float[Array, ""], Float[Array, ""]]:
    """Return the returns with the part of the length that explains the answers best, the correlation, and w.

    The correlation is that of the differences of returns and of lengths over pairs with an answer, -1 to 1; 0 if all
    lengths are equal. w is in log-odds for a pair whose lengths differ by as much as pairs do on average (root mean
    square).

    Args:
        scores: the answers; NaN where there is none.
    """
    target, known = pair_targets(scores)
    difference = jnp.where(known, preference_logits(lengths), 0.0)
    spread = _root_mean_square(difference, known)
    z = lengths / jnp.maximum(spread, TINY) * (spread > TINY)
    logits = jnp.where(known, preference_logits(returns), 0.0)
    dz = jnp.where(known, preference_logits(z), 0.0)
    coefficient = _coefficient(jax.lax.stop_gradient(logits), jax.lax.stop_gradient(dz), target, known)
    size = jnp.sqrt(jnp.sum(jnp.square(logits)) * jnp.sum(jnp.square(dz)) + TINY)
    return returns + coefficient * z, jnp.sum(logits * dz) / size, coefficient


def _root_mean_square(values: Float[Array, "*pairs"], known: Bool[Array, "*pairs"]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.sum(jnp.square(values)) / jnp.maximum(jnp.sum(known), 1))


def _coefficient(
    logits: Float[Array, "*pairs"], dz: Float[Array, "*pairs"], target: Float[Array, "*pairs"],
    known: Bool[Array, "*pairs"],
) -> Float[Array, ""]:  # fmt: skip
    """Return the w that maximises the likelihood of the answers, of odds exp(logits + w dz), by Newton's method."""
    count = jnp.maximum(jnp.sum(known), 1)

    def improved(w: Float[Array, ""], _):
        first = jax.nn.sigmoid(logits + w * dz)
        slope = jnp.sum(jnp.where(known, (first - target) * dz, 0.0)) / count + RIDGE * w
        curvature = jnp.sum(jnp.where(known, first * (1.0 - first) * jnp.square(dz), 0.0)) / count + RIDGE
        return w - jnp.clip(slope / curvature, -LARGEST_STEP, LARGEST_STEP), None

    return jax.lax.scan(improved, jnp.zeros(()), length=NEWTON_STEPS)[0]

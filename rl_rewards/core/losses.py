"""Losses as pure functions of arrays, each with its source.

PPO:  -min(rho A, clip(rho, 1-e, 1+e) A)          GAN/classifier:  -y log s(f) - (1-y) log(1 - s(f))
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def masked_mean(
    values: Float[Array, "*batch"] | Bool[Array, "*batch"], valid: Bool[Array, "*batch"]
) -> Float[Array, ""]:
    """Mean of the valid entries; 0 when there is none."""
    return jnp.sum(jnp.where(valid, values, 0.0)) / jnp.maximum(jnp.sum(valid), 1)


def masked_variance(values: Float[Array, "*batch"], valid: Bool[Array, "*batch"]) -> Float[Array, ""]:
    """Variance of the valid entries; 0 when there is none."""
    return masked_mean(jnp.square(values - masked_mean(values, valid)), valid)


def clipped_surrogate(log_ratio: Float[Array, "N"], advantages: Float[Array, "N"], clip: float) -> Float[Array, "N"]:
    """Per-sample PPO policy loss (Schulman et al. 2017, arXiv:1707.06347, equation 7), to be minimised."""
    ratio = jnp.exp(log_ratio)
    return -jnp.minimum(ratio * advantages, jnp.clip(ratio, 1.0 - clip, 1.0 + clip) * advantages)


def binary_cross_entropy(logits: Float[Array, "*batch"], targets: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Cross-entropy in nats of sigmoid(logits) against soft ``targets`` in [0, 1]."""
    return jax.nn.softplus(logits) - targets * logits


def bernoulli_entropy(logits: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Entropy in nats of a coin that shows heads with probability sigmoid(logits)."""
    return jax.nn.softplus(logits) - logits * jax.nn.sigmoid(logits)


def non_negative_pu(
    logits_positive: Float[Array, "N"], logits_unlabelled: Float[Array, "M"], prior: float
) -> Float[Array, ""]:
    """Positive-unlabelled risk with the logistic loss (Kiryo et al. 2017, arXiv:1703.00593, equation 6).

    Args:
        logits_positive: of examples known to be goals.
        logits_unlabelled: of visited states, of which a share ``prior`` in (0, 1) is assumed to be goals.
    """
    positive_risk = prior * jnp.mean(jax.nn.softplus(-logits_positive))
    negative_risk = jnp.mean(jax.nn.softplus(logits_unlabelled)) - prior * jnp.mean(jax.nn.softplus(logits_positive))
    return positive_risk + jnp.maximum(negative_risk, 0.0)

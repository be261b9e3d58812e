"""Losses as pure functions of arrays, each with its source.

PPO:  -min(rho A, clip(rho, 1-e, 1+e) A)          GAN/classifier:  -y log s(f) - (1-y) log(1 - s(f))
"""

from math import log

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


def clipped_surrogate(
    log_ratio: Float[Array, "*batch"], advantages: Float[Array, "*batch"], clip: float
) -> Float[Array, "*batch"]:
    """Per-sample PPO policy loss (Schulman et al. 2017, arXiv:1707.06347, equation 7), to be minimised."""
    ratio = jnp.exp(log_ratio)
    return -jnp.minimum(ratio * advantages, jnp.clip(ratio, 1.0 - clip, 1.0 + clip) * advantages)


def binary_cross_entropy(logits: Float[Array, "*batch"], targets: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Cross-entropy in nats of sigmoid(logits) against soft ``targets`` in [0, 1]."""
    return jax.nn.softplus(logits) - targets * logits


def bernoulli_entropy(logits: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Entropy in nats of a coin that shows heads with probability sigmoid(logits)."""
    return jax.nn.softplus(logits) - logits * jax.nn.sigmoid(logits)


def focal_cross_entropy(logits: Float[Array, "*batch"], targets: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Cross-entropy in nats whose negative part is weighted by w = min(1, D / (1 - D)), D = sigmoid(logits).

    The loss is -y log D - w (1 - y) log(1 - D), and no gradient goes through w: what is taken for negative already
    counts for little, as in the focal loss (Lin et al. 2017, arXiv:1708.02002, equation 4, whose factor is D^gamma, on
    both sides). With densities p+ of positives and p- of negatives and k negatives for every positive, the slope at a
    state vanishes where p+ (1 - D) = k w p- D, so that with r = p+ / (k p-)

        D / (1 - D) = sqrt(r) where r < 1,   and r, as without weights, elsewhere.

    Soft ``targets`` y in [0, 1] share a state out between p+ and p-.
    """
    weight = jax.lax.stop_gradient(jnp.exp(jnp.minimum(logits, 0.0)))
    return targets * jax.nn.softplus(-logits) + (1.0 - targets) * weight * jax.nn.softplus(logits)


def non_negative_pu(
    logits_positive: Float[Array, " N"],
    logits_unlabelled: Float[Array, " M"],
    prior: float,
    smoothing: float = 0.0,
) -> Float[Array, ""]:
    """Positive-unlabelled risk with the logistic loss (Kiryo et al. 2017, arXiv:1703.00593, equation 6).

    pi E_p l(f, 1) + max(m, E_u l(f, 0) - pi E_p l(f, 0)): the second part estimates the negatives' (1 - pi) E_n l(f, 0)
    and is never let below the least that this can be, m. With labels smoothed by s, l(f, y) is the cross-entropy
    against y (1 - s) + s / 2 and m = (1 - pi) H(s / 2), H the entropy of a coin; without, m = 0 as in the paper.

    Args:
        logits_positive: of examples known to be goals.
        logits_unlabelled: of visited states, of which a share ``prior`` in (0, 1) is assumed to be goals.
        smoothing: s, in [0, 1).
    """
    low = 0.5 * smoothing

    def risk(logits: Float[Array, " N"], wrong: float) -> Float[Array, ""]:
        """Mean cross-entropy against 1 - ``wrong``."""
        right = jnp.mean(jax.nn.softplus(-logits))
        return right if wrong == 0.0 else (1.0 - wrong) * right + wrong * jnp.mean(jax.nn.softplus(logits))

    positive_risk = prior * risk(logits_positive, low)
    negative_risk = risk(-logits_unlabelled, low) - prior * risk(-logits_positive, low)
    least = 0.0 if low == 0.0 else -(1.0 - prior) * (low * log(low) + (1.0 - low) * log(1.0 - low))
    return positive_risk + jnp.maximum(negative_risk, least)

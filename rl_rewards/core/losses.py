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
    """Return the mean of the valid entries, or 0 if there are none."""
    return jnp.sum(jnp.where(valid, values, 0.0)) / jnp.maximum(jnp.sum(valid), 1)


def masked_variance(values: Float[Array, "*batch"], valid: Bool[Array, "*batch"]) -> Float[Array, ""]:
    """Return the variance of the valid entries, or 0 if there are none."""
    return masked_mean(jnp.square(values - masked_mean(values, valid)), valid)


def clipped_surrogate(
    log_ratio: Float[Array, "*batch"], advantages: Float[Array, "*batch"], clip: float
) -> Float[Array, "*batch"]:
    """Return the PPO policy loss of every sample (Schulman et al. 2017, arXiv:1707.06347, equation 7, negated)."""
    ratio = jnp.exp(log_ratio)
    return -jnp.minimum(ratio * advantages, jnp.clip(ratio, 1.0 - clip, 1.0 + clip) * advantages)


def binary_cross_entropy(logits: Float[Array, "*batch"], targets: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Return the cross-entropy in nats of sigmoid(logits) against soft ``targets`` in [0, 1]."""
    return jax.nn.softplus(logits) - targets * logits


def bernoulli_entropy(logits: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Return the entropy in nats of a Bernoulli variable with probability sigmoid(logits)."""
    return jax.nn.softplus(logits) - logits * jax.nn.sigmoid(logits)


def focal_cross_entropy(logits: Float[Array, "*batch"], targets: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """Return the cross-entropy in nats with its negative part weighted by w = min(1, D / (1 - D)), D = sigmoid(logits).

    The loss is -y log D - w (1 - y) log(1 - D), with no gradient through w: confident negatives get a small weight, as
    in the focal loss (Lin et al. 2017, arXiv:1708.02002, equation 4, whose factor is D^gamma, for both classes). Let
    positives have density p+ and negatives p-, with k negatives for every positive. The gradient at a state is zero
    where p+ (1 - D) = k w p- D, so that with r = p+ / (k p-)

        D / (1 - D) = sqrt(r) where r < 1,   and r, as without weights, elsewhere.

    A soft target y in [0, 1] counts a state partly as positive and partly as negative.
    """
    weight = jax.lax.stop_gradient(jnp.exp(jnp.minimum(logits, 0.0)))
    return targets * jax.nn.softplus(-logits) + (1.0 - targets) * weight * jax.nn.softplus(logits)


def expectile_loss(errors: Float[Array, "*batch"], expectile: float) -> Float[Array, "*batch"]:
    """Return |tau - 1(u < 0)| u^2 of errors u (Kostrikov et al. 2022, arXiv:2110.06169, equation 3).

    The constant m with the smallest mean loss on u = x - m is the ``expectile`` tau of x, in (0, 1): its mean for 1/2,
    and its maximum in the limit 1.
    """
    return jnp.where(errors < 0, 1.0 - expectile, expectile) * jnp.square(errors)


def advantage_weights(
    advantages: Float[Array, "*batch"], inverse_temperature: float, largest: float
) -> Float[Array, "*batch"]:
    """Return min(exp(beta A), ``largest``), the weights of recorded actions in a policy's log-likelihood.

    (Peng et al. 2019, arXiv:1910.00177, equation 10, whose beta is the inverse of ``inverse_temperature``; weights are
    clipped as in its appendix.)
    """
    return jnp.minimum(jnp.exp(jnp.minimum(inverse_temperature * advantages, log(largest))), largest)


def non_negative_pu(
    logits_positive: Float[Array, " N"],
    logits_unlabelled: Float[Array, " M"],
    prior: float,
    smoothing: float = 0.0,
) -> Float[Array, ""]:
    """Return the positive-unlabelled risk with the logistic loss (Kiryo et al. 2017, arXiv:1703.00593, equation 6).

    pi E_p l(f, 1) + max(m, E_u l(f, 0) - pi E_p l(f, 0)): the second part estimates the negatives' risk
    (1 - pi) E_n l(f, 0) and is clipped at the lowest value m that this risk can take. With labels smoothed by s,
    l(f, y) is the cross-entropy against y (1 - s) + s / 2, and m = (1 - pi) H(s / 2), where H is the entropy of a
    Bernoulli variable; without smoothing, m = 0 as in the paper.

    Args:
        logits_positive: logits of examples that are known to be goals.
        logits_unlabelled: logits of visited states; a fraction ``prior`` of them is assumed to be goals.
        prior: pi, in (0, 1).
        smoothing: s, in [0, 1).
    """
    low = 0.5 * smoothing

    def risk(logits: Float[Array, " N"], wrong: float) -> Float[Array, ""]:
        """Return the mean cross-entropy against the label 1 - ``wrong``."""
        right = jnp.mean(jax.nn.softplus(-logits))
        return right if wrong == 0.0 else (1.0 - wrong) * right + wrong * jnp.mean(jax.nn.softplus(logits))

    positive_risk = prior * risk(logits_positive, low)
    negative_risk = risk(-logits_unlabelled, low) - prior * risk(-logits_positive, low)
    least = 0.0 if low == 0.0 else -(1.0 - prior) * (low * log(low) + (1.0 - low) * log(1.0 - low))
    return positive_risk + jnp.maximum(negative_risk, least)

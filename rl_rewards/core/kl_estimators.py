"""Estimates of the KL divergence KL(pi || reference) of one token, from tokens that were sampled from pi.

With x = log pi(y) - log reference(y) for a sampled token y (Schulman 2020, "Approximating KL divergence"):

    k1 = x                     unbiased, of either sign
    k2 = x^2 / 2               biased, never negative; its gradient is that of the divergence
    k3 = exp(-x) - 1 + x       unbiased, never negative

``exact`` is the divergence of the two distributions over all tokens. The divergence of a whole response is the sum over
its tokens.
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

KLEstimator = Literal["k1", "k2", "k3", "exact"]


def estimated_kl(
    log_prob: Float[Array, "*batch"], reference_log_prob: Float[Array, "*batch"], estimator: KLEstimator
) -> Float[Array, "*batch"]:
    """Return the estimate ``estimator`` of the KL divergence, in nats, from log-probabilities of sampled tokens.

    k3 is computed with ``expm1``, because exp(-x) - 1 loses all its digits where x is small.
    """
    x = log_prob - reference_log_prob
    if estimator == "k1":
        return x
    if estimator == "k2":
        return 0.5 * jnp.square(x)
    if estimator == "k3":
        return jnp.expm1(-x) + x
    raise ValueError("The exact divergence needs the probabilities of all tokens; see exact_kl.")


def exact_kl(
    log_probs: Float[Array, "*batch V"], reference_log_probs: Float[Array, "*batch V"]
) -> Float[Array, "*batch"]:
    """Return the KL divergence, in nats, of the first distribution over V tokens from the second.

    Tokens that are not allowed have very low log-probabilities under both, and add nothing.
    """
    return jnp.sum(jnp.exp(log_probs) * (log_probs - reference_log_probs), axis=-1)

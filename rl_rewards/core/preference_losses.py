"""Losses that train a policy on compared responses directly, without a reward model.

With the log-ratios x = log pi(y | p) - log reference(y | p) of the chosen (w) and the rejected (l) response and
d = x_w - x_l:

    dpo   -(1 - e) log s(beta d) - e log s(-beta d)     (Rafailov et al. 2023, arXiv:2305.18290, equation 7; e > 0 is
                                                         the conservative form for answers that may be wrong)
    ipo   (d - 1 / (2 beta))^2                          (Azar et al. 2023, arXiv:2310.12036, equation 17)
    kto   1 - s(beta (x_w - z)) and 1 - s(beta (z - x_l)) (Ethayarajh et al. 2024, arXiv:2402.01306, equation 8), where
          z >= 0 is the mean of x on responses to other prompts, an estimate of the KL divergence
    orpo  -log s(o_w - o_l), with the log-odds o of the mean log-probability of a token, plus the negative mean
          log-likelihood of the chosen one (Hong et al. 2024, arXiv:2403.07691, equations 6 and 7); no reference

s is the sigmoid.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

PreferenceLoss = Literal["dpo", "ipo", "kto", "orpo"]


def dpo_loss(difference: Float[Array, " N"], beta: float, smoothing: float) -> Float[Array, " N"]:
    """Return the loss of differences d of log-ratios, in nats; ``smoothing`` is e, the share of wrong answers."""
    return (1.0 - smoothing) * jax.nn.softplus(-beta * difference) + smoothing * jax.nn.softplus(beta * difference)


def ipo_loss(difference: Float[Array, " N"], beta: float) -> Float[Array, " N"]:
    """Return the squared distance of d from 1 / (2 beta)."""
    return jnp.square(difference - 0.5 / beta)


def kto_loss(
    chosen: Float[Array, " N"], rejected: Float[Array, " N"], elsewhere: Float[Array, " M"], beta: float
) -> Float[Array, " N"]:
    """Return the mean loss of a chosen and a rejected response.

    Args:
        chosen: x of chosen responses.
        rejected: x of rejected responses.
        elsewhere: x of responses to prompts that they do not belong to; no gradient flows through their mean.
    """
    z = jnp.maximum(jax.lax.stop_gradient(jnp.mean(elsewhere)), 0.0)
    return 0.5 * (jax.nn.sigmoid(-beta * (chosen - z)) + jax.nn.sigmoid(-beta * (z - rejected)))


def orpo_loss(chosen: Float[Array, " N"], rejected: Float[Array, " N"], weight: float) -> Float[Array, " N"]:
    """Return the negative log-likelihood of chosen responses plus ``weight`` times the loss of the log-odds ratio.

    Args:
        chosen: the mean log-probability of a token of the chosen response, below 0.
        rejected: the same of the rejected response.
    """

    def log_odds(log_prob: Array) -> Array:
        return log_prob - jnp.log(-jnp.expm1(jnp.minimum(log_prob, -1e-6)))

    return -chosen + weight * jax.nn.softplus(log_odds(rejected) - log_odds(chosen))

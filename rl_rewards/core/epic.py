"""The EPIC distance between a learned reward and the true reward; it needs no policy.

Both rewards are first canonicalised, which removes any potential-based shaping (Gleave et al. 2021, arXiv:2006.13900,
definition 4.1):  C(s, a, s') = R(s, a, s') + E[g R(s', A, S') - R(s, A, S') - g R(S, A, S')].
The distance is sqrt((1 - Pearson's correlation of the two) / 2): 0 if both rank all policies alike under any
dynamics, 0.71 if they are uncorrelated, 1 if they are opposites.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Reward = Callable[[Array, Array, Array], Float[Array, "*batch"]]
"""A reward as a function of obs, action and next_obs, each [*batch, ...]."""


def epic_distance(
    learned: Reward,
    true: Reward,
    steps: tuple[Array, Array, Array],
    others: tuple[Array, Array],
    discount: float,
) -> Float[Array, ""]:
    """Return the EPIC distance, in [0, 1], over a sample of transitions.

    Args:
        steps: obs, action, next_obs, leaves [N, ...]: the transitions on which the two rewards are compared.
        others: action, next_obs, leaves [M, ...]: samples of A and S' in the definition.
        discount: g in the definition.
    """
    one, other = (_canonical(reward, steps, others, discount) for reward in (learned, true))
    return jnp.sqrt(jnp.maximum(1.0 - pearson(one, other, jnp.ones(one.shape)), 0.0) / 2.0)


def _canonical(reward: Reward, steps: tuple[Array, Array, Array], others: tuple[Array, Array], discount: float):
    """Return C of every step without its constant term E[g R(S, A, S')], which does not change a correlation."""
    obs, action, next_obs = steps

    def expected(states: Array) -> Float[Array, " N"]:
        def of(state: Array) -> Array:
            return jnp.mean(reward(jnp.broadcast_to(state, (len(others[0]), *state.shape)), *others))

        return jax.lax.map(of, states, batch_size=32)

    return reward(obs, action, next_obs) + discount * expected(next_obs) - expected(obs)


def pearson(one: Float[Array, "*n"], other: Float[Array, "*n"], weight: Array) -> Float[Array, ""]:
    """Return the correlation weighted by ``weight`` [*n], in [-1, 1]; 0 if one of the two is constant."""
    weight = weight / jnp.maximum(jnp.sum(weight), 1e-12)
    one, other = one - jnp.sum(weight * one), other - jnp.sum(weight * other)
    spread = jnp.sqrt(jnp.sum(weight * one**2) * jnp.sum(weight * other**2))
    return jnp.where(spread > 1e-12, jnp.sum(weight * one * other) / jnp.maximum(spread, 1e-12), 0.0)

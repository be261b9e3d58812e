"""How far a learned reward is from the true one, whatever policies it leads to: the EPIC distance.

Both rewards are brought to a form in which shaping by any potential is gone (Gleave et al. 2021, arXiv:2006.13900,
definition 4.1):  C(s, a, s') = R(s, a, s') + E[g R(s', A, S') - R(s, A, S') - g R(S, A, S')].
The distance is sqrt((1 - Pearson's correlation of the two) / 2): 0 where they rank all policies alike whatever the
dynamics, 0.71 where they have nothing to do with each other, 1 for the opposite.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Reward = Callable[[Array, Array, Array], Float[Array, "*batch"]]
"""Of obs, action and next_obs, each [*batch, ...]."""


def epic_distance(
    learned: Reward,
    true: Reward,
    steps: tuple[Array, Array, Array],
    others: tuple[Array, Array],
    discount: float,
) -> Float[Array, ""]:
    """The distance over a sample of transitions.

    Args:
        steps: obs, action, next_obs, leaves [N, ...]: where the two are compared.
        others: action, next_obs, leaves [M, ...]: from the distribution that A and S' are drawn from.
    """
    one, other = (_canonical(reward, steps, others, discount) for reward in (learned, true))
    return jnp.sqrt(jnp.maximum(1.0 - pearson(one, other, jnp.ones(one.shape)), 0.0) / 2.0)


def _canonical(reward: Reward, steps: tuple[Array, Array, Array], others: tuple[Array, Array], discount: float):
    """C of every step but for a constant, E[g R(S, A, S')], which no correlation sees."""
    obs, action, next_obs = steps

    def expected(states: Array) -> Float[Array, " N"]:
        def of(state: Array) -> Array:
            return jnp.mean(reward(jnp.broadcast_to(state, (len(others[0]), *state.shape)), *others))

        return jax.lax.map(of, states, batch_size=32)

    return reward(obs, action, next_obs) + discount * expected(next_obs) - expected(obs)


def pearson(one: Float[Array, "*n"], other: Float[Array, "*n"], weight: Array) -> Float[Array, ""]:
    """Correlation over entries where ``weight`` is not 0; 0 where one of the two is constant."""
    weight = weight / jnp.maximum(jnp.sum(weight), 1e-12)
    one, other = one - jnp.sum(weight * one), other - jnp.sum(weight * other)
    spread = jnp.sqrt(jnp.sum(weight * one**2) * jnp.sum(weight * other**2))
    return jnp.where(spread > 1e-12, jnp.sum(weight * one * other) / jnp.maximum(spread, 1e-12), 0.0)

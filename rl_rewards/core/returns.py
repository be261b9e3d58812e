"""Discounted sums and generalised advantage estimation over rollouts [T, B].

delta_t = r_t + discount * V(s_{t+1}) - V(s_t);  A_t = delta_t + discount * lambda * A_{t+1}
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped


def discounted_sum(
    rewards: Float[Array, "T B"], done: Bool[Array, "T B"], discount: float, start: Float[Array, " B"] | None = None
) -> Float[Array, "T B"]:
    """Return the discounted reward of the episode so far: R_t = r_t + discount * R_{t-1}, restarted after ``done``.

    Args:
        start: R before the first step; None means that episodes begin there.
    """

    def step(running, inputs):
        reward, ended = inputs
        running = reward + discount * running
        return jnp.where(ended, 0.0, running), running

    _, sums = jax.lax.scan(step, jnp.zeros_like(rewards[0]) if start is None else start, (rewards, done))
    return sums


def reverse_recurrence(base: Shaped[Array, " N"], factor: Shaped[Array, " N"]) -> Shaped[Array, " N"]:
    """Return x with x_i = base_i + factor_i x_{i+1} and x_N = 0, in O(log N) parallel steps."""

    def combine(later: tuple[Array, Array], earlier: tuple[Array, Array]) -> tuple[Array, Array]:
        return earlier[0] + earlier[1] * later[0], earlier[1] * later[1]

    return jax.lax.associative_scan(combine, (base, factor), reverse=True)[0]


def generalized_advantage(
    rewards: Float[Array, "T B"],
    values: Float[Array, "T B"],
    next_values: Float[Array, "T B"],
    terminated: Bool[Array, "T B"],
    truncated: Bool[Array, "T B"],
    discount: float,
    trace_decay: float,
    absorbing_value: Float[Array, ""] | float = 0.0,
) -> Float[Array, "T B"]:
    """Return generalised advantage estimates (Schulman et al. 2016, arXiv:1506.02438, equation 16).

    Args:
        next_values: V of the true successor, also where an episode was truncated: a truncation bootstraps from it, a
            termination does not.
        trace_decay: lambda, in [0, 1].
        absorbing_value: the value after a termination, which replaces V(s_{t+1}) there.
    """
    bootstrap = jnp.where(terminated, absorbing_value, next_values)
    deltas = rewards + discount * bootstrap - values
    continues = 1.0 - (terminated | truncated)

    def step(advantage, inputs):
        delta, goes_on = inputs
        advantage = delta + discount * trace_decay * goes_on * advantage
        return advantage, advantage

    _, advantages = jax.lax.scan(step, jnp.zeros_like(deltas[0]), (deltas, continues), reverse=True)
    return advantages

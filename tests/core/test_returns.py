"""Tests of discounted sums and advantages against plain loops over one environment at a time."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rl_rewards.core.returns import discounted_sum, generalized_advantage

T, B = 7, 3  # fixed, so that each function compiles once
flags = st.lists(st.booleans(), min_size=T * B, max_size=T * B).map(lambda x: np.array(x).reshape(T, B))
rates = st.sampled_from([(0.5, 0.0), (0.9, 0.8), (1.0, 1.0)])  # discount, lambda
advantages_of = jax.jit(generalized_advantage, static_argnums=(5, 6))
sums_of = jax.jit(discounted_sum, static_argnums=2)


def loop_advantages(rewards, values, next_values, terminated, truncated, discount, trace_decay, absorbing):
    """Return A_t as the sum over k of (discount * lambda)^k delta_{t+k}, including the episode's last step."""
    out = np.zeros((T, B))
    for b in range(B):
        for t in range(T):
            weight = 1.0
            for k in range(t, T):
                after = absorbing if terminated[k, b] else next_values[k, b]
                out[t, b] += weight * (rewards[k, b] + discount * after - values[k, b])
                weight *= discount * trace_decay
                if terminated[k, b] or truncated[k, b]:
                    break
    return out


@given(st.integers(0, 1000), flags, flags, rates, st.sampled_from([0.0, -3.0]))
def test_advantages_equal_the_loop(seed, terminated, truncated, rates, absorbing):
    rewards, values, next_values = np.random.default_rng(seed).normal(size=(3, T, B)).astype(np.float32)
    arguments = (rewards, values, next_values, terminated, truncated, *rates, np.float32(absorbing))
    np.testing.assert_allclose(advantages_of(*arguments), loop_advantages(*arguments), atol=1e-4)


@given(st.integers(0, 1000), flags, rates)
def test_discounted_sums_equal_the_loop(seed, done, rates):
    discount = rates[0]
    rewards = np.random.default_rng(seed).normal(size=(T, B)).astype(np.float32)
    expected = np.zeros((T, B))
    for b in range(B):
        start = 0
        for t in range(T):
            expected[t, b] = sum(rewards[k, b] * discount ** (t - k) for k in range(start, t + 1))
            if done[t, b]:
                start = t + 1
    np.testing.assert_allclose(sums_of(rewards, done, discount), expected, atol=1e-5)


def test_truncation_bootstraps_and_termination_does_not():
    """One step with reward 1, V(s) = 2, V(s') = 10, discount 0.5 has advantage -1 if terminated, 4 if truncated."""
    one, yes, no = jnp.ones((1, 1)), jnp.ones((1, 1), bool), jnp.zeros((1, 1), bool)
    assert float(generalized_advantage(one, 2 * one, 10 * one, yes, no, 0.5, 0.9)[0, 0]) == 1 - 2
    assert float(generalized_advantage(one, 2 * one, 10 * one, no, yes, 0.5, 0.9)[0, 0]) == 1 + 0.5 * 10 - 2
    assert float(generalized_advantage(one, 2 * one, 10 * one, yes, yes, 0.5, 0.9)[0, 0]) == 1 - 2, (
        "a step that is both counts as terminated"
    )

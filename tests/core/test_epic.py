"""Tests that the EPIC distance ignores shaping and scale, but no other difference."""

import jax
import jax.numpy as jnp
import pytest

from rl_rewards.core.epic import epic_distance, pearson

GAMMA = 0.9


def true(obs, action, next_obs):
    return jnp.sin(3.0 * next_obs[..., 0]) + obs[..., 1] * action[..., 0]


def shaped(obs, action, next_obs):
    def potential(s):
        return 5.0 * s[..., 0] ** 2 - jnp.cos(s[..., 1])

    return 0.3 * true(obs, action, next_obs) + 7.0 + GAMMA * potential(next_obs) - potential(obs)


def distance(reward) -> float:
    a, b, c, d, e = jax.random.split(jax.random.key(0), 5)
    steps = tuple(jax.random.uniform(k, (200, n), minval=-1.0) for k, n in ((a, 2), (b, 1), (c, 2)))
    others = tuple(jax.random.uniform(k, (300, n), minval=-1.0) for k, n in ((d, 1), (e, 2)))
    return float(epic_distance(reward, true, steps, others, GAMMA))


def test_shaping_and_scale_are_no_difference():
    assert distance(true) == pytest.approx(0.0, abs=1e-3)
    assert distance(shaped) == pytest.approx(0.0, abs=2e-3)


def test_other_rewards_are_far():
    assert distance(lambda *step: -shaped(*step)) == pytest.approx(1.0, abs=1e-3)
    assert distance(lambda s, a, n: jnp.sin(9.0 * s[..., 1]) * a[..., 0] ** 2) == pytest.approx(0.71, abs=0.12)
    assert distance(lambda s, a, n: jnp.zeros(s.shape[:-1])) == pytest.approx(0.5**0.5, abs=1e-6)


def test_correlation_looks_at_what_counts():
    one, other = jnp.array([0.0, 1.0, 2.0, 50.0]), jnp.array([1.0, 3.0, 5.0, -80.0])
    assert float(pearson(one, other, jnp.array([1, 1, 1, 0]))) == pytest.approx(1.0)
    assert float(pearson(one, jnp.ones(4), jnp.ones(4))) == 0.0

"""Tests that DARD ignores shaping and scale where the dynamics are known, but no other difference."""

import jax
import jax.numpy as jnp
import pytest

from rl_rewards.core.dard import Ahead, dard_distance
from tests.core.test_epic import GAMMA, shaped, true


def follows(obs, action):
    return 0.9 * obs + 0.1 * action


def distance(reward) -> float:
    a, b, c = jax.random.split(jax.random.key(0), 3)
    obs, action = (jax.random.uniform(k, (200, n), minval=-1.0) for k, n in ((a, 2), (b, 2)))
    next_obs = follows(obs, action)
    other = jax.random.uniform(c, (200, 8, 2), minval=-1.0)
    ahead = Ahead(other, follows(obs[:, None], other), follows(next_obs[:, None], other))
    return float(dard_distance(reward, true, (obs, action, next_obs), ahead, GAMMA))


def test_shaping_and_scale_are_no_difference():
    assert distance(true) == pytest.approx(0.0, abs=1e-3)
    assert distance(shaped) == pytest.approx(0.0, abs=5e-3)


def test_other_rewards_are_far():
    assert distance(lambda *step: -shaped(*step)) == pytest.approx(1.0, abs=1e-3)
    assert distance(lambda s, a, n: jnp.zeros(s.shape[:-1])) == pytest.approx(0.5**0.5, abs=1e-6)
    assert 0.3 < distance(lambda s, a, n: jnp.sin(9.0 * s[..., 1]) * a[..., 0] ** 2) < 0.95

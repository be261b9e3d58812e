"""Constraints: multipliers rise while their limits are exceeded, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.rewards.constraints import Constraints
from tests.probes import experience_of, make_rollout, make_spec

KEY = jax.random.key(0)
SPEC = make_spec(obs=1, info={"jerk": (), "near": ()})
JERK = {"of": "info.jerk", "map": "above", "threshold": 2.0, "at_most": 0.25}
NEAR = {"of": "info.near", "map": "identity", "at_most": 0.5}


def constraints(limits=None, **changes):
    values = {"rate": 0.1, "smallest": 0.01, "largest": 100.0} | changes
    return Constraints(spec=SPEC, limits={"jerk": JERK, "near": NEAR} if limits is None else limits, **values)


def rollout(jerk, near):
    info = {"jerk": np.array([jerk], np.float32), "near": np.array([near], np.float32)}
    return make_rollout(SPEC, 1, len(jerk), info=info)


def updated(source, state, steps):
    return source.update(state, {}, experience_of(steps), jnp.int32(0), KEY)


def test_a_multiplier_rises_beyond_its_limit_and_falls_within():
    """Half of the steps have too much jerk, twice the limit: the excess is 1. Nothing is near: -1."""
    source = constraints()
    state, metrics = updated(source, jnp.array([1.0, 2.0]), rollout([0.0, 3.0], [0.0, 0.0]))
    np.testing.assert_allclose(state, [np.exp(0.1), 2.0 * np.exp(-0.1)], rtol=1e-5)
    assert float(metrics["reward/cost_jerk"]) == 0.5
    assert float(metrics["reward/multiplier_near"]) == pytest.approx(2.0 * np.exp(-0.1), rel=1e-5)
    same, _ = updated(source, jnp.array([1.0, 2.0]), rollout([0.0, 0.0, 0.0, 3.0], [0.5] * 4))
    np.testing.assert_allclose(same, [1.0, 2.0], rtol=1e-6)


def test_multipliers_keep_to_their_bounds():
    source = constraints(largest=1.0)
    np.testing.assert_allclose(source.init(KEY), [0.01, 0.01])
    state, _ = updated(source, jnp.array([1.0, 0.01]), rollout([9.0, 9.0], [0.0, 0.0]))
    np.testing.assert_allclose(state, [1.0, 0.01])


def test_costs_are_paid_at_their_multipliers():
    source, steps = constraints(), rollout([3.0, 1.0], [0.2, 0.4])
    state = jnp.array([2.0, 10.0])
    np.testing.assert_allclose(source.reward(state, steps), [[-2.0 - 2.0, -4.0]], rtol=1e-6)
    terms = source.named_terms(state, steps)
    np.testing.assert_allclose(terms["jerk"].value + terms["near"].value, source.reward(state, steps))


def test_what_is_refused():
    with pytest.raises(ConfigError, match=r"reward\.limits is empty; add at least one"):
        constraints(limits={})
    with pytest.raises(ConfigError, match=r"reward\.limits\.jerk=3 is not valid; it must have the keys of, map and at"):
        constraints(limits={"jerk": 3})
    with pytest.raises(ConfigError, match=r"reward\.limits\.near\.at_most=0 is not valid; it must be a positive"):
        constraints(limits={"near": NEAR | {"at_most": 0}})
    with pytest.raises(ConfigError, match=r"reward\.limits\.near has a weight, but its multiplier is learned"):
        constraints(limits={"near": NEAR | {"weight": 2.0}})
    with pytest.raises(ConfigError, match=r"reward\.limits\.near\.of=info\.far: test has no 'far' in info"):
        constraints(limits={"near": NEAR | {"of": "info.far"}})
    with pytest.raises(ConfigError, match=r"reward\.largest=0\.001 must be at least reward\.smallest=0\.01"):
        constraints(largest=0.001)

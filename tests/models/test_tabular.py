"""Tests of exact solutions against slow loops, on small random problems."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.models import tabular
from tests.probes import make

DISCOUNT, TEMPERATURE = 0.8, 0.5
STATES, ACTIONS = 5, 3


def problem(seed=0):
    """Return a transition tensor in which some steps are impossible, and rewards of s, a, s'."""
    rng = np.random.default_rng(seed)
    transition = rng.uniform(size=(STATES, ACTIONS, STATES)) * (rng.uniform(size=(STATES, ACTIONS, STATES)) < 0.6)
    transition[..., 0] += 0.1
    transition /= transition.sum(axis=-1, keepdims=True)
    return jnp.asarray(transition, jnp.float32), jnp.asarray(rng.normal(size=transition.shape), jnp.float32)


TRANSITION, REWARD = problem()
EXPECTED = tabular.expected_reward(TRANSITION, REWARD)
START = jnp.array([0.5, 0.0, 0.2, 0.3, 0.0])


def slowly(value):
    """Return Q, computed by loops over states and actions in float64."""
    transition, reward = np.asarray(TRANSITION, np.float64), np.asarray(REWARD, np.float64)
    q = np.zeros((STATES, ACTIONS))
    for _ in range(300):
        values = [value(q[s]) for s in range(STATES)]
        for s in range(STATES):
            for a in range(ACTIONS):
                steps = [transition[s, a, t] * (reward[s, a, t] + DISCOUNT * values[t]) for t in range(STATES)]
                q[s, a] = sum(steps)
    return q


def soft_policy():
    return jnp.exp(tabular.soft_policy(tabular.soft_values(TRANSITION, EXPECTED, DISCOUNT, TEMPERATURE), TEMPERATURE))


def test_soft_values_are_those_of_a_slow_loop():
    expected = slowly(lambda q: TEMPERATURE * np.log(np.sum(np.exp(q / TEMPERATURE))))
    found = tabular.soft_values(TRANSITION, EXPECTED, DISCOUNT, TEMPERATURE)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    share = np.exp(expected / TEMPERATURE)
    np.testing.assert_allclose(soft_policy(), share / share.sum(axis=1, keepdims=True), rtol=1e-4)


def test_optimal_values_are_those_of_a_slow_loop_and_of_no_temperature():
    expected = slowly(max)
    found = tabular.optimal_values(TRANSITION, EXPECTED, DISCOUNT)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    cold = tabular.soft_values(TRANSITION, EXPECTED, DISCOUNT, 1e-3)
    np.testing.assert_allclose(cold, expected, atol=0.01)
    policy = tabular.greedy_policy(found)
    np.testing.assert_array_equal(policy.argmax(axis=1), expected.argmax(axis=1))
    np.testing.assert_allclose(
        tabular.policy_values(TRANSITION, EXPECTED, policy, DISCOUNT), expected.max(axis=1), rtol=1e-5
    )


def test_visits_are_summed_step_by_step():
    policy = soft_policy()
    found = tabular.visitation(TRANSITION, policy, START, DISCOUNT)
    there, expected = np.asarray(START, np.float64), np.zeros(STATES)
    for t in range(200):
        expected += DISCOUNT**t * there
        there = np.einsum("s,sa,sat->t", there, policy, TRANSITION)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert float(found.sum()) == pytest.approx(1.0 / (1.0 - DISCOUNT), rel=1e-5)


def test_values_and_visits_agree():
    """start . V equals visits . r, also with the entropy that is part of the soft value."""
    policy = soft_policy()
    visits = tabular.visitation(TRANSITION, policy, START, DISCOUNT)
    value = START @ tabular.policy_values(TRANSITION, EXPECTED, policy, DISCOUNT)
    assert float(value) == pytest.approx(float(visits @ jnp.sum(policy * EXPECTED, axis=1)), rel=1e-4)
    q = tabular.soft_values(TRANSITION, EXPECTED, DISCOUNT, TEMPERATURE)
    soft = START @ (TEMPERATURE * jax.nn.logsumexp(q / TEMPERATURE, axis=1))
    entropy = -jnp.sum(policy * jnp.log(policy), axis=1)
    assert float(soft) == pytest.approx(float(value + TEMPERATURE * visits @ entropy), rel=1e-4)


def test_the_soft_values_gradient_is_what_the_policy_visits():
    def soft(reward):
        q = tabular.soft_values(TRANSITION, reward, DISCOUNT, TEMPERATURE)
        return START @ (TEMPERATURE * jax.nn.logsumexp(q / TEMPERATURE, axis=1))

    policy = soft_policy()
    visits = tabular.visitation(TRANSITION, policy, START, DISCOUNT)
    np.testing.assert_allclose(jax.grad(soft)(EXPECTED), visits[:, None] * policy, rtol=1e-4, atol=1e-5)


def test_impossible_steps_do_not_count():
    spoilt = jnp.where(TRANSITION > 0.0, REWARD, jnp.nan)
    assert bool(jnp.isnan(spoilt).any())
    np.testing.assert_array_equal(tabular.expected_reward(TRANSITION, spoilt), EXPECTED)


def test_every_step_is_what_the_model_tells():
    env = make("env", "grid", size=2, block_size=1, slip=0.3, rewards=[[1, 1, 1.0]])
    steps = jax.jit(lambda: tabular.every_step(env))()
    assert steps.obs.shape == (4, 5, 4, 4) and steps.action.dtype == jnp.int32
    for s, a, t in np.ndindex(4, 5, 4):
        assert int(env.state_of(steps.obs[s, a, t])) == s
        assert int(steps.action[s, a, t]) == a
        assert int(env.state_of(steps.next_obs[s, a, t])) == t
        assert float(steps.env_reward[s, a, t]) == env.true_reward[s, a, t] == float(t == 3)
        assert bool(steps.valid[s, a, t]) == (env.transition_tensor[s, a, t] > 0.0)
        assert bool(steps.info["success"][s, a, t]) == (t == 3)
    assert not steps.done.any()


def test_an_environment_without_a_model_is_refused():
    tabular.require_tabular(make("env", "grid"), "This")
    with pytest.raises(ConfigError, match=r"^This needs .* a known model, such as env=grid; point has none\.$"):
        tabular.require_tabular(make("env", "point"), "This")

"""Tests that soft value iteration acts by its policy, is optimal for any reward, and refuses unknown models."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import RewardFn
from rl_rewards.loop import build, compatibility
from rl_rewards.models import tabular
from rl_rewards.rewards.base import reward_fn
from tests.probes import experience_of, make_rollout
from tests.runs import composed, run_here

GRID = ("env=grid", "env.size=4", "env.rewards=[[3,3,1.0],[2,2,-1.0]]", "env.max_episode_steps=20")
SOFT = ("algorithm=soft_value_iteration", "algorithm.discount=0.8", "algorithm.temperature=0.1")
PARTS = build.build(composed(*GRID, *SOFT, "reward=environment")).parts
ENV, ALGORITHM = PARTS.env, PARTS.algorithm
TRANSITION = jnp.asarray(ENV.transition_tensor)


def solved(rewards: RewardFn):
    """Return the state after one round with ``rewards``, and the metrics."""
    state = ALGORITHM.init(jax.random.key(0))
    cells = np.random.default_rng(0).integers(0, 16, (2, 6, 3))
    obs, next_obs = np.eye(16, dtype=np.float32)[cells]
    experience = experience_of(make_rollout(ENV.spec, 6, 3, obs=obs, next_obs=next_obs))
    return jax.jit(lambda s: ALGORITHM.update(s, experience, rewards, jnp.int32(0), jax.random.key(1)))(state)


def value(log_policy, reward):
    """Return the value of a policy at the start of episodes, including its entropy."""
    policy = jnp.exp(log_policy)
    worth = reward - 0.1 * jnp.where(policy > 0.0, log_policy, 0.0)
    return float(jnp.asarray(ENV.start) @ tabular.policy_values(TRANSITION, worth, policy, 0.8))


def test_it_is_best_under_the_environments_reward():
    state, metrics = solved(reward_fn(PARTS.source, {}))
    reward = tabular.expected_reward(TRANSITION, jnp.asarray(ENV.true_reward))
    best = value(state.log_policy, reward)
    for seed in range(5):
        noise = 0.3 * jax.random.normal(jax.random.key(seed), state.log_policy.shape)
        assert value(jax.nn.log_softmax(state.log_policy + noise), reward) < best
    assert value(ALGORITHM.init(jax.random.key(0)).log_policy, reward) < best
    walk = jnp.argmax(state.log_policy, axis=-1)
    assert walk[15] in (0, 1, 4) and walk[11] == 1 and walk[14] == 0, (
        "stay in the goal's corner, and enter it from the neighbouring cells"
    )
    assert float(metrics["agent/kl"]) > 0.0 and 0.0 < float(metrics["agent/entropy"]) < np.log(5)


def test_it_asks_the_reward_of_every_step():
    """A reward that depends on s, a and s' is solved with the model's transition probabilities."""
    table = jax.random.normal(jax.random.key(3), (16, 5, 16))

    def reward(steps):
        return table[ENV.state_of(steps.obs), steps.action, ENV.state_of(steps.next_obs)]

    state, metrics = solved(RewardFn(call=reward, absorbing=jnp.zeros(())))
    q = tabular.soft_values(TRANSITION, jnp.sum(TRANSITION * table, axis=-1), 0.8, 0.1)
    np.testing.assert_allclose(state.log_policy, tabular.soft_policy(q, 0.1), rtol=1e-4, atol=1e-4)
    assert np.isfinite(float(metrics["agent/reward_mean"]))


@pytest.mark.parametrize("explore", [True, False])
def test_it_acts_as_its_log_probabilities_say(explore):
    state, _ = solved(reward_fn(PARTS.source, {}))
    obs = jnp.broadcast_to(ENV.observations[6], (4000, 16))
    action, _, behaviour = jax.jit(ALGORITHM.act, static_argnums=4)(state, (), obs, jax.random.key(2), explore)
    expected = np.exp(np.asarray(state.log_policy[6]))
    if explore:
        np.testing.assert_allclose(np.bincount(action, minlength=5) / 4000, expected, atol=0.03)
    else:
        assert set(np.asarray(action)) == {int(expected.argmax())}
    np.testing.assert_allclose(behaviour["log_prob"], state.log_policy[6][action], rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(behaviour["log_prob"], ALGORITHM.log_prob(state, obs, action))
    assert action.dtype == jnp.int32


def test_a_run_is_solved_in_its_first_round(tmp_path):
    last = run_here(tmp_path, *GRID, *SOFT, "reward=environment", "evaluation.episodes=64")
    assert last["eval/success"] > 0.6 and last["agent/kl"] == pytest.approx(0.0, abs=1e-5)
    assert last["eval/learned_return"] == pytest.approx(last["eval/true_return"])


def test_the_expert_to_record_is_it():
    cfg = composed("experiment=expert/grid")
    parts = build.build(cfg).parts
    assert type(parts.algorithm) is type(ALGORITHM) and parts.env.spec.name == "grid"
    assert compatibility.rounds_of(parts, cfg.total_env_steps) == 2


def test_it_follows_a_classifier_too(tmp_path):
    last = run_here(tmp_path, *GRID, *SOFT, "reward=goal_classifier", "total_env_steps=320")
    assert np.isfinite(last["agent/reward_mean"]) and last["agent/kl"] > 0.0


def test_what_cannot_work_is_refused():
    def refused(*changes):
        build.build(composed(*changes, "reward=environment"))

    with pytest.raises(ConfigError, match=r"^algorithm=soft_value_iteration needs .*; point has none\.$"):
        refused("env=point", "algorithm=soft_value_iteration")
    with pytest.raises(ConfigError, match=r"algorithm\.discount=1\.0 must lie between 0 and 1"):
        refused(*GRID, *SOFT, "algorithm.discount=1.0")
    with pytest.raises(ConfigError, match=r"algorithm\.temperature=0 must be positive"):
        refused(*GRID, *SOFT, "algorithm.temperature=0")
    with pytest.raises(ConfigError, match=r"algorithm\.num_envs=0 must be at least 1"):
        refused(*GRID, *SOFT, "algorithm.num_envs=0")

"""A run's policy outside of the run: as a function of NumPy arrays, and in an environment of Gymnasium."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rl_rewards
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import clip_action
from rl_rewards.loop.build import build_env
from rl_rewards.loop.loaded_policy import LoadedPolicy
from rl_rewards.loop.policies import record, restore_policy
from tests.finished import finished_run
from tests.runs import raw_rows

EPISODES = 64


def recorded(run, explore=False):
    """Return steps of the run's policy as the loop makes them, and the specification of their environment."""
    policy = restore_policy(run)
    return record(build_env(policy.config), policy, 4, explore, 0.0, seed=3), policy.spec


def test_acts_as_the_loop_does(kept_run):
    """On the raw observations of the loop's own rollouts, the actions are the same, for any batch axes."""
    rollout, spec = recorded(kept_run)
    policy = rl_rewards.load_policy(kept_run)
    assert not policy.has_memory and policy.spec == spec
    expected = np.asarray(clip_action(spec.action, jnp.asarray(rollout.action)))
    given = policy.predict(rollout.obs.astype(np.float64), deterministic=True)
    assert type(given) is np.ndarray and given.dtype == np.float32
    np.testing.assert_allclose(given, expected, atol=1e-5)
    np.testing.assert_allclose(policy.predict(rollout.obs[2, 1], deterministic=True), expected[2, 1], atol=1e-5)
    shifted = policy.predict(rollout.obs + 0.5, deterministic=True)
    assert np.abs(shifted - expected).max() > 1e-3, "the policy reads its observations"


def test_samples_by_the_seed_or_anew(kept_run):
    obs = np.zeros((200, 2), np.float32)
    policy, again = (rl_rewards.load_policy(f"{kept_run}@last") for _ in range(2))
    mode = policy.predict(obs[0], deterministic=True)
    first, second = policy.predict(obs), policy.predict(obs)
    assert first.std() > 0.01 and (first != second).any()
    np.testing.assert_array_equal(again.predict(obs), first)
    np.testing.assert_array_equal(policy.predict(obs, seed=5), again.predict(obs, seed=5))
    np.testing.assert_array_less(np.abs(first.mean(axis=0) - mode), 5 * first.std() / np.sqrt(len(obs)) + 0.05)
    assert np.abs(first).max() <= 1.0, "actions are clipped to the bounds of point"


def test_best_and_last_are_different_policies(kept_run):
    assert isinstance(rl_rewards.load_policy(f"{kept_run}@best"), LoadedPolicy)
    with pytest.raises(ConfigError, match="has no seed 9"):
        rl_rewards.load_policy(kept_run, seed=9)


def test_says_which_shape_is_right(kept_run):
    policy = rl_rewards.load_policy(kept_run)
    with pytest.raises(ConfigError, match=r"obs has the shape \[3\]; this policy was learned on .*shape \[2\]"):
        policy.predict(np.zeros(3))
    with pytest.raises(ConfigError, match="act needs one batch axis"):
        policy.act(np.zeros(2), ())


def test_a_policy_with_memory_is_stepped_with_it(tmp_path):
    """Carried through an episode, the memory gives the loop's own actions; predict refuses."""
    run = finished_run(tmp_path / "run", "env=point", "model@algorithm.model=gru", evaluated=False)
    rollout, spec = recorded(run)
    policy = rl_rewards.load_policy(run)
    with pytest.raises(ConfigError, match=r"remembers earlier steps .* policy\.initial_memory\(B\)"):
        policy.predict(rollout.obs[0])
    memory, actions = policy.initial_memory(4), []
    for obs in rollout.obs[:6]:
        action, memory = policy.act(obs, memory, deterministic=True)
        actions.append(action)
    np.testing.assert_allclose(actions, clip_action(spec.action, jnp.asarray(rollout.action[:6])), atol=1e-4)
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), memory, policy.initial_memory(4))
    assert max(jax.tree.leaves(moved)) > 0.0


def test_reproduces_the_true_return_in_a_fresh_environment(tmp_path):
    """The mean return of deterministic episodes in Gymnasium is that of the run's last evaluation, within noise."""
    run = finished_run(
        tmp_path / "run",
        "env=gymnasium",
        "env.id=CartPole-v1",
        "reward=environment",
        "algorithm.num_envs=8",
        "algorithm.rollout_length=128",
        "total_env_steps=8192",
        f"evaluation.episodes={EPISODES}",
        "evaluation.every=1000",
    )
    logged = raw_rows(run)[-1]["eval/true_return_deterministic"]
    policy, returns = rl_rewards.load_policy(run), []
    envs = [gymnasium.make("CartPole-v1") for _ in range(EPISODES)]
    obs = np.stack([env.reset(seed=i)[0] for i, env in enumerate(envs)])
    returns, running = np.zeros(EPISODES), np.ones(EPISODES, bool)
    while running.any():
        actions = policy.predict(obs, deterministic=True)
        assert actions.dtype == np.int32 and set(np.unique(actions)) <= {0, 1}
        for i in np.flatnonzero(running):
            obs[i], reward, terminated, truncated, _ = envs[i].step(actions[i])
            returns[i] += float(reward)
            running[i] = not (terminated or truncated)
    assert returns.mean() > 30.0, "the policy has learned something, so that another one would fail"
    assert abs(returns.mean() - logged) < 4.0 * returns.std() * np.sqrt(2 / EPISODES), (returns.mean(), logged)

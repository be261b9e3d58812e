"""Tests of PPO on environments whose values are known."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.algorithms.ppo import PPO
from rl_rewards.core.types import Discrete
from rl_rewards.loop.rounds import make_round
from rl_rewards.loop.state import Parts, init_state
from rl_rewards.loop.train import FINITE
from rl_rewards.rewards.environment import EnvironmentReward
from tests import probes
from tests.algorithms.small import DISCOUNT, LOPSIDED, small_ppo, train


def values_and_actions(algorithm: PPO, agent, obs: list[float]):
    obs = jnp.asarray(obs)[:, None]
    values = jax.jit(lambda s, o: algorithm._value(s.params, algorithm._inputs(s, o)))(agent, obs)
    actions, _, _ = jax.jit(partial(algorithm.act, explore=False))(agent, (), obs, jax.random.key(0))
    return np.asarray(values), np.asarray(actions).reshape(-1)


VALUE_PROBES = {
    "constant": (probes.ConstantReward(), [0.0], [1.0]),
    "constant_truncated": (probes.ConstantReward(truncates=True), [0.0], [1.0 / (1.0 - DISCOUNT)]),
    "obs": (probes.ObsReward(), [-1.0, 1.0], [-1.0, 1.0]),
    "discounted": (probes.DiscountedReward(), [0.0, 1.0], [DISCOUNT, 1.0]),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name == "obs")) for name in VALUE_PROBES]
)
def test_values_on_probes(name):
    env, obs, expected = VALUE_PROBES[name]
    algorithm = small_ppo(env.spec)
    agent, _ = train(env, algorithm, rounds=60)
    values, _ = values_and_actions(algorithm, agent, obs)
    np.testing.assert_allclose(values, expected, atol=0.1)


@pytest.mark.parametrize("action", [Discrete(2), LOPSIDED], ids=["discrete", "continuous"])
@pytest.mark.parametrize("probe", [pytest.param(probes.ActionReward, marks=pytest.mark.long), probes.ObsActionReward])
def test_policy_and_values_on_probes(probe, action):
    env = probe(action=action)
    # In env units, the initial std of the lopsided action is 4 exp(-2) = 0.5, which lowers the value by 0.3.
    algorithm = small_ppo(env.spec, initial_log_std=-2.0)
    agent, _ = train(env, algorithm, rounds=80)
    obs = np.array([0.0] if probe is probes.ActionReward else [-1.0, 1.0])
    values, actions = values_and_actions(algorithm, agent, obs.tolist())
    target = np.where(obs >= 0.0, 1.0, 0.0 if isinstance(action, Discrete) else -1.0)
    np.testing.assert_allclose(actions, target, atol=0.35, err_msg="the deterministic policy picks the best action")
    expected = 1.0
    if not isinstance(action, Discrete):
        std = 4.0 * np.exp(np.asarray(agent.params["actor"]["params"]["log_std"]))
        expected -= float(std[0]) ** 2  # the cost of exploration
    np.testing.assert_allclose(values, expected, atol=0.15)


@pytest.mark.parametrize("action", [Discrete(3), LOPSIDED], ids=["discrete", "continuous"])
def test_first_ratio_is_one_in_every_round(action):
    """The recorded log-probabilities are those of the policy at the start of the update."""
    env = probes.ObsActionReward(action=action)
    algorithm = small_ppo(env.spec, epochs=1, minibatches=1, learning_rate=0.1, normalize_obs=True)
    _, rows = train(env, algorithm, rounds=4)
    np.testing.assert_allclose([row["agent/kl"] for row in rows], 0.0, atol=1e-6)
    assert all(row["agent/clip_fraction"] == 0.0 for row in rows)
    policy_losses = np.array([row["agent/policy_loss"] for row in rows])
    np.testing.assert_allclose(policy_losses, 0.0, atol=1e-4, err_msg="a ratio of 1 weighs a zero-mean advantage")
    assert rows[0]["agent/entropy"] != rows[-1]["agent/entropy"], "the policy must change between rounds"


def test_whole_round_reuses_no_key():
    """A plain jit is checked here, because JAX's jax_debug_key_reuse does not check compiled rounds."""
    env = probes.ObsActionReward()
    parts = Parts(env, EnvironmentReward(spec=env.spec), small_ppo(env.spec, epochs=1))
    state = init_state(parts, 0)
    _, metrics, _ = jax.jit(make_round(parts))({}, state, jnp.zeros((), jnp.int32))
    assert all(metrics[f"finite/{name}"] for name in FINITE)

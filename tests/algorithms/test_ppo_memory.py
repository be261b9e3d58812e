"""Tests of PPO with a recurrent policy: it solves a memory task, and updates use the memory with which it acted."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.algorithms.ppo import PPO
from rl_rewards.core.errors import ConfigError
from rl_rewards.loop.collect import collect_jax, reset_jax
from tests.algorithms.small import DISCOUNT, small_ppo, small_sac, train
from tests.probes import RememberedCue, experience_of, make, make_rollout, make_spec

GRU = make("model", "gru", units=16, hidden=(16,))
CUE = RememberedCue()


def remembering_ppo(spec, **changes) -> PPO:
    return replace(small_ppo(spec, **changes), model=GRU)


@pytest.mark.parametrize("remembers", [True, False], ids=["gru", "mlp"])
def test_a_cue_must_be_remembered(remembers):
    """Rollouts of 8 steps cut episodes of 5 steps, so the memory must continue in the next rollout."""
    algorithm = remembering_ppo(CUE.spec) if remembers else small_ppo(CUE.spec)
    agent, _ = train(CUE, algorithm, rounds=80)
    act, games = partial(algorithm.act, agent, explore=False), 256
    start = reset_jax(CUE, jax.random.key(1), games)
    episodes = collect_jax(CUE, act, start, jax.random.key(2), CUE.steps, algorithm.initial_memory(games)).rollout
    right = float(jnp.mean(jnp.sum(episodes.env_reward, axis=0)))
    assert right >= 0.95 if remembers else 0.35 < right < 0.65


def test_first_ratio_is_one_in_every_round():
    """The update recomputes the memory of acting, across episode ends and continued from the previous rollout."""
    algorithm = remembering_ppo(CUE.spec, epochs=1, minibatches=1, learning_rate=0.1)
    _, rows = train(CUE, algorithm, rounds=5)
    np.testing.assert_allclose([row["agent/kl"] for row in rows], 0.0, atol=1e-6)
    assert all(row["agent/clip_fraction"] == 0.0 for row in rows)
    assert rows[0]["agent/entropy"] != rows[-1]["agent/entropy"], "the policy must change between rounds"


def test_value_targets_are_those_of_a_walk_step_by_step():
    """With lambda = 0, the target is r + gamma V(next_obs) with the memory after the step, also if truncated."""
    algorithm = remembering_ppo(make_spec(obs=3), trace_decay=0.0)
    ends = {"truncated": (2, 0), "terminated": (4, 1)}
    flags = {name: np.zeros((6, 2), bool) for name in ends}
    for name, at in ends.items():
        flags[name][at] = True
    rollout = make_rollout(algorithm.spec, 6, 2, behaviour={"log_prob": np.zeros((6, 2), np.float32)}, **flags)
    state = jax.jit(algorithm.init)(jax.random.key(0))
    memory = jax.random.normal(jax.random.key(1), (2, 16))

    @jax.jit
    def batch_of(state, rollout, memory):
        experience = experience_of(rollout)._replace(memory=memory)
        return algorithm._batch(state, experience, rollout.env_reward, jnp.zeros(()))

    batch = batch_of(state, rollout, memory)
    assert batch.inputs.shape == (2, 6, 3)

    @jax.jit
    def step(memory, obs):
        memory, features = algorithm.recurrence.step(state.params["recurrence"], memory, algorithm._inputs(state, obs))
        return memory, algorithm._value(state.params, features)

    for t in range(6):
        memory, value = step(memory, rollout.obs[t])
        _, next_value = step(memory, rollout.next_obs[t])
        target = rollout.env_reward[t] + DISCOUNT * jnp.where(rollout.terminated[t], 0.0, next_value)
        np.testing.assert_allclose(batch.value_target[:, t], target, atol=1e-5)
        np.testing.assert_allclose(batch.advantage[:, t], target - value, atol=1e-5)
        memory = jnp.where(rollout.done[t][:, None], 0.0, memory)


def test_what_cannot_learn_from_sequences_is_refused():
    spec = make_spec()
    told = (
        r"algorithm\.model is a GRUModel, which remembers the steps of an episode, .* choose model@algorithm\.model=mlp"
    )
    with pytest.raises(ConfigError, match=told):
        replace(small_sac(spec), model=GRU)
    with pytest.raises(ConfigError, match=told):
        replace(make("algorithm", "bc", spec, demos="x"), model=GRU)
    with pytest.raises(ConfigError, match=r"algorithm\.minibatches=3 must divide algorithm\.num_envs=32"):
        replace(remembering_ppo(spec), minibatches=3, rollout_length=9)
    algorithm = remembering_ppo(spec)
    state = jax.eval_shape(algorithm.init, jax.random.key(0))
    with pytest.raises(ConfigError, match=r"a single step has no log_prob, which this reward needs"):
        algorithm.log_prob(state, jnp.zeros((1, 2)), jnp.zeros((1, 2)))

"""PPO with noise that depends on the state (gSDE): what acts is what learns, and off nothing changes."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete
from rl_rewards.models.exploration import KeptNoise
from tests.algorithms.small import LOPSIDED, small_ppo, train
from tests.algorithms.test_ppo_memory import GRU
from tests.algorithms.test_ppo_update import fresh
from tests.probes import ObsActionReward, make_spec

DISCRETE = make_spec(action=Discrete(3))


def test_the_same_state_gives_the_same_action_until_noise_is_drawn_anew():
    """And the recorded density is that of the action; the mode moves no memory."""
    algorithm = small_ppo(make_spec(obs=3, action=LOPSIDED), noise_every=2)
    state, memory = fresh(algorithm), algorithm.initial_memory(4)
    obs = jax.random.normal(jax.random.key(1), (4, 3))
    act = jax.jit(partial(algorithm.act, explore=True))
    actions = []
    for key in jax.random.split(jax.random.key(2), 4):
        action, memory, behaviour = act(state, memory, obs, key)
        np.testing.assert_allclose(algorithm.log_prob(state, obs, action), behaviour["log_prob"], atol=1e-5)
        actions.append(np.asarray(action))
    np.testing.assert_array_equal(actions[0], actions[1])
    np.testing.assert_array_equal(actions[2], actions[3])
    assert not np.any(actions[0] == actions[2])
    mode, after, _ = algorithm.act(state, memory, obs, jax.random.key(3), explore=False)
    assert after is memory and np.all(np.ptp(mode, axis=0) < 0.2) and np.ptp(actions[0]) > 1.0


def test_first_ratio_is_one_in_every_round_and_the_probe_is_solved():
    """Episodes of two steps and noise that is kept for three: memory goes over rollouts, never over episodes."""
    probe = ObsActionReward(action=LOPSIDED, steps=2)
    algorithm = small_ppo(probe.spec, noise_every=3, initial_log_std=-1.5, epochs=1, minibatches=1, learning_rate=0.1)
    _, rows = train(probe, algorithm, rounds=3)
    np.testing.assert_allclose([row["agent/kl"] for row in rows], 0.0, atol=1e-6)
    learner = small_ppo(probe.spec, noise_every=3, initial_log_std=-1.5)
    agent, _ = train(probe, learner, rounds=60)
    obs = jnp.array([[-1.0], [1.0]])
    action, _, _ = learner.act(agent, learner.initial_memory(2), obs, jax.random.key(0), explore=False)
    np.testing.assert_allclose(action, obs, atol=0.25)


def test_off_a_policy_remembers_nothing():
    plain, noisy = small_ppo(make_spec()), small_ppo(make_spec(), noise_every=1)
    assert plain.initial_memory(4) == ()
    memory = noisy.initial_memory(4)
    assert isinstance(memory, KeptNoise) and memory.noise.shape == (4, 16, 2)
    assert set(fresh(plain).params["actor"]) == {"params"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"noise_every": 0}, r"algorithm\.noise_every=0 must be at least 1, or null"),
        ({"noise_every": 4, "spec": DISCRETE}, r"noise_every=4 needs continuous actions, and those of test are"),
        ({"noise_every": 4, "model": GRU}, r"noise_every=4 cannot be combined with a recurrent model, .* GRUModel"),
    ],
)
def test_noise_that_cannot_be_is_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        replace(small_ppo(make_spec()), **changes)

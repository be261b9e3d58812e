"""Weights learned from answers: few queries suffice, and fewer if they are selected."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Experience
from rl_rewards.data.replay import Replay
from rl_rewards.labelers.oracle import Teacher
from rl_rewards.rewards.base import asks
from tests.labelers.assignments import assignment
from tests.probes import make, make_rollout, make_spec
from tests.rewards.preferences.test_preferences import PERFECT

TRUE = np.array([0.8, -0.5, 0.3, 0.1], np.float32)
SPEC = make_spec(obs=2, action=1, info={"features": (4,), "colour": ()})


def source(**changes):
    return make("reward", "linear_preferences", SPEC, **{"segment_steps": 5, "budget": 24, "sessions": 12} | changes)


def experience(seed: int = 0) -> Experience:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(100, 4, 4)).astype(np.float32) * np.array([1.0, 2.0, 0.5, 1.0], np.float32)
    done = np.zeros((100, 4), bool)
    done[19::20] = True
    steps = make_rollout(SPEC, 100, 4, truncated=done, env_reward=features @ TRUE)
    steps = steps.replace(info={"features": jnp.asarray(features)})
    ring = Replay.init(steps, 400).add(jax.tree.map(jnp.asarray, steps))
    return Experience(None, ring.sample, ring.sample_segments, lambda obs, action: jnp.zeros(obs.shape[:-1]))


def taught(reward, seed: int = 0, rounds: int = 13):
    """Return the state after some rounds with a teacher that is never wrong, and the last metrics."""
    state, oracle = reward.init(jax.random.key(seed)), Teacher(**PERFECT).make(assignment(reward.queries_per_round))
    data = experience(seed)
    update = jax.jit(lambda s, r, k: reward.update(s, {}, data, r, k))
    propose = jax.jit(lambda s, r, k: reward.propose(s, data, r, k))
    for i in range(rounds):
        state, metrics = update(state, jnp.asarray(i), jax.random.fold_in(jax.random.key(seed), 2 * i))
        state, query = propose(state, jnp.asarray(i), jax.random.fold_in(jax.random.key(seed), 2 * i + 1))
        oracle.submit(jax.device_get(query), i)
        state = jax.jit(reward.absorb)(state, oracle.collect(i))
    return state, metrics


def alignment(state) -> float:
    weights = np.asarray(state.weights).mean(axis=0) / np.asarray(state.scale)
    return float(weights @ TRUE / np.linalg.norm(weights) / np.linalg.norm(TRUE))


def test_it_finds_the_weights_and_chosen_questions_tell_more():
    reward = source()
    assert asks(reward)
    found = [taught(reward, seed) for seed in range(2)]
    chosen = [alignment(state) for state, _ in found]
    drawn = [alignment(taught(source(acquisition="uniform"), seed)[0]) for seed in range(2)]
    assert min(chosen) > 0.93
    assert np.mean(chosen) > np.mean(drawn)
    assert found[0][1]["reward/labels"] == 24 and found[0][1]["reward/agreement"] > 0.9


def test_before_any_answer_nothing_is_known():
    state, metrics = source().update(
        source().init(jax.random.key(0)), {}, experience(), jnp.asarray(0), jax.random.key(1)
    )
    assert np.linalg.norm(np.asarray(state.weights).mean(axis=0)) < 0.4
    assert np.isnan(metrics["reward/agreement"])
    np.testing.assert_allclose(state.scale, [1.0, 2.0, 0.5, 1.0], rtol=0.15)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": "shape"}, r"reward\.features=shape is not a vector that .* in info; its vectors are: features"),
        ({"features": "colour"}, r"reward\.features=colour is not a vector"),
        ({"sharpness": 0.0}, r"reward\.sharpness=0\.0 must be positive"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ConfigError, match=message):
        source(**changes)

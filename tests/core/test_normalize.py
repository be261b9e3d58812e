"""Tests of running statistics against numpy on all values so far."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_rewards.core.normalize import RunningMoments, reward_scale

update_moments = jax.jit(RunningMoments.update)
masks = st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=4)


@given(masks, st.integers(0, 1000), st.sampled_from([0.0, 30.0]))
def test_moments_equal_numpy_on_all_valid_values(masks, seed, offset):
    """Several batches [3, 2, 4], some empty, give the same as one pass over all valid values."""
    rng = np.random.default_rng(seed)
    moments, seen = RunningMoments.init((4,)), np.zeros((0, 4))
    for flat in masks:
        valid = np.array(flat).reshape(3, 2)
        values = (rng.normal(size=(3, 2, 4)) * [1.0, 5.0, 0.1, 1.0] + offset).astype(np.float32)
        moments = update_moments(moments, jnp.asarray(values), jnp.asarray(valid))
        seen = np.concatenate([seen, values[valid]])
    assert float(moments.count) == len(seen)
    mean, variance = (seen.mean(axis=0), seen.var(axis=0)) if len(seen) else (np.zeros(4), np.ones(4))
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(moments.variance, variance, rtol=1e-2, atol=1e-3)


def test_an_empty_batch_changes_nothing():
    values = jnp.arange(12.0).reshape(6, 2)
    before = update_moments(RunningMoments.init((2,)), values, jnp.ones(6, bool))
    after = update_moments(before, 100.0 * values, jnp.zeros(6, bool))
    for x, y in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6)


def test_normalize_centres_scales_and_clips():
    values = jnp.asarray(np.random.default_rng(0).normal(3.0, 2.0, (500, 2)), jnp.float32)
    moments = RunningMoments.init((2,)).update(values, jnp.ones(500, bool))
    scaled = np.asarray(moments.normalize(values, 10.0))
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), 1.0, atol=1e-3)
    assert np.abs(moments.normalize(values, 1.5)).max() == 1.5


def test_image_statistics_of_whole_pictures():
    """Moments have the observation's shape, also for uint8 images."""
    values = np.random.default_rng(0).integers(0, 255, (5, 2, 3, 3)).astype(np.uint8)
    moments = RunningMoments.init((3, 3)).update(jnp.asarray(values), jnp.ones((5, 2), bool))
    np.testing.assert_allclose(moments.mean, values.reshape(-1, 3, 3).mean(axis=0), rtol=1e-4)


def loop_returns(rewards, done, valid, discount, since=0):
    """Return the discounted reward of the episode so far, at the valid steps from ``since`` on."""
    collected = []
    for b in range(rewards.shape[1]):
        running = 0.0
        for t in range(rewards.shape[0]):
            running = discount * running + (rewards[t, b] if valid[t, b] else 0.0)
            if valid[t, b] and t >= since:
                collected.append(running)
            if done[t, b]:
                running = 0.0
    return np.array(collected)


def test_reward_scale_is_the_deviation_of_discounted_returns():
    """The first rollout has full weight (no bias towards the empty start), which later ones reduce."""
    rng = np.random.default_rng(1)
    scale, weights, moments = reward_scale(None), [], []
    for i in range(3):
        rewards = ((i + 1) * rng.normal(size=(20, 5))).astype(np.float32)
        done, valid = rng.random((2, 20, 5)) < [[[0.1]], [[0.8]]]
        scale = scale.update(jnp.asarray(rewards), jnp.asarray(done), jnp.asarray(valid), 0.9, 0.75)
        returns = loop_returns(rewards, done, valid, 0.9)
        weights = [0.75 * w for w in weights] + [0.25]
        moments.append((returns.mean(), np.square(returns).mean()))
        mean, square = np.average(moments, axis=0, weights=weights)
        assert float(scale.std()) == pytest.approx(np.sqrt(square - mean**2), rel=1e-3)


CONSTANT_SCALE = np.std((1.0 - 0.99 ** np.arange(1, 1001)) / 0.01)
"""Standard deviation of the discounted return with reward 1 over an episode of 1,000 steps: 19.9."""


def rollouts_of_ones(num_envs: int = 4, length: int = 250):
    """Yield rollouts of episodes of 1,000 steps with reward 1; each environment begins at another step of them."""
    steps = np.arange(num_envs) * 1000 // num_envs
    while True:
        at = steps + np.arange(1, length + 1)[:, None]
        steps = at[-1]
        yield jnp.ones((length, num_envs)), jnp.asarray(at % 1000 == 0), jnp.ones((length, num_envs), bool)


@pytest.mark.parametrize("floor", [None, 0.5])
def test_returns_of_episodes_longer_than_a_rollout_go_on(floor):
    """Four environments are a quarter of an episode apart, so each rollout contains all steps of an episode."""
    scales = {"carried": reward_scale(4, floor), "anew": reward_scale(None, floor)}
    for _, rollout in zip(range(8), rollouts_of_ones(), strict=False):
        scales = {name: scale.update(*rollout, 0.99, 0.0) for name, scale in scales.items()}
    assert pytest.approx(19.86, abs=0.01) == CONSTANT_SCALE
    assert float(scales["carried"].std()) == pytest.approx(CONSTANT_SCALE, rel=1e-3)
    assert float(scales["anew"].std()) == pytest.approx(25.2, abs=0.1), "older runs divided by this"


def test_carried_returns_are_those_of_one_long_rollout_with_masks_and_seeds():
    rng = np.random.default_rng(2)
    rewards = jnp.asarray(rng.normal(size=(2, 30, 5)), jnp.float32)  # for two seeds
    done, valid = (jnp.asarray(rng.random((2, 30, 5)) < share) for share in (0.1, 0.8))

    def update(scale, *rollout):
        return jax.vmap(lambda scale, *one: scale.update(*one, 0.9, 0.0))(scale, *rollout)

    scales = jax.tree.map(lambda x: jnp.stack([x, x]), reward_scale(5))
    for start in (0, 10, 20):
        scales = update(scales, *(x[:, start : start + 10] for x in (rewards, done, valid)))
    for seed in range(2):
        scale = jax.tree.map(lambda x, seed=seed: x[seed], scales)
        returns = loop_returns(*(np.asarray(x[seed]) for x in (rewards, done, valid)), 0.9, since=20)
        assert float(scale.std()) == pytest.approx(np.std(returns), rel=1e-3)
        assert not np.any(np.asarray(scale.running)[np.asarray(done[seed, -1])])


def test_a_fresh_carried_scale_updates_as_the_plain_one_does():
    rollout = next(rollouts_of_ones())
    carried, plain = (reward_scale(envs).update(*rollout, 0.99, 0.9) for envs in (4, None))
    assert all(np.array_equal(getattr(carried, name), value) for name, value in vars(plain).items())


def test_reward_scale_of_nothing_and_of_a_constant_is_small_but_positive():
    assert float(reward_scale(None).std()) == pytest.approx(1e-4)
    flags = jnp.ones((4, 2), bool)
    scale = reward_scale(None).update(jnp.full((4, 2), 3.0), flags, flags, 0.9, 0.9)
    assert 0.0 < float(scale.std()) < 0.01, "constant rewards of one-step episodes have no spread"

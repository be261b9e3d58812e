"""Tests of distributions against scipy, and of samples against their own densities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from rl_rewards.core.distributions import Categorical, DiagonalNormal, StateDependentNormal


def test_normal_agrees_with_scipy():
    rng = np.random.default_rng(0)
    mean, log_std, value = rng.normal(size=(3, 6, 4)).astype(np.float32)
    ours = DiagonalNormal(jnp.asarray(mean), jnp.asarray(log_std))
    theirs = scipy.stats.norm(mean, np.exp(log_std))
    np.testing.assert_allclose(ours.log_prob(jnp.asarray(value)), theirs.logpdf(value).sum(axis=-1), rtol=1e-4)
    np.testing.assert_allclose(ours.entropy(), theirs.entropy().sum(axis=-1), rtol=1e-5)
    np.testing.assert_array_equal(ours.mode(), mean)


def test_normal_entropy_with_a_shared_deviation():
    """A log std [A] that broadcasts over a batch counts once for each row and entry."""
    ours = DiagonalNormal(jnp.zeros((5, 3)), jnp.full((3,), -0.5))
    expected = 3 * scipy.stats.norm(0.0, np.exp(-0.5)).entropy()
    np.testing.assert_allclose(ours.entropy(), np.full(5, expected), rtol=1e-5)


def test_normal_samples_have_its_moments():
    mean, log_std = jnp.array([1.0, -2.0]), jnp.log(jnp.array([0.5, 2.0]))
    shape = (20_000, 2)
    ours = DiagonalNormal(jnp.broadcast_to(mean, shape), jnp.broadcast_to(log_std, shape))
    samples = np.asarray(ours.sample(jax.random.key(0)))
    np.testing.assert_allclose(samples.mean(axis=0), [1.0, -2.0], atol=0.06)
    np.testing.assert_allclose(samples.std(axis=0), [0.5, 2.0], rtol=0.03)
    assert abs(np.corrcoef(samples.T)[0, 1]) < 0.03


def test_state_dependent_normal_agrees_with_scipy():
    """Its deviation is sqrt(sum_i (features_i std_ij)^2), of features [6, 5] and actions [6, 3]."""
    rng = np.random.default_rng(0)
    mean, value = rng.normal(size=(2, 6, 3)).astype(np.float32)
    features, log_std = rng.normal(size=(6, 5)).astype(np.float32), rng.normal(size=(5, 3)).astype(np.float32)
    ours = StateDependentNormal(jnp.asarray(mean), jnp.asarray(features), jnp.asarray(log_std))
    theirs = scipy.stats.norm(mean, np.sqrt(np.square(features) @ np.exp(2 * log_std)))
    np.testing.assert_allclose(ours.log_prob(jnp.asarray(value)), theirs.logpdf(value).sum(axis=-1), rtol=1e-4)
    np.testing.assert_allclose(ours.entropy(), theirs.entropy().sum(axis=-1), rtol=1e-4)
    np.testing.assert_array_equal(ours.mode(), mean)


def test_state_dependent_density_is_that_of_its_actions():
    """It integrates to 1, and actions under many draws of the noise have its moments; features of 0 give no NaN."""
    mean, log_std = jnp.array([0.5, -1.0]), jnp.array([[0.0, -1.0], [-1.0, 0.5], [0.3, 0.0]])
    features = jnp.array([0.8, -0.5, 0.1])
    grid = np.linspace(-12.0, 12.0, 481, dtype=np.float32)
    values = jnp.asarray(np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1))
    ours = StateDependentNormal(mean, features, log_std)
    assert float(jnp.sum(jnp.exp(ours.log_prob(values)))) * (grid[1] - grid[0]) ** 2 == pytest.approx(1.0, abs=1e-3)
    actions = np.asarray(ours.with_noise(jax.random.normal(jax.random.key(0), (40_000, 3, 2))))
    std = np.sqrt(np.square(features) @ np.exp(2 * log_std))
    np.testing.assert_allclose(actions.mean(axis=0), mean, atol=0.03)
    np.testing.assert_allclose(actions.std(axis=0), std, rtol=0.03)
    assert abs(np.corrcoef(actions.T)[0, 1]) < 0.03
    assert np.isfinite(StateDependentNormal(mean, jnp.zeros(3), log_std).log_prob(mean))


def test_categorical_agrees_with_scipy():
    logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32) * 3
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    ours = Categorical(jnp.asarray(logits))
    value = np.array([0, 1, 2, 3, 0, 3], np.int32)
    np.testing.assert_allclose(ours.log_prob(jnp.asarray(value)), np.log(probabilities[range(6), value]), rtol=1e-4)
    np.testing.assert_allclose(ours.entropy(), scipy.stats.entropy(probabilities, axis=-1), rtol=1e-4)
    np.testing.assert_array_equal(ours.mode(), logits.argmax(axis=-1))
    assert ours.mode().dtype == jnp.int32


def test_categorical_samples_have_its_frequencies():
    logits = jnp.log(jnp.array([0.1, 0.6, 0.3]))
    samples = np.asarray(Categorical(jnp.broadcast_to(logits, (20_000, 3))).sample(jax.random.key(0)))
    assert samples.dtype == np.int32
    np.testing.assert_allclose(np.bincount(samples, minlength=3) / 20_000, [0.1, 0.6, 0.3], atol=0.015)

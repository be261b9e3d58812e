"""Tests of the estimates of the KL divergence against exact values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.kl_estimators import estimated_kl, exact_kl

PI, REFERENCE = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
EXACT = float(np.sum(PI * np.log(PI / REFERENCE)))


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_the_mean_of_an_unbiased_estimate_is_the_divergence(estimator):
    each = estimated_kl(jnp.log(PI), jnp.log(REFERENCE), estimator)
    assert float(np.sum(PI * np.asarray(each))) == pytest.approx(EXACT, abs=1e-6)


def test_k2_is_half_the_square_and_its_gradient_is_that_of_the_divergence():
    found = np.asarray(estimated_kl(jnp.log(PI), jnp.log(REFERENCE), "k2"))
    np.testing.assert_allclose(found, 0.5 * np.log(PI / REFERENCE) ** 2, rtol=1e-6)

    def divergence(logits):
        return exact_kl(jax.nn.log_softmax(logits), jnp.log(REFERENCE))

    def estimate(logits):
        weights = jax.lax.stop_gradient(jax.nn.softmax(logits))
        return jnp.sum(weights * estimated_kl(jax.nn.log_softmax(logits), jnp.log(REFERENCE), "k2"))

    logits = jnp.array([0.3, -0.2, 0.9])
    np.testing.assert_allclose(jax.grad(estimate)(logits), jax.grad(divergence)(logits), atol=1e-6)


def test_k3_is_never_negative_and_keeps_small_differences():
    x = np.array([-2.0, -0.1, 0.0, 0.1, 2.0])
    assert np.all(np.asarray(estimated_kl(jnp.asarray(x), jnp.zeros(5), "k3")) >= 0)
    small = float(estimated_kl(jnp.float32(1e-3), jnp.float32(0.0), "k3"))
    assert small == pytest.approx(5e-7, rel=0.1)  # x^2 / 2; exp(-x) - 1 in float32 has an error of 6e-8


def test_the_exact_divergence_ignores_tokens_that_are_not_allowed():
    masked = jnp.full((1,), -1e30)
    logits = [jnp.concatenate([jnp.log(one), masked]) for one in (PI, REFERENCE)]
    found = exact_kl(*map(jax.nn.log_softmax, logits))
    assert float(found) == pytest.approx(EXACT, abs=1e-6)
    assert float(exact_kl(jnp.log(PI), jnp.log(PI))) == 0.0


def test_an_exact_divergence_is_refused_from_samples_alone():
    with pytest.raises(ValueError, match="probabilities of all tokens"):
        estimated_kl(jnp.zeros(2), jnp.zeros(2), "exact")

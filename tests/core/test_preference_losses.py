"""Tests of the losses on compared responses against their formulas in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.preference_losses import dpo_loss, ipo_loss, kto_loss, orpo_loss

D = np.array([-2.0, 0.0, 0.7])


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def test_dpo_and_its_conservative_form():
    np.testing.assert_allclose(dpo_loss(jnp.asarray(D), 0.5, 0.0), -np.log(sigmoid(0.5 * D)), rtol=1e-6)
    expected = -0.9 * np.log(sigmoid(0.5 * D)) - 0.1 * np.log(sigmoid(-0.5 * D))
    np.testing.assert_allclose(dpo_loss(jnp.asarray(D), 0.5, 0.1), expected, rtol=1e-6)


def test_ipo_pulls_the_difference_to_half_of_the_inverse_temperature():
    np.testing.assert_allclose(ipo_loss(jnp.asarray(D), 0.5), (D - 1.0) ** 2, rtol=1e-6)


def test_kto_compares_each_response_with_the_mean_elsewhere():
    chosen, rejected = np.array([1.0, -1.0]), np.array([0.5, -2.0])
    for elsewhere, z in (([0.2, 0.6], 0.4), ([-3.0, -1.0], 0.0)):
        found = kto_loss(*map(jnp.asarray, (chosen, rejected)), jnp.asarray(elsewhere), 2.0)
        expected = 0.5 * ((1 - sigmoid(2 * (chosen - z))) + (1 - sigmoid(2 * (z - rejected))))
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    gradient = jax.grad(lambda e: jnp.sum(kto_loss(jnp.ones(1), jnp.zeros(1), e, 1.0)))(jnp.ones(2))
    assert np.all(np.asarray(gradient) == 0)


def test_orpo_adds_the_odds_ratio_to_the_likelihood():
    chosen, rejected = np.array([-0.5, -1.0]), np.array([-1.5, -0.2])
    odds = [np.log(np.exp(x) / (1 - np.exp(x))) for x in (chosen, rejected)]
    expected = -chosen - 0.3 * np.log(sigmoid(odds[0] - odds[1]))
    np.testing.assert_allclose(orpo_loss(*map(jnp.asarray, (chosen, rejected)), 0.3), expected, rtol=1e-5)
    assert np.isfinite(float(orpo_loss(jnp.zeros(1), -jnp.ones(1), 0.3)[0])), "a certain response has finite odds"


@pytest.mark.parametrize("wrong", [0.0, 0.2])
def test_dpo_without_noise_wants_ever_larger_differences_and_with_noise_a_finite_one(wrong):
    slope = float(jax.grad(lambda d: dpo_loss(d[None], 1.0, wrong)[0])(jnp.array(np.log(0.8 / 0.2))))
    assert slope == pytest.approx(-(1 - sigmoid(np.log(4.0))) if wrong == 0 else 0.0, abs=1e-6)

"""Tests of Bradley-Terry: the lecture's numbers, its invariance and gradient; rankings, ties and missing answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.queries import calibration_error, pair_targets, preference_logits, preference_loss, right


def test_the_lectures_example():
    prob = jax.nn.sigmoid(preference_logits(jnp.array([2.5, 1.4])))
    assert float(prob[0]) == pytest.approx(0.7503, abs=1e-4)
    assert float(jnp.exp(-1.1)) == pytest.approx(0.3329, abs=1e-4)


def test_a_constant_added_to_every_return_changes_nothing():
    returns, scores = jnp.array([0.3, -1.2, 0.8]), jnp.array([2.0, 1.0, 3.0])
    for noise in (0.0, 0.1):
        loss, shifted = (preference_loss(returns + c, scores, noise)[0] for c in (0.0, 100.0))
        assert float(loss) == pytest.approx(float(shifted), abs=1e-4)


def test_the_gradient_is_the_lectures():
    """The gradient is -(1 - sigma) (grad R_w - grad R_l)."""
    returns = jnp.array([0.7, -0.4])
    gradient = jax.grad(lambda r: preference_loss(r, jnp.array([1.0, 0.0]), 0.0)[0])(returns)
    wrong = 1.0 - jax.nn.sigmoid(returns[0] - returns[1])
    np.testing.assert_allclose(gradient, [-wrong, wrong], atol=1e-6)


def test_a_ranking_is_all_of_its_pairs_and_a_refusal_none():
    target, known = pair_targets(jnp.array([[3.0, 2.0, 2.0, 1.0], [1.0, jnp.nan, 0.0, 2.0], [jnp.nan] * 4]))
    assert target.shape == (3, 6)
    np.testing.assert_array_equal(target[0], [1, 1, 1, 0.5, 1, 1])
    np.testing.assert_array_equal(known.sum(axis=-1), [6, 3, 0])
    loss, pairs = preference_loss(jnp.zeros((3, 4)), jnp.full((3, 4), jnp.nan), 0.1)
    np.testing.assert_array_equal(loss, 0.0)
    np.testing.assert_array_equal(pairs, 0.0)


def test_a_noise_floor_bounds_the_loss_of_an_answer():
    sure = preference_loss(jnp.array([-50.0, 50.0]), jnp.array([1.0, 0.0]), 0.1)[0]
    assert float(sure) == pytest.approx(-np.log(0.05), rel=1e-5)
    assert float(preference_loss(jnp.array([-50.0, 50.0]), jnp.array([1.0, 0.0]), 0.0)[0]) == pytest.approx(100.0)


def test_accuracy_counts_decided_pairs_alone():
    found, pairs = right(
        jnp.array([[2.0, 1.0], [1.0, 2.0], [1.0, 1.0]]), jnp.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    )
    np.testing.assert_array_equal(found, [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(pairs, [1.0, 1.0, 0.0])


def test_calibration_error_is_the_gap_between_sure_and_right():
    rng = np.random.default_rng(0)
    first = rng.uniform(0.0, 1.0, (20_000, 1))
    answers = np.where(rng.uniform(size=first.shape) < first, [[1.0, 0.0]], [[0.0, 1.0]])
    assert float(calibration_error(jnp.asarray(first), jnp.asarray(answers))) < 0.02
    sure = np.where(first > 0.5, 0.99, 0.01)
    wrong = np.abs(0.99 - np.maximum(first, 1.0 - first).mean())
    assert float(calibration_error(jnp.asarray(sure), jnp.asarray(answers))) == pytest.approx(wrong, abs=0.02)
    unknown = jnp.full(answers.shape, jnp.nan)
    assert np.isnan(float(calibration_error(jnp.asarray(first), unknown)))


def test_soft_answers_are_probabilities_and_their_loss_is_least_there():
    scores = jnp.array([[1.0, 0.0], [0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [3.0, 0.0], [jnp.nan, 0.0]])
    soft, known = pair_targets(scores, soft=True)
    assert soft[:5, 0].tolist() == [1.0, 0.75, 0.5, 0.25, 1.0] and known[:, 0].tolist() == [True] * 5 + [False]
    assert pair_targets(scores)[0][:5, 0].tolist() == [1.0, 1.0, 0.5, 0.0, 1.0], "by default only the order counts"
    best = jnp.array([jnp.log(3.0), 0.0])  # a return that predicts 0.75
    gradient = jax.grad(lambda returns: preference_loss(returns, scores[1], 0.0, soft=True)[0])(best)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)
    assert float(jax.grad(lambda returns: preference_loss(returns, scores[1], 0.0)[0])(best)[0]) < -0.1

"""Linear preferences: objectives agree with brute force, the sampler is correct, and the weights are found."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.rewards.preferences import linear_posterior as lp

SAMPLER = lp.Sampler(samples=400, burn_in=300, thin=8, first_step=0.1, adaptations=3)
RNG = np.random.default_rng(0)


def test_belief_by_hand():
    answered = jnp.array([[1.0, 0.0], [0.0, -2.0], [0.0, 0.0]])
    weights = jnp.array([-0.3, 0.4])
    np.testing.assert_allclose(lp.log_belief(weights, answered, "relu"), -0.3 - 0.8, rtol=1e-5)
    logistic = -np.log1p(np.exp(0.3)) - np.log1p(np.exp(0.8)) - np.log(2.0)
    np.testing.assert_allclose(lp.log_belief(weights, answered, "logistic"), logistic, rtol=1e-5)
    assert lp.log_belief(jnp.array([0.8, 0.7]), answered, "relu") == -jnp.inf
    slope = jax.grad(lp.log_belief)(weights, answered, "logistic")
    by_hand = sum(row / (1.0 + np.exp(row @ np.array([-0.3, 0.4]))) for row in np.asarray(answered))
    np.testing.assert_allclose(slope, by_hand, rtol=1e-5)


def brute(weights, psi):
    """Return a query's objectives by plain loops: volume with the relu's and the sigmoid's f, information in bits."""
    relu = [np.mean([1 - np.exp(-max(-i * w @ psi, 0.0)) for w in weights]) for i in (1, -1)]
    p = np.array([[1 / (1 + np.exp(-i * w @ psi)) for w in weights] for i in (1, -1)])
    gain = np.mean([[p[i, m] * np.log2(p[i, m] / p[i].mean()) for m in range(len(weights))] for i in (0, 1)]) * 2
    return min(relu), min(1 - p[0].mean(), 1 - p[1].mean()), gain


def test_objectives_against_brute_force():
    weights, pool = RNG.normal(size=(7, 3)), RNG.normal(size=(5, 3)) * 2.0
    expected = np.array([brute(weights, psi) for psi in pool]).T
    w, p = jnp.asarray(weights, jnp.float32), jnp.asarray(pool, jnp.float32)
    np.testing.assert_allclose(lp.volume_removed(w, p, "relu"), expected[0], rtol=1e-4)
    np.testing.assert_allclose(lp.volume_removed(w, p, "logistic"), expected[1], rtol=1e-4)
    np.testing.assert_allclose(lp.information_gain(w, p), expected[2], rtol=1e-3, atol=1e-6)


def test_a_question_of_equal_options_is_worth_nothing_but_to_the_sigmoids_volume():
    weights = jnp.array([[0.5, 0.5], [-0.5, 0.5]])
    pool = jnp.array([[0.0, 0.0], [100.0, 0.0], [0.0, 3.0]])  # uninformative; splits the samples; all samples agree
    gain, relu = lp.information_gain(weights, pool), lp.volume_removed(weights, pool, "relu")
    np.testing.assert_allclose(gain, [0.0, 1.0, 0.0], atol=1e-5)
    np.testing.assert_allclose(relu, [0.0, 0.5, 0.0], atol=1e-5)
    assert lp.volume_removed(weights, pool, "logistic")[0] == 0.5
    asked = jnp.array([0.0, 1.0, 0.0])
    first = [int(lp.choose(jax.random.key(0), jnp.int32(i), weights, pool, jnp.zeros(3))) for i in range(4)]
    assert first[:3] == [1, 1, 0] and lp.METHODS[2] == "volume_removal_logistic"
    again = [int(lp.choose(jax.random.key(0), jnp.int32(i), weights, pool, asked)) for i in range(4)]
    assert 1 not in again, "no query is asked twice"


def test_alignment_by_hand():
    weights = jnp.array([[0.1, 0.0], [0.0, 0.7], [-0.2, 0.0]])
    np.testing.assert_allclose(lp.alignment(weights, jnp.array([3.0, 0.0])), (1.0 + 0.0 - 1.0) / 3, atol=1e-6)
    np.testing.assert_allclose(lp.alignment(weights[:1], jnp.array([3.0, 3.0])), np.sqrt(0.5), rtol=1e-5)


@pytest.mark.parametrize("likelihood", ["relu", "logistic"])
def test_the_sampler_has_the_beliefs_moments(likelihood):
    """Mean and spread on the disc agree with those on a fine grid."""
    answered = np.array([[6.0, 0.0], [2.0, 3.0], [0.0, 0.0]], np.float32)
    axis = np.linspace(-1, 1, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    margin = grid @ answered.T
    log_p = (-np.maximum(-margin, 0.0) if likelihood == "relu" else -np.logaddexp(0.0, -margin)).sum(axis=1)
    p = np.where((grid**2).sum(axis=1) <= 1.0, np.exp(log_p), 0.0)
    p /= p.sum()
    mean = p @ grid
    draw = jax.jit(lambda key: lp.sample_belief(key, jnp.asarray(answered), likelihood, SAMPLER))
    drawn = np.asarray(draw(jax.random.key(0)))
    assert drawn.shape == (400, 2) and ((drawn**2).sum(axis=1) <= 1.0).all()
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.08)
    np.testing.assert_allclose(drawn.var(axis=0), p @ grid**2 - mean**2, atol=0.05)


def test_without_answers_the_belief_is_the_whole_ball():
    drawn = jax.jit(lambda key: lp.sample_belief(key, jnp.zeros((2, 3)), "relu", SAMPLER))(jax.random.key(1))
    radius = np.linalg.norm(drawn, axis=1)
    np.testing.assert_allclose(np.mean(radius**3), 0.5, atol=0.08)  # uniform in the ball
    np.testing.assert_allclose(np.mean(drawn, axis=0), 0.0, atol=0.12)


def test_answers_are_as_likely_as_they_say():
    np.testing.assert_allclose(lp.chance_of_better(jnp.array([1.1, -1.1]), None), [0.7503, 0.2497], atol=1e-4)
    np.testing.assert_allclose(lp.chance_of_better(jnp.array([0.2, -3.0]), 0.9), [0.9, 0.1], rtol=1e-6)


def test_asking_finds_the_weights_of_every_seed():
    """With clear queries in the plane and correct answers, the weights of two seeds, which differ, are found."""
    sampler = lp.Sampler(samples=50, burn_in=60, thin=4, first_step=0.2, adaptations=2)
    angle = np.linspace(0.0, np.pi, 30)
    pool = jnp.asarray(30.0 * np.stack([np.cos(angle), np.sin(angle)], axis=-1), jnp.float32)
    true = jnp.array([[0.6, 0.8], [-1.0, 0.0]])
    one = partial(
        lp.ask, pool=pool, method=jnp.int32(0), likelihood="logistic", questions=5, sampler=sampler, correct=1.0
    )
    with jax.debug_key_reuse(False):
        aligned, belief = jax.jit(jax.vmap(lambda key, true: one(key, true=true)))(
            jax.random.split(jax.random.key(0), 2), true
        )
    assert aligned.shape == (2, 6) and belief.shape == (2, 50, 2)
    assert (np.abs(aligned[:, 0]) < 0.6).all() and (aligned[:, -1] > 0.85).all()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"samples": 0}, r"sampler\.samples=0 must be at least 1"),
        ({"first_step": 0.0}, r"sampler\.first_step=0\.0 must be positive"),
        ({"adaptations": 0}, r"sampler\.burn_in=30 must be a multiple of sampler\.adaptations=0, with at least two"),
        ({"burn_in": 31}, r"sampler\.burn_in=31 must be a multiple of sampler\.adaptations=2, with at least two"),
        ({"thin": 1.5}, r"sampler\.thin=1\.5 is not valid; it must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(changes, sentence):
    values = {"samples": 10, "burn_in": 30, "thin": 2, "first_step": 0.1, "adaptations": 2}
    with pytest.raises(ConfigError, match=sentence):
        lp.Sampler(**(values | changes))

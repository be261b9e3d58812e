"""Study gan: the divergence and its bias by arithmetic, both players' steps, and verdicts on invented divergences."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.classifiers.gan.outcome import bin_shares, claims, jensen_shannon, sample_shares
from rl_rewards.lecture.classifiers.gan.study import ARMS, Players
from rl_rewards.loop.build import build_study
from tests.runs import composed
from tests.studies.outcomes import outcomes

SEEDS = 10


@pytest.fixture(scope="module")
def study():
    return build_study(composed("experiment=lecture/classifiers/gan"))[0]


def details(failing=0, off_half=0.01):
    """Return the details of ten seeds in every arm, of which ``failing`` end above the threshold."""
    final = [0.2 if i < failing else 0.02 for i in range(SEEDS)]
    arm = {
        "divergence": [[0.5, 0.5, value, value, value] for value in final],
        "prob_data": [[0.9, 0.5, 0.5, 0.5, 0.5]] * SEEDS,
        "off_half": [[0.4, 0.4, off_half, off_half, off_half]] * SEEDS,
    }
    return {"threshold": 0.05, "floor": [0.0005] * SEEDS, "arms": dict.fromkeys(ARMS, arm)}


def test_the_divergence_in_nats():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.0, 1.0])
    assert jensen_shannon(p, q) == pytest.approx(np.log(2.0))
    assert jensen_shannon(p, p) == 0.0
    known = 0.5 * (0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(2.0)) + 0.5 * np.log(1.0 / 0.75)
    assert jensen_shannon(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == pytest.approx(known)


def test_bins_with_open_ends_hold_everything():
    edges = np.array([0.0, 1.0, 2.0])
    np.testing.assert_allclose(sample_shares(np.array([-5.0, 0.5, 0.6, 9.0]), edges), [0.25, 0.5, 0.0, 0.25])
    np.testing.assert_allclose(bin_shares(np.array([0.1, 0.4, 0.8])), [0.1, 0.3, 0.4, 0.2])


def test_the_bias_of_the_estimate_is_bins_over_eight_draws(study):
    edges = np.linspace(study.low, study.high, study.bins + 1)
    exact = bin_shares(study.data.cumulative(edges))
    floor = np.mean(study._floor(range(5), edges, exact))
    assert 0.0 < floor < 1.2 * study.bins / (8 * study.draws)
    assert floor < study.threshold / 50


@pytest.mark.parametrize("arm", ["through", "reward_alone"])
def test_both_generators_climb_the_reward(study, arm):
    """Both generators move up against a classifier whose output grows with x."""
    model = replace(study.model, hidden=(8,))
    classifier = replace(study.classifier, model=model, learning_rate=1e-9)
    small = replace(study, classifier=classifier, model=model, learning_rate=1e-2)
    generator = small.network.init(jax.random.key(0), jnp.zeros((1, small.noise_size)))
    state = classifier.init(jax.random.key(1), 1)
    line = jnp.linspace(-1.0, 1.0, 64)[None, :, None]
    fit = jax.jit(replace(classifier, learning_rate=1e-2, gradient_penalty=0.0).train_step)
    for i in range(100):
        state, _ = fit(state, line + 2.0, line - 2.0, jax.random.key(10 + i))
    players = Players(state, generator, small.optimizer(arm).init(generator))
    update = jax.jit(lambda players, key: small.update(arm, players, key))
    start = float(jnp.mean(small.generate(generator, jax.random.key(2), (2000,))[1]))
    for i in range(60):
        players = update(players, jax.random.key(1000 + i))
    end = float(jnp.mean(small.generate(players.generator, jax.random.key(3), (2000,))[1]))
    assert end > start + 0.3


def test_ten_of_ten_are_too_few_and_five_failures_are_too_many():
    assert outcomes(claims(details())) == outcomes(claims(details(failing=1))) == "UUUS"
    assert outcomes(claims(details(failing=5))) == "RRRS"
    assert "9 of 10" in claims(details(failing=1))[0].measured


def test_a_discriminator_away_from_one_half_is_told():
    assert outcomes(claims(details(off_half=0.1)))[-1] == "R"


def test_settings_are_checked(study):
    with pytest.raises(ConfigError, match="must be a multiple of"):
        replace(study, updates=10, evaluations=3)
    with pytest.raises(ConfigError, match=r"study\.reward_map=best is not valid"):
        replace(study, reward_map="best")

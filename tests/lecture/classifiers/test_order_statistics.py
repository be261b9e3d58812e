"""Study order_statistics: expected maxima by arithmetic, unknown states, and verdicts on invented outputs."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.classifiers.order_statistics.outcome import ExpectedMaxima, claims, model
from rl_rewards.lecture.classifiers.order_statistics.study import distance_from_uniform, expected_least
from rl_rewards.loop.build import build_study
from rl_rewards.studies.claims import conclude
from tests.runs import composed
from tests.studies.outcomes import outcomes

SEEDS = 10
UNIFORMS, STATES = [1, 9, 99, 999], [1, 10, 100]
AROUND_ONE = np.linspace(0.98, 1.02, SEEDS)[:, None]


@pytest.fixture(scope="module")
def study():
    return build_study(composed("experiment=lecture/classifiers/order_statistics"))[0]


def made_up(uniform_gap=1.0, classifier_gap=0.01, goal_gap=0.02):
    """Return maxima with these gaps to 1; the first two are relative to the model's gap."""
    short = classifier_gap * AROUND_ONE * model(STATES)
    return ExpectedMaxima(
        uniforms=UNIFORMS,
        uniform_maximum=1.0 - uniform_gap * AROUND_ONE * model(UNIFORMS),
        states=STATES,
        short={"mixup 1": short},
        short_goals={"mixup 1": np.full((SEEDS, 5), goal_gap)},
    )


def judged(found):
    return outcomes(claims(found, 0.05, 0.05))


def test_the_lectures_numbers():
    np.testing.assert_allclose(1.0 - model(UNIFORMS), [0.5, 0.9, 0.99, 0.999])


def test_the_least_of_draws_is_exact():
    values = np.array([3.0, 1.0, 2.0])
    assert expected_least(values, 1) == pytest.approx(2.0)
    pairs = np.minimum(values[:, None], values).mean()
    assert expected_least(values, 2) == pytest.approx(pairs)
    assert expected_least(values, 10_000) == pytest.approx(1.0)
    grid = (np.arange(100_000) + 0.5) / 100_000
    for n in (1, 9, 99, 999):
        assert expected_least(grid, n) == pytest.approx(1.0 / (n + 1), rel=1e-2)


def test_uniform_draws_follow_the_formula(study):
    found = replace(study, draws=4000, uniforms=(1, 9, 99))._uniform_maximum([0, 1])
    assert found.shape == (2, 3)
    np.testing.assert_allclose(1.0 - found.mean(axis=0), [0.5, 0.1, 0.01], rtol=0.05)


def test_unknown_states_are_away_from_all_examples(study):
    apart = study.unknown(jnp.array([[0.9, 0.9], [-0.05, -0.6], [-0.9, 0.9], [0.0, 0.3]]))
    beside = study.unknown(jnp.array([[0.0, 0.0], [-0.5, -0.5], [-0.15, -0.5], [0.0, 0.2], [-1.0, -0.15]]))
    assert apart.all() and not beside.any()
    for goal in (True, False):
        states = study.env.collect_examples(np.random.default_rng(0), 200, goal=goal)
        assert not study.unknown(jnp.asarray(states.obs)).any()


def test_the_distance_from_uniform():
    assert distance_from_uniform(np.linspace(0.0, 1.0, 1001)) < 0.01
    assert distance_from_uniform(np.ones(100)) == pytest.approx(1.0)


def test_classifiers_that_are_sooner_near_one_than_the_model():
    verdicts = conclude(claims(made_up(), 0.05, 0.05))
    assert outcomes(verdicts) == "SRSU", "0.5 at n = 1 differs from the formula, and ten seeds do not show 90%"
    _, describes, _, beats = verdicts
    assert describes.interval[0] > 0.4 and "10 with n=10" in beats.measured


def test_each_verdict_follows_its_data():
    assert judged(made_up(uniform_gap=1.2))[0] == "R"
    assert judged(made_up(classifier_gap=1.0))[1] == "S", "the formula describes uniform outputs"
    assert judged(made_up(classifier_gap=1.5))[2] == "R"
    assert judged(made_up(goal_gap=1e-9))[3] == "R"


def test_settings_are_checked(study):
    with pytest.raises(ConfigError, match=r"study\.margin=-1 must not be negative"):
        replace(study, margin=-1)

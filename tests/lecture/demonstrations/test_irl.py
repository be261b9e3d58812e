"""Study irl: errors that must be 0, demonstrations of the right policy, and verdicts on invented errors."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.data.dataset import Dataset
from rl_rewards.lecture.demonstrations.irl_grid.outcome import claims
from rl_rewards.loop.build import build_study
from tests.runs import composed
from tests.studies.outcomes import outcomes

SEEDS = 10


@pytest.fixture(scope="module")
def on_grid():
    changes = ("size=4", "max_episode_steps=10", "rewards=[[0,0,1.0]]")
    cfg = composed("experiment=lecture/demonstrations/irl", *(f"study.grid.env.{change}" for change in changes))
    return replace(build_study(cfg)[0].grid, episodes=(1, 300))


@pytest.fixture(scope="module")
def source(on_grid):
    return on_grid.reward(spec=on_grid.env.spec, features="cell")


def test_the_study_learns_as_a_run_does(on_grid, source):
    run = composed("env=grid", "reward=maxent_irl", "demos=some").reward
    assert (source.discount, source.temperature) == (run.discount, run.temperature)
    assert (source.prior_deviation, source.learning_rate) == (run.prior_deviation, run.learning_rate)
    assert source.model == on_grid.env


def test_true_rewards_are_paid_by_blocks(on_grid):
    drawn = np.array([on_grid.draw_reward(jax.random.key(i)) for i in range(40)]).reshape(40, 2, 2, 2, 2)
    assert (drawn == drawn[:, :, :1, :, :1]).all(), "every cell of a block pays the same"
    blocks = drawn[:, :, 0, :, 0].reshape(40, 4)
    paid = (blocks > 0.0).sum(axis=1)
    assert paid.min() >= 1 and blocks.max() <= 1.0
    assert 0.25 < paid.mean() / 4 < 0.55, "a fifth of the blocks pays, and one block always does"


def test_errors_are_none_where_no_policy_differs(on_grid, source):
    true = jnp.arange(16.0) / 16
    other = jnp.asarray(np.random.default_rng(0).uniform(size=16), jnp.float32)
    errors = {name: on_grid.errors(source, true, r) for name, r in {"same": true, "more": true + 3.0}.items()}
    for found in errors.values():
        assert float(found["value"]) == pytest.approx(0.0, abs=1e-5)
        assert float(found["visits"]) == pytest.approx(0.0, abs=1e-3)
        assert float(found["correlation"]) == pytest.approx(1.0, abs=1e-3)
    scaled = on_grid.errors(source, true, 3.0 * true)
    assert float(scaled["value"]) == pytest.approx(0.0, abs=1e-5) and float(scaled["visits"]) > 0.01
    worse = on_grid.errors(source, true, other)
    assert float(worse["value"]) > 0.05 and float(worse["visits"]) > 0.1
    against = on_grid.errors(source, true, -true)
    assert float(against["value"]) > 1.0, "worse than random"
    assert 0.0 < float(on_grid.expert_falls_short(source, true)) < 1.0


def test_demonstrations_are_of_the_soft_optimal_policy(on_grid, source):
    true = jnp.arange(16.0) / 16
    demos = jax.jit(lambda key: on_grid.demonstrate(key, source, true))(jax.random.key(0))
    assert demos.obs.shape == (3000, 16)
    ends = np.asarray(demos.truncated).reshape(300, 10)
    assert ends[:, -1].all() and not ends[:, :-1].any(), "the demonstrations of several episodes follow one another"
    inside = np.asarray(demos.obs).reshape(300, 10, 16)[:, 1:]
    np.testing.assert_array_equal(inside, np.asarray(demos.next_obs).reshape(300, 10, 16)[:, :-1])
    counts = np.asarray(source.demo_counts({"demos": Dataset.of_single_steps(demos, 3000)}))
    often = counts.sum(axis=1) > 200
    shares = counts[often] / counts[often].sum(axis=1, keepdims=True)
    policy = np.exp(on_grid._log_policy(source, true))
    np.testing.assert_allclose(shares, policy[often], atol=0.1)


@pytest.mark.long
def test_more_demonstrations_are_better_and_a_seed_is_a_seed(on_grid):
    one, two = (on_grid.find([3, 4]) for _ in range(2))
    assert one == two
    assert list(one["errors"]) == ["cell", "block"]
    for found in one["errors"].values():
        for error in ("value", "visits"):
            few, many = np.array(found[error]).T
            assert many.mean() < few.mean() and many.max() < 0.1
    assert np.shape(one["true_reward"]) == np.shape(one["learned_reward"]["block"]) == (2, 16)
    assert one["true_reward"][0] != one["true_reward"][1]


def made_up(value=0.01, visits=0.02):
    """Return errors of ten seeds that are halved with every step, down to about the given ones."""
    around = np.linspace(0.9, 1.1, SEEDS)[:, None] * np.array([4.0, 2.0, 1.0])
    errors = {"value": (value * around).tolist(), "visits": (visits * around).tolist()}
    return {
        "errors": {"cell": errors},
        "episodes": [1, 4, 16],
        "steps_of_an_episode": 40,
        "value_tolerance": 0.05,
        "visits_tolerance": 0.05,
    }


def test_each_verdict_follows_its_data():
    def judged(**changes):
        return outcomes(claims(made_up(**changes)))

    assert judged() == "SS"
    assert judged(value=0.05) == "US", "an interval decides, not a mean"
    assert judged(visits=0.06) == "SR"
    value, visits = claims(made_up())
    assert value.claim.startswith("Maximum-entropy IRL from 16 episodes of 40 steps, a weight for each cell")
    assert "4.0% from 1, 2.0% from 4, 1.0% from 16 episodes, below 5% first with 1." in value.measured
    assert "below 5% first with 4." in visits.measured
    assert "never below 5%" in claims(made_up(value=0.2))[0].measured
    assert list(value.per_seed) == ["1 episodes", "4 episodes", "16 episodes"]


def test_settings_are_checked(on_grid):
    with pytest.raises(ConfigError, match=r"study\.grid\.episodes=\[4, 1\] must be whole numbers from 1 on, in asc"):
        replace(on_grid, episodes=(4, 1))
    with pytest.raises(ConfigError, match=r"study\.grid\.paid_share=2 must lie in \[0, 1\]"):
        replace(on_grid, paid_share=2)
    with pytest.raises(ConfigError, match=r"study\.grid\.features must name at least one"):
        replace(on_grid, features=())

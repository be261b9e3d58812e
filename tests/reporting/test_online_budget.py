"""Tests of the score that a bandit over trained policies reaches for a number of online episodes."""

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.reporting.online_budget import online_budget


def test_policies_without_noise_need_one_episode_each():
    """In a random order of 0, 1, 2, 3, the best of the first k is on average 5 k / (k + 1) - 1."""
    curve = online_budget([[0.0], [1.0], [2.0], [3.0]], budget=6, resamples=4000)
    assert curve.episodes.tolist() == [1, 2, 3, 4, 5, 6]
    assert curve.mean == pytest.approx([1.5, 7 / 3, 2.75, 3.0, 3.0, 3.0], abs=0.05)
    assert (curve.best, curve.random) == (3.0, 1.5)
    assert (curve.low[-1], curve.high[-1]) == (3.0, 3.0)


def test_noise_costs_episodes_and_more_of_them_find_the_better_policy():
    rng = np.random.default_rng(0)
    noisy = [rng.normal(mean, 1.0, 200) for mean in (0.0, 0.5)]
    curve = online_budget(noisy, budget=200, resamples=200)
    worse, better = sorted(one.mean() for one in noisy)
    share = (curve.mean - worse) / (better - worse)  # how often the better one is named
    assert 0.4 < share[0] < 0.6, "after one episode it is chance"
    assert 0.5 < share[1] < 0.8
    assert share[-1] > 0.9


def test_a_subset_of_the_policies_is_drawn():
    curve = online_budget([[0.0], [1.0], [2.0]], budget=1, policies=1, resamples=3000)
    assert curve.mean[0] == pytest.approx(1.0, abs=0.05)
    assert curve.best == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("returns", "budget", "policies", "told"),
    [
        ([], 3, None, "at least one recorded episode"),
        ([[1.0], []], 3, None, "at least one recorded episode"),
        ([[1.0]], 0, None, "must be at least 1"),
        ([[1.0]], 3, 2, "2 policies cannot be drawn from 1"),
    ],
)
def test_what_cannot_be_computed_is_refused(returns, budget, policies, told):
    with pytest.raises(ConfigError, match=told):
        online_budget(returns, budget, policies)

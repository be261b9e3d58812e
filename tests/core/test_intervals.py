"""Intervals cover what they claim, and agree with worked examples."""

import math

import numpy as np
import pytest

from rl_rewards.core.intervals import (
    interquartile_interval,
    mean_interval,
    median_interval,
    ratio_of_medians,
    share_interval,
)

STUDIES = 1000


def covered(draw, truth: float, n: int) -> float:
    """The share of made-up studies of ``n`` seeds whose 95% interval of the mean covers the truth."""
    rng = np.random.default_rng(0)
    found = [mean_interval(draw(rng, n).tolist()) for _ in range(STUDIES)]
    return float(np.mean([low <= truth <= high for _, low, high in found]))


@pytest.mark.parametrize(
    ("draw", "truth", "at_least"),
    [
        (lambda rng, n: rng.normal(size=n), 0.0, {5: 0.93, 10: 0.93, 20: 0.93}),
        (lambda rng, n: rng.exponential(size=n), 1.0, {5: 0.86, 10: 0.88, 20: 0.90}),
        (lambda rng, n: (rng.random(n) < 0.7).astype(float), 0.7, {5: 0.80, 10: 0.93, 20: 0.93}),
    ],
    ids=["normal", "skewed", "bimodal"],
)
def test_the_interval_of_a_mean_covers_it(draw, truth, at_least):
    for n, least in at_least.items():
        assert covered(draw, truth, n) >= least


def test_no_interval_knows_an_outcome_that_no_seed_has_shown():
    assert covered(lambda rng, n: (rng.random(n) < 0.9).astype(float), 0.9, 5) < 0.6


def test_the_interval_of_a_mean_is_students():
    assert mean_interval([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((3.0, 1.03676, 4.96324), abs=1e-5)
    assert mean_interval([0.7] * 10) == (0.7, 0.7, 0.7)
    assert mean_interval([0.7]) == (0.7, 0.7, 0.7)
    _, low, high = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0], level=0.99)
    assert (low, high) == pytest.approx((-0.25558, 6.25558), abs=1e-5)


def test_an_outlier_hardly_moves_the_interquartile_mean():
    mean, low, high = interquartile_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1000.0])
    assert mean == 4.5 and 0.0 < low < 2.0 and 7.0 < high < 9.0
    assert interquartile_interval([1.0, 3.0])[0] == 2.0 and interquartile_interval([2.0]) == (2.0, 2.0, 2.0)


def test_the_interval_of_a_share_is_exact():
    assert share_interval(20, 20) == pytest.approx((0.8316, 1.0), abs=1e-4)
    assert share_interval(9, 10) == pytest.approx((0.5550, 0.9975), abs=1e-4)
    assert share_interval(0, 5) == pytest.approx((0.0, 0.5218), abs=1e-4)


def test_the_interval_of_a_median_is_two_of_the_values():
    assert median_interval(range(10)) == (1.0, 8.0)  # the published ranks 2 and 9 of 10
    assert median_interval(range(6)) == (0.0, 5.0)
    assert median_interval(range(5)) == (-math.inf, math.inf), "five values have no interval of 95%"


def test_the_ratio_of_medians_knows_what_never_happened():
    ten = [float(n) for n in range(11, 21)]
    middle, low, high = ratio_of_medians(ten, [10.0 * n for n in ten])
    assert middle == pytest.approx(0.1) and low < 0.1 < high
    never = [math.inf] * 10
    assert ratio_of_medians(never, never) == (1.0, 1.0, 1.0)
    assert ratio_of_medians(ten, never) == (0.0, 0.0, 0.0)
    assert ratio_of_medians(never, ten) == (math.inf, math.inf, math.inf)
    assert ratio_of_medians([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])[1:] == (0.0, math.inf), "three seeds decide nothing"


def test_the_interval_of_a_ratio_covers_it():
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(STUDIES, 2, 12)) * [[1.0], [4.0]]
    found = [ratio_of_medians(*draw.tolist()) for draw in draws]
    assert np.mean([low <= 0.25 <= high for _, low, high in found]) >= 0.95

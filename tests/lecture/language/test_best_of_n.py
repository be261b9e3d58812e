"""The best of n: its expected value and its divergence on distributions where both are known."""

import numpy as np
import pytest

from rl_rewards.lecture.language.best_of_n import BestOfNResponses, DrawnResponses, best_mean, divergence, formula
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes


def drawn(proxy, log_prob):
    proxy = np.asarray(proxy, float)
    return DrawnResponses(gold=proxy**2, proxy=proxy, log_prob=np.broadcast_to(log_prob, proxy.shape))


def test_the_expected_best_of_n_is_the_mean_over_all_subsets():
    """The best of two of the proxies 1, 2, 3 and 4 is 2, 3 or 4 in 1, 2 or 3 of six subsets; gold is their square."""
    one = drawn([[3.0, 1.0, 4.0, 2.0]], -1.0)
    assert best_mean(one, one.proxy, 1) == pytest.approx(2.5)
    assert best_mean(one, one.proxy, 2) == pytest.approx((2 + 2 * 3 + 3 * 4) / 6)
    assert best_mean(one, one.gold, 2) == pytest.approx((4 + 2 * 9 + 3 * 16) / 6)
    assert best_mean(one, one.gold, 4) == pytest.approx(16.0)


@pytest.mark.parametrize("n", [2, 4, 16])
def test_without_repetitions_the_divergence_is_the_formula(n):
    rng = np.random.default_rng(0)
    assert divergence(drawn(rng.uniform(size=(200, 256)), -30.0), n) == pytest.approx(formula(n), abs=0.05)


def test_where_responses_repeat_the_divergence_is_less():
    """Two responses with probability 1/2 each: the best of n is the better one with 1 - 2^-n."""
    rng = np.random.default_rng(0)
    one = drawn(rng.integers(0, 2, size=(400, 256)), np.log(0.5))
    p = 1.0 - 0.5**4
    exact = p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p))
    assert divergence(one, 4) == pytest.approx(exact, abs=0.02) and exact < formula(4)


@pytest.mark.parametrize(
    ("far", "gold", "level", "expected"),
    [(0.0, 1.0, 1.1, "SSS"), (-0.5, 1.0, 1.1, "RSS"), (0.0, 0.1, 0.1, "SRS"), (0.0, 1.0, 0.2, "SSR")],
)
def test_best_of_n_is_judged_by_distance_and_gold(far, gold, level, expected):
    distance = {str(n): about(formula(n) + (far if n > 1 else 0.0)) for n in (1, 4, 16)}
    claims = BestOfNResponses(prompts=1, responses=128).claims(
        {"1": about(0.0), "16": about(gold)}, distance, about(level)
    )
    assert outcomes(conclude(claims)) == expected

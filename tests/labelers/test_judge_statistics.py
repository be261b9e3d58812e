"""Statistics about judges, on answers whose truth is known."""

import numpy as np
import pytest

from rl_rewards.labelers.judge_statistics import (
    agreement_at_equal,
    differences,
    holm,
    mcnemar,
    success_auc,
    temperature_scaled,
    value_order,
)


def test_mcnemars_exact_test():
    assert mcnemar(10, 2) == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert mcnemar(2, 10) == mcnemar(10, 2) and mcnemar(0, 0) == mcnemar(3, 3) == 1.0


def test_holms_correction():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0]) and holm([]) == []


def test_judges_are_compared_on_pairs_that_both_have_answered():
    right = {"good": np.ones(12), "bad": np.array([0.0] * 8 + [1.0] * 4), "shy": np.array([np.nan] * 10 + [0.0, 1.0])}
    found = {(one.one, one.other): one for one in differences(right)}
    assert (found["good", "bad"].only_one, found["good", "bad"].only_other) == (8, 0)
    assert found["good", "bad"].p == pytest.approx(3 * 2 * 0.5**8)
    assert (found["bad", "shy"].only_one, found["bad", "shy"].only_other, found["bad", "shy"].p) == (1, 0, 1.0)


@pytest.mark.parametrize("sureness", [3.0, 0.5])
def test_temperature_scaling_finds_how_sure_a_judge_should_be(sureness):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=4000)
    first = rng.uniform(size=4000) < 1 / (1 + np.exp(-logits))
    scores = np.stack([first, ~first], axis=1).astype(float)
    found = temperature_scaled(1 / (1 + np.exp(-sureness * logits)), scores)
    assert found.temperature == pytest.approx(sureness, rel=0.15) and found.error < 0.03


def test_temperature_needs_some_pairs_and_bears_certainty():
    scores = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
    assert temperature_scaled(np.full(4, 0.8), scores) is None, "one of the four is a tie"
    sure = temperature_scaled(np.array([1.0, 0.0] * 20), np.array([[1.0, 0.0], [1.0, 0.0]] * 20))
    assert sure.temperature == pytest.approx(100.0, rel=0.01), "a judge at chance is never sure"


def test_agreement_at_equal_length():
    rng = np.random.default_rng(1)
    truth = np.sign(rng.normal(size=3000))
    longer = rng.normal(size=3000) + 0.8 * truth  # the better responses are longer
    ones = np.ones((1, 3000))
    by_length, resampled = agreement_at_equal(np.sign(longer), truth, longer, ones)
    assert np.mean(np.sign(longer) == truth) > 0.75 and by_length == pytest.approx(0.5, abs=0.15)
    np.testing.assert_allclose(resampled, [by_length], atol=1e-6)
    wrong = rng.uniform(size=3000) < 0.2
    by_truth, _ = agreement_at_equal(np.where(wrong, -truth, truth), truth, longer, ones)
    assert by_truth == pytest.approx(0.8, abs=0.02)
    assert agreement_at_equal(truth, np.zeros(3000), longer, ones) is None


def test_value_order_is_spearmans_correlation():
    from scipy.stats import spearmanr

    values = np.random.default_rng(0).integers(0, 5, size=(20, 6)).astype(float)
    known = [spearmanr(row, np.arange(6)).statistic for row in values]
    np.testing.assert_allclose(value_order(values), known, atol=1e-12)
    one, less, same, refused = value_order(np.array([[0, 1, 5], [3, 2, 1], [2, 2, 2], [1, np.nan, 2]]))
    assert (one, less, same) == pytest.approx((1.0, -1.0, 0.0)) and np.isnan(refused)


def test_success_auc_counts_the_pairs_in_the_right_order():
    values, success = np.array([0.9, 0.5, 0.5, 0.1, np.nan]), np.array([True, True, False, False, True])
    assert success_auc(values, success) == pytest.approx((2 + 1.5) / 4)
    assert success_auc(-values, success) == pytest.approx(0.5 / 4)
    assert np.isnan(success_auc(values, np.ones(5, bool)))

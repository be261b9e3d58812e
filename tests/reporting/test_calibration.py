"""ROC and reliability agree with counts by hand."""

import numpy as np
import pytest

from rl_rewards.reporting.calibration import KnownOutputs, reliability, roc
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.figures.calibration import examples, visited


def test_the_area_is_the_chance_to_order_a_pair_rightly():
    rng = np.random.default_rng(0)
    goals, others = rng.integers(0, 6, 40) / 5, rng.integers(0, 5, 30) / 5  # many ties
    pairs = goals[:, None] - others[None, :]
    curve = roc(KnownOutputs(goals, others))
    assert curve is not None
    assert curve.area == pytest.approx(np.mean(pairs > 0) + 0.5 * np.mean(pairs == 0))
    assert (curve.goals_called_goal[0], curve.others_called_goal[0]) == (0.0, 0.0)
    assert (curve.goals_called_goal[-1], curve.others_called_goal[-1]) == (1.0, 1.0)


def test_a_perfect_classifier_has_area_one_and_a_missing_kind_none():
    curve = roc(KnownOutputs(np.array([0.9, 0.8]), np.array([0.1])))
    assert curve is not None and curve.area == 1.0
    assert roc(KnownOutputs(np.zeros(0), np.array([0.1]))) is None
    assert roc(KnownOutputs(np.array([0.1]), np.zeros(0))) is None


def test_reliability_counts_goals_by_bin():
    bins = reliability(
        KnownOutputs(goals=np.array([0.95, 1.0, 0.12]), others=np.array([0.14, 0.16, 0.97])), balanced=False
    )
    assert bins is not None
    np.testing.assert_allclose(bins.low, [0.1, 0.9])
    np.testing.assert_allclose(bins.high, [0.2, 1.0])
    assert bins.count.tolist() == [3, 3]
    np.testing.assert_allclose(bins.share_of_goals, [1 / 3, 2 / 3])
    np.testing.assert_allclose(bins.mean_output, [0.14, (0.95 + 1.0 + 0.97) / 3])


def test_balanced_reliability_weighs_both_kinds_the_same():
    bins = reliability(KnownOutputs(goals=np.array([0.55]), others=np.full(9, 0.55)), balanced=True)
    assert bins is not None
    np.testing.assert_allclose(bins.share_of_goals, [0.5])
    assert bins.count.tolist() == [10]
    assert reliability(KnownOutputs(np.zeros(0), np.array([0.1])), balanced=True) is None
    assert reliability(KnownOutputs(np.zeros(0), np.zeros(0)), balanced=False) is None


def _evaluation(**arrays: np.ndarray) -> StoredEvaluation:
    valid = np.array([[1, 1], [1, 0]], bool)
    zeros = np.zeros((2, 2))
    return StoredEvaluation(0, 1, learned_reward=zeros, env_reward=zeros, valid=valid, success=None, arrays=arrays)


def test_only_judged_states_of_known_truth_count():
    prob, is_goal = np.array([[0.1, 0.2], [0.9, 0.3]]), np.array([[-1, 0], [1, 1]], np.int8)
    told = visited(_evaluation(prob_visited=prob, visited_is_goal=is_goal))
    assert told is not None
    assert (told.goals.tolist(), told.others.tolist()) == ([0.9], [0.2])
    assert visited(_evaluation(prob_visited=prob)) is None
    told = examples(_evaluation(prob_heldout_goals=np.array([0.7, np.nan]), prob_non_goals=np.array([0.2])))
    assert told is not None and told.goals.tolist() == [0.7]
    assert examples(_evaluation(prob_heldout_goals=np.array([0.7]))) is None

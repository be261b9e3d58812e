"""Numbers that the studies of language read from an arm."""

from dataclasses import replace

import numpy as np
import pytest

from rl_rewards.lecture.language.measures import at_evaluations, at_level, at_the_end, best
from tests.studies.fake_arms import arm

FAR = [[0.25, 0.25], [1.0, 0.25], [4.0, 0.5]]


def run(algorithm="dpo"):
    """Return an arm of two seeds that was evaluated after each of three rounds."""
    made = arm([[0.0, 0.0]] * 3, metrics={"true_return": [[1.0, 1.0], [2.0, 2.0], [3.0, 4.0]]})
    for row, far in zip(made.rows, FAR, strict=True):
        row["agent/reference_kl"] = far
    return replace(made, run={"algorithm_choice": algorithm})


def test_the_best_is_a_mean_of_two_evaluations_in_a_row():
    np.testing.assert_allclose(best(np.array([[0.0], [3.0], [1.0], [1.6]])), [2.0])


def test_metrics_of_training_are_read_where_there_was_an_evaluation_and_at_the_end():
    np.testing.assert_array_equal(at_evaluations(run("dpo"), "agent/reference_kl"), FAR)
    later = [FAR[1], FAR[2], FAR[2]]
    np.testing.assert_array_equal(
        at_evaluations(run("rloo"), "agent/reference_kl"), later, "RL samples before it updates"
    )
    assert at_the_end(run(), "agent/reference_kl") == pytest.approx([5.25 / 3, 1.0 / 3])


def test_gold_at_a_distance_is_interpolated_over_its_square_root():
    """Seed 0 is at sqrt(2.25) = 1.5 half-way between 1 and 2; seed 1 stays nearer and has its farthest gold."""
    assert at_level(run(), [0.0, 0.0], 2.25) == pytest.approx([2.5, 4.0])
    assert at_level(run(), [0.0, 0.0], 0.0625) == pytest.approx([0.5, 0.5]), "a quarter of the way from the start"

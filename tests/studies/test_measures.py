"""Measures of an arm, on invented evaluations with known answers."""

import pytest

from rl_rewards.studies.measures import SUCCESS, best_mean, last_mean, share_fallen
from tests.studies.fake_arms import arm


def test_means_of_evaluations_are_per_seed():
    run = arm([[0.0, 1.0], [0.5, 1.0], [1.0, 0.0]])
    assert last_mean(run, SUCCESS, 2) == [0.75, 0.5]
    assert best_mean(run, SUCCESS, 2) == [0.75, 1.0]


def test_an_untrained_policy_is_no_part_of_the_end():
    run = arm([[0.0], [0.9]])  # stopped early: evaluated after the first and the last round
    assert last_mean(run, SUCCESS) == [0.9]
    run.rows[0]["round"], run.rows[1]["round"] = 0, 243
    assert last_mean(run, SUCCESS) == [0.9]
    assert last_mean(arm([[0.0], [0.2], [0.4], [0.9]]), SUCCESS) == pytest.approx([0.65])


def test_what_was_learned_and_lost_is_counted_from_its_first_success_on():
    run = arm([[0.0, 0.0], [0.9, 0.1], [0.1, 0.2], [0.9, 0.3], [0.2, 0.4]])
    assert share_fallen(run) == [0.5, 1.0]

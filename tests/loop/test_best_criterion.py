"""The best evaluation of a run, by every criterion."""

import pytest

from rl_rewards.core.words import digits, short_count
from rl_rewards.loop.best_criterion import CRITERIA, best_evaluation, criterion_for, improves, score


def rows_of(**columns):
    names = {name: f"eval/{name}" for name in columns}
    return [
        {"round": i, **{names[name]: value for name, value in zip(columns, values, strict=True)}}
        for i, values in enumerate(zip(*columns.values(), strict=True))
    ]


def best_round(rows, criterion):
    found = best_evaluation(rows, criterion)
    return None if found is None else found["round"]


def test_success_counts_both_policies_then_the_return_then_the_newest():
    lucky = rows_of(success=[0.0, 1.0, 0.97], success_deterministic=[0.0, 0.5, 1.0])
    assert best_round(lucky, "success") == 2, "a lucky evaluation of one policy does not win"
    tied = rows_of(success=[1.0, 1.0, 1.0, 0.9], true_return=[5.0, 9.0, 7.0, 30.0])
    assert best_round(tied, "success") == 1
    assert best_round(rows_of(success=[1.0, 1.0, 0.5]), "success") == 1, "the newest wins a tie"


def test_what_was_not_measured_is_never_best():
    rows = rows_of(success=[0.2, None, None])
    assert score(rows, "success") is None and best_round(rows, "success") == 0
    assert best_round(rows_of(success=[None]), "success") is None
    assert not improves(None, None) and improves((0.0,), None)
    assert improves([1.0, 2.0], [1.0, 2.0]) and not improves((1.0, 1.0), (1.0, 2.0))


def test_nothing_is_better_than_a_goal_and_three_evaluations_judge():
    """A reward that is wrong in one round, and one that pays an exploit more than goals, gain nothing."""
    final = [0.1, 0.95, 0.1, 0.1, 0.7, 0.75, 0.8, 0.3]
    rows = rows_of(learned_reward_final=final, reward_heldout_goals=[0.9] * 8)
    assert best_round(rows, "goals") == 6
    exploit = rows_of(learned_reward_final=[0.0, 0.0, 5.0, 0.0, 0.0], reward_heldout_goals=[1.0] * 5)
    assert [score(exploit[: n + 1], "goals") for n in range(5)] == [(-1.0,)] * 5, "at most 0, and the worst of three"


def test_the_policy_that_is_taken_for_the_demonstrator():
    rows = rows_of(prob_policy=[0.01, 0.3, 0.45, 0.45, 0.1], prob_demos=[0.99, 0.7, 0.55, 0.5, 0.9])
    assert best_round(rows, "demonstrations") == 3


@pytest.mark.parametrize(
    ("row", "stationary", "criterion"),
    [
        ({"eval/learned_reward_final": 0.1, "eval/reward_heldout_goals": 0.9}, False, "goals"),
        ({"eval/prob_policy": 0.1, "eval/prob_demos": 0.9}, False, "demonstrations"),
        ({"eval/learned_reward_final": 0.1}, True, "learned_return"),
        ({"eval/learned_return": 0.1, "eval/unpaid_return": 0.1}, True, "unpaid_return"),
        ({"eval/learned_return": 0.1, "eval/unpaid_return": 0.1}, False, None),
        ({"eval/learned_reward_final": 0.1}, False, None),
    ],
)
def test_what_learned_means(row, stationary, criterion):
    assert criterion_for("learned", row, stationary) == criterion
    assert criterion is None or criterion in CRITERIA
    assert criterion_for("success", row, stationary) == "success"


def test_counts_and_digits():
    assert [short_count(n) for n in (950, 9600, 51_200, 999_400, 999_600, 3_123_456)] == [
        "950",
        "9,600",
        "51k",
        "999k",
        "1.0M",
        "3.1M",
    ]
    assert [digits(x) for x in (None, 0, 12345.6, 0.5, 0.00012)] == ["n/a", "0", "12,346", "0.500", "1.2e-04"]

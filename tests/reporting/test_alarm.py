"""The exploit alarm is raised exactly when its definition says so."""

import re

from rl_rewards.reporting.alarm import exploit_alarm, first_alarm


def evaluation(i, success=0.0, final=0.9, goals=0.8, learned=1.0, true=0.0):
    return {
        "round": i,
        "env_steps": 100 * (i + 1),
        "eval/success": success,
        "eval/learned_reward_final": final,
        "eval/reward_heldout_goals": goals,
        "eval/learned_return": learned,
        "eval/true_return": true,
    }


def test_three_in_a_row():
    rows = [evaluation(i) for i in range(3)]
    assert exploit_alarm(rows[:2]) is None
    alarm = exploit_alarm(rows)
    assert (alarm.round, alarm.env_steps) == (2, 300)
    for fix in ("rounds_per_update", "visited=all", "ensemble=5"):
        assert fix in alarm.message


def test_rows_between_evaluations_are_passed_over():
    rows = [row for i in range(3) for row in (evaluation(i), {"round": i, "env_steps": 0})]
    assert exploit_alarm(rows) is not None


def test_success_or_low_reward_in_between_prevents_it():
    assert exploit_alarm([evaluation(0), evaluation(1, success=0.05), evaluation(2)]) is None
    assert exploit_alarm([evaluation(0), evaluation(1, final=0.79), evaluation(2)]) is None


def test_it_ends_when_the_policy_succeeds_but_stays_on_record():
    rows = [evaluation(0), evaluation(1), evaluation(2), evaluation(3, success=0.9)]
    assert exploit_alarm(rows) is None
    assert first_alarm(rows).round == 2


def trend(learned, true):
    return [
        {"round": i, "env_steps": i, "eval/learned_return": x, "eval/true_return": y}
        for i, (x, y) in enumerate(zip(learned, true, strict=True))
    ]


def test_without_goals_diverging_returns():
    rising, falling, flat = [1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [1, 1, 1, 1, 1]
    assert exploit_alarm(trend(rising, falling)) is not None
    assert exploit_alarm(trend(rising, flat)) is not None
    assert exploit_alarm(trend(rising, rising)) is None
    assert exploit_alarm(trend(falling, falling)) is None
    assert exploit_alarm(trend(rising[:4], falling[:4])) is None


def test_a_constant_that_stands_for_no_true_reward_would_raise_it():
    """So environments without a true reward must not report 0."""
    assert exploit_alarm(trend([1, 2, 3, 4, 5], [0.0] * 5)) is not None


def unpaid(learned, unpaid):
    return [
        {"round": i, "env_steps": i, "eval/learned_return": x, "eval/unpaid_return": y}
        for i, (x, y) in enumerate(zip(learned, unpaid, strict=True))
    ]


def test_without_a_true_reward_the_unpaid_return_judges():
    rising, falling = [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]
    alarm = exploit_alarm(unpaid(rising, falling))
    assert alarm is not None
    told = r"rose from 1 to 5 while the unpaid return \(of the reward's parts with weight 0\) did not \(5 to 1\)\."
    assert re.search(told, alarm.message)
    assert exploit_alarm(unpaid(rising, rising)) is None
    assert exploit_alarm(unpaid(rising, [None] * 5)) is None, "with nothing to compare with it is never raised"
    both = [row | {"eval/true_return": i} for i, row in enumerate(unpaid(rising, falling))]
    assert exploit_alarm(both) is None, "where there is a true return, it alone judges"


def test_who_does_as_well_as_the_demonstrator_is_not_accused():
    def row(i, shown):
        return {
            "round": i,
            "env_steps": i,
            "eval/learned_return": i,
            "eval/true_return": 200.0,
            "eval/demo_return": shown,
        }

    assert exploit_alarm([row(i, 200.0) for i in range(5)]) is None
    assert exploit_alarm([row(i, 400.0) for i in range(5)]) is not None

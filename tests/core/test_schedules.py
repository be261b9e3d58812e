"""Tests that schedules spend the whole budget, never exceed it, and differ in when they spend it."""

import pytest

from rl_rewards.core.schedules import sessions


@pytest.mark.parametrize("schedule", ["constant", "hyperbolic", "inverse_quadratic", "burst"])
@pytest.mark.parametrize(("budget", "count"), [(700, 50), (3, 10), (1, 1), (0, 5)])
def test_the_budget_is_spent_and_not_exceeded(schedule, budget, count):
    for first in (0.0, 0.25, 1.0):
        asked = sessions(schedule, budget, count, first)
        assert asked.shape == (count,)
        assert (asked >= 0).all()
        assert asked.sum() == budget


def test_some_ask_earlier_than_others():
    early = {name: sessions(name, 1000, 10, 0.0)[:3].sum() for name in ("constant", "hyperbolic", "inverse_quadratic")}
    assert early["constant"] < early["hyperbolic"] < early["inverse_quadratic"] < 1000
    assert sessions("burst", 1000, 10, 0.0)[0] == 1000
    assert sessions("constant", 1000, 10, 0.25)[0] == pytest.approx(325, abs=1)

"""The live view of a run on a terminal, and the times that it expects."""

import io

import pytest
from rich.console import Console

from rl_rewards.loop.live import LiveView, Pace, clock_time
from rl_rewards.loop.log import Progress


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def played(pace, clock, rounds):
    """The first round takes 60 s, later ones 10 s: 8 s for the program and 2 s for an evaluation."""
    clock.now += 500.0  # compiling
    for i in range(rounds):
        pace.begin_round()
        pace.begin("collect, reward and policy")
        clock.now += 8.0 if i else 55.0
        pace.begin("evaluate")
        clock.now += 2.0 if i else 5.0
        pace.begin(None)
        pace.end_round(i)


def test_the_time_left_falls_inside_a_long_round_and_leaves_out_the_first(clock):
    pace = Pace(5, 0, clock)
    assert pace.seconds_left() is None
    played(pace, clock, 1)
    assert pace.seconds_left() == 240.0 and pace.rounds_done() == 1.0, "nothing better is known"
    played(pace := Pace(5, 0, clock), clock, 3)
    assert pace.seconds_left() == 20.0 and pace.rounds_done() == 3.0
    pace.begin("collect, reward and policy")
    clock.now += 5.0
    assert pace.seconds_left() == 15.0 and pace.rounds_done() == 3.5
    clock.now += 100.0
    assert pace.seconds_left() == 0.0 and pace.rounds_done() == 3.99, "a late round is never shown as done"


def test_a_stage_is_compared_with_the_same_stage_before(clock):
    pace = Pace(5, 0, clock)
    played(pace, clock, 2)
    pace.begin("evaluate")
    clock.now += 1.5
    assert pace.stage_seconds() == (1.5, 3.5)
    pace.begin("save")
    assert pace.stage_seconds() == (0.0, None)


def test_a_resumed_run_measures_only_its_own_rounds(clock):
    pace = Pace(10, 4, clock)
    for i in (4, 5, 6):
        pace.begin_round()
        clock.now += 10.0
        pace.end_round(i)
    assert pace.seconds_left() == 30.0


def test_the_view_names_the_stage_and_the_way_to_stop(clock):
    pace, warned = Pace(4, 0, clock), []
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    view = LiveView(console, pace, lambda: None, lambda: warned[0] if warned else None)
    try:
        played(pace, clock, 2)
        pace.begin("evaluate")
        clock.now += 1.0

        def shown():
            with console.capture() as said:
                console.print(view.view())
            return said.get()

        assert "round 3 of 4, 0:19 left" in shown() and "evaluate: 0:01 (before: 0:03 on average)" in shown()
        assert "Stopping" not in shown()
        warned.append("Stopping after this round")
        assert "Stopping after this round" in shown()
    finally:
        view.close()


def test_a_person_who_types_at_the_terminal_gets_lines(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    progress = Progress(2, 0, "test")
    progress.close()
    assert progress.live and not Progress(2, 0, "test", plain=True).live


@pytest.mark.parametrize(("seconds", "words"), [(None, "?:??"), (5.9, "0:05"), (3599, "59:59"), (3723, "1:02:03")])
def test_times_in_words(seconds, words):
    assert clock_time(seconds) == words

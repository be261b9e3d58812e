"""Tests the lines that a console shows which is not a terminal."""

from rl_rewards.loop.log import Progress


def row(i):
    return {
        "round": i,
        "env_steps": 100 * (i + 1),
        "time/env_steps_per_second": 50.0,
        "eval/learned_return": 1.0,
        "eval/learned_reward_final": 0.5,
        "eval/true_return": 2.0,
        "eval/success": 0.1,
    }


def test_what_stands_is_marked_and_said_once(capsys):
    progress = Progress(4, 0, "test")
    progress.update(row(0), None)
    progress.update(row(1), None, "Collapse: it was 0.99.")
    progress.update(row(2), "Exploit alarm: fooled.", "Collapse: it was 0.99.")
    progress.update(row(3), None, None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(" left")[2] for line in lines if line.startswith("round")] == [
        "",
        " | COLLAPSE",
        " | EXPLOIT ALARM | COLLAPSE",
        "",
    ]
    assert [line for line in lines if not line.startswith("round")] == [
        "Collapse: it was 0.99.",
        "Exploit alarm: fooled.",
    ]


def test_the_live_table_has_a_row_for_a_collapse():
    progress = Progress(4, 0, "test")
    for collapse, rows in ((None, 7), ("Collapse: it was 0.99.", 8)):
        progress.update(row(0), None, collapse)
        assert progress._table().row_count == rows

"""The lines that are printed on a console that is not a terminal."""

import os
from types import SimpleNamespace

from rl_rewards.loop import compatibility, log
from rl_rewards.loop.log import Progress
from tests.probes import ConstantReward


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


def test_a_run_that_is_evaluated_seldom_says_how_far_it_is(capsys, monkeypatch):
    progress = Progress(4, 0, "test")
    between = {key: value for key, value in row(1).items() if not key.startswith("eval/")}
    progress.update(row(0), None)
    progress.update(between, None)
    assert capsys.readouterr().out.count("\n") == 1
    monkeypatch.setattr(log, "QUIET_SECONDS", 0.0)
    progress.update(between | {"round": 2}, None)
    assert capsys.readouterr().out.startswith("round 3/4 | 200 env steps | 50/s | learned reward 0.500")


def test_rows_are_on_the_disk_after_a_sync(tmp_path, monkeypatch):
    file, synced = log.MetricsFile(tmp_path / "metrics.jsonl", [], 0), []
    file.append(row(0))
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    file.sync()
    file.close()
    assert synced == [(tmp_path / "metrics.jsonl").stat().st_ino]


def test_a_budget_that_is_rounded_down_is_told():
    parts = SimpleNamespace(env=ConstantReward(), offline=False, steps_per_round=320)
    assert compatibility.notes(parts, 640) == []
    assert compatibility.notes(parts, 100_000) == [
        "total_env_steps=100,000 is rounded down to whole rounds of 320: 312 of them, 99,840 env steps."
    ]


def test_the_live_table_has_a_row_for_a_collapse():
    progress = Progress(4, 0, "test")
    assert progress._table() is None, "before the first round"
    for collapse, rows in ((None, 6), ("Collapse: it was 0.99.", 7)):
        progress.update(row(0), None, collapse)
        assert progress._table().row_count == rows


def test_a_return_that_there_is_not_has_no_place_in_a_line(capsys):
    unpaid = {key: value for key, value in row(0).items() if not key.startswith("eval/true")}
    Progress(4, 0, "test").update(unpaid | {"eval/unpaid_return": 3.0}, None)
    told = capsys.readouterr().out
    assert "learned reward 0.500 | unpaid return 3.000 | success 0.10" in told and "true return" not in told

"""A run killed at any instant and started again ends in the same bits and the same rows."""

import random
import signal
import subprocess
import time

import pytest

from tests.runs import command, digest_of, rows, run_here, start_command

ROUNDS = 24
COMMON = ("debug=smoke", f"total_env_steps={320 * ROUNDS}", "checkpoint.every=3", "video=false", "report=false")


@pytest.mark.parametrize("env", ["point", "pencil_case"])
def test_killed_at_three_random_instants(tmp_path, env):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = (*COMMON, f"env={env}")
    assert command(*arguments, f"hydra.run.dir={whole}").returncode == 0

    chance = random.Random(env)
    for _ in range(3):
        process = subprocess.Popen(start_command(*arguments, f"hydra.run.dir={killed}"), stdout=subprocess.DEVNULL)
        first = _count(killed)
        deadline = time.monotonic() + 120
        # Let it get at least a round further than where it began, then kill it somewhere in the next rounds.
        while process.poll() is None and _count(killed) <= first and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (killed / "DONE").exists(), "the kills came too late to test anything"
    assert command(*arguments, f"hydra.run.dir={killed}").returncode == 0

    assert digest_of(killed) == digest_of(whole)
    assert rows(killed) == rows(whole)
    assert [row["round"] for row in rows(killed)] == list(range(ROUNDS))


def _count(run_dir) -> int:
    path = run_dir / "metrics.jsonl"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def test_longer_run_continues_the_shorter_one(tmp_path):
    """resume=RUN total_env_steps=MORE ends where a run of that length ends."""
    short, long = tmp_path / "short", tmp_path / "long"
    run = ("debug=smoke", "env=point", "video=false", "report=false")
    assert command(*run, f"hydra.run.dir={short}").returncode == 0
    assert command(f"resume={short}", "total_env_steps=3200").returncode == 0
    assert command(*run, "total_env_steps=3200", f"hydra.run.dir={long}").returncode == 0
    assert digest_of(short) == digest_of(long)


def test_evaluation_leaves_training_bit_identical(tmp_path):
    run_here(tmp_path / "often", "env=pencil_case", "evaluation.every=1")
    run_here(tmp_path / "seldom", "env=pencil_case", "evaluation.every=1000")
    assert digest_of(tmp_path / "often") == digest_of(tmp_path / "seldom")


def test_incomplete_last_line_is_dropped(tmp_path):
    run_here(tmp_path, "env=point")
    with (tmp_path / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"round": 99, "env_st')
    (tmp_path / "DONE").unlink()
    run_here(tmp_path, "env=point", "total_env_steps=3200")
    assert [row["round"] for row in rows(tmp_path)] == list(range(10))

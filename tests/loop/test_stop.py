"""Asked to stop, damaged or not finite: what is saved, what is said, and with which exit code."""

import json
import os
import signal
import subprocess
import time

import pytest

from rl_rewards.command_line.exits import guarded
from rl_rewards.loop.stop import StopRequest
from tests.runs import command, digest_of, raw_rows, rows, start_command

ROUNDS = 400
RUN = ("debug=smoke", "env=point", f"total_env_steps={320 * ROUNDS}", "checkpoint.every=1000", "evaluation.every=1000")
QUIET = ("video=false", "report=false")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_saves_the_round_and_leaves_with_the_requeue_code(tmp_path, number):
    process = subprocess.Popen(
        start_command(*RUN, *QUIET, f"hydra.run.dir={tmp_path}"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not _rows_written(tmp_path):
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 75, said
    assert f"Stopped by {signal.Signals(number).name} after round" in said
    done = len(raw_rows(tmp_path))
    assert 0 < done < ROUNDS
    assert (tmp_path / "checkpoints" / str(done)).is_dir(), "the very round in which it stopped was saved"
    assert not (tmp_path / "DONE").exists()


def _rows_written(run_dir) -> bool:
    path = run_dir / "metrics.jsonl"
    return path.exists() and path.stat().st_size > 0


def test_a_request_to_stop_is_answered_at_once_and_a_second_one_ends_in_one_sentence(capfd):
    def asked_twice():
        with StopRequest():
            signal.raise_signal(signal.SIGINT)
            assert "SIGINT received: the run stops as soon as this round is finished" in capfd.readouterr().err
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(SystemExit) as left, guarded():
        asked_twice()
    assert left.value.code == 130 and capfd.readouterr().err.startswith("Stopped at once, by Ctrl-C; ")


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.name == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("finished")
    assert command("debug=smoke", "env=point", *QUIET, "checkpoint.every=1", f"hydra.run.dir={run_dir}").returncode == 0
    return run_dir


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path, finished, damage):
    run_dir = tmp_path / "run"
    subprocess.run(["cp", "-r", str(finished), str(run_dir)], check=True)
    (run_dir / "DONE").unlink()
    newest = max((run_dir / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    target = max((path for path in newest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = target.read_bytes()
    if damage == "missing":
        target.unlink()
    else:
        middle = len(content) // 2
        changed = content[:middle] + bytes(255 - b for b in content[middle : middle + 64]) + content[middle + 64 :]
        target.write_bytes(content[:middle] if damage == "truncated" else changed)
    done = command(f"resume={run_dir}")
    assert done.returncode == 0, done.stderr
    assert f"The checkpoint after round {newest.name} is damaged" in done.stdout
    assert digest_of(run_dir) == digest_of(finished), "it went on from the one before, to the same bits"
    assert rows(run_dir) == rows(finished)


def test_what_is_not_finite_is_named(tmp_path):
    done = command("debug=smoke", "env=point", *QUIET, f"hydra.run.dir={tmp_path}", "algorithm.learning_rate=1e30")
    assert done.returncode == 1
    assert "a parameter of the agent" in done.stderr
    assert "Traceback" not in done.stderr
    failed = json.loads((tmp_path / "FAILED.json").read_text())
    assert failed["score"] == 0.0 and "a parameter of the agent" in failed["error"]

    broken = tmp_path / "reward"
    done = command(
        "debug=smoke", "env=point", *QUIET, f"hydra.run.dir={broken}", "reward.classifier.learning_rate=1e30"
    )
    assert "a parameter of the reward model" in done.stderr

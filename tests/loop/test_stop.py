"""Runs that are stopped, damaged or not finite: the saved state, the messages and the exit codes."""

import json
import os
import shutil
import signal
import time

import jax
import jax.numpy as jnp
import pytest

from rl_rewards.command_line.exits import guarded
from rl_rewards.core.errors import TrainingFailed
from rl_rewards.loop.stop import StopRequest, until_ready
from tests.finished import resumed_run
from tests.processes import Command
from tests.runs import command, digest_of, raw_rows, rows, run_here

ROUNDS = 400
RUN = ("debug=smoke", "env=point", "reward=environment", f"total_env_steps={320 * ROUNDS}")
RUN += ("checkpoint.every=1000", "evaluation.every=1000")
QUIET = ("video=false", "report=false")


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGTERM, id="SIGTERM"),
        pytest.param(signal.SIGINT, id="SIGINT", marks=pytest.mark.long),
    ],
)
def test_a_signal_saves_the_round_and_leaves_with_the_requeue_code(tmp_path, number):
    with (tmp_path / "errors").open("w") as errors:
        process = Command(*RUN, *QUIET, f"hydra.run.dir={tmp_path / 'run'}", errors=errors.fileno(), evaluated=False)
    tmp_path /= "run"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not _rows_written(tmp_path):
        time.sleep(0.01)
    process.send_signal(number)
    process.wait(120)
    said = (tmp_path.parent / "errors").read_text(encoding="utf-8")
    assert process.returncode == 75, said
    assert f"Stopped by {signal.Signals(number).name} after round" in said
    done = len(raw_rows(tmp_path))
    assert 0 < done < ROUNDS
    assert (tmp_path / "checkpoints" / str(done)).is_dir(), "the round in which it stopped was saved"
    assert not (tmp_path / "DONE").exists()


def _rows_written(run_dir) -> bool:
    path = run_dir / "metrics.jsonl"
    return path.exists() and path.stat().st_size > 0


def test_a_request_to_stop_is_answered_at_once_and_a_second_one_ends_in_one_sentence(capfd):
    def asked_twice():
        with StopRequest():
            signal.raise_signal(signal.SIGINT)
            said = "Stopping after this round; press Ctrl-C again to stop now."
            assert capfd.readouterr().err == f"\n{said}\n"
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(SystemExit) as left, guarded():
        asked_twice()
    assert left.value.code == 130 and capfd.readouterr().err.startswith("Stopped at once by Ctrl-C; ")


def test_a_signal_is_answered_while_a_long_program_runs():
    def turned(x):
        return jax.lax.fori_loop(0, 300, lambda i, y: jnp.sin(y @ y.T), x)

    start, answered = jnp.ones((400, 400)), []
    program = jax.jit(turned).lower(start).compile()
    before = signal.signal(signal.SIGALRM, lambda *_: answered.append(result.is_ready()))
    try:
        result = program(start)
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        until_ready({"a": result, "b": 1.0})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert answered == [False] and result.is_ready()


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.name == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path, kept_run, damage, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(kept_run, run_dir)
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
    resumed_run(run_dir, 1_600)
    assert f"The checkpoint after round {newest.name} is damaged" in capsys.readouterr().out
    assert digest_of(run_dir) == digest_of(kept_run), "it resumed from the checkpoint before and reached the same bits"
    assert rows(run_dir) == rows(kept_run)


def test_what_is_not_finite_is_named(tmp_path):
    done = command(*RUN, *QUIET, f"hydra.run.dir={tmp_path}", "algorithm.learning_rate=1e30", evaluated=False)
    assert done.returncode == 1
    assert "a parameter of the agent" in done.stderr
    assert "Traceback" not in done.stderr
    failed = json.loads((tmp_path / "FAILED.json").read_text())
    assert failed["score"] == 0.0 and "a parameter of the agent became NaN or infinite" in failed["error"]
    assert not (tmp_path / "DONE").exists()

    with pytest.raises(TrainingFailed, match="a parameter of the reward model"):
        run_here(tmp_path / "reward", "env=point", "reward.classifier.learning_rate=1e30", evaluated=False)

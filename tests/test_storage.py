"""A full disk, a read-only folder or a missing network give a one-sentence message, and lose no written file."""

import json
import logging
import subprocess
import sys
import threading

import pytest

from rl_rewards.command_line import exits
from tests.runs import command, digest_of, rows, start_command

RUN = ("debug=smoke", "env=point", "reward=environment", "video=false", "report=false", "total_env_steps=1280")
RUN += ("checkpoint.every=1",)
UNEVALUATED = (
    "from rl_rewards.run import main; from tests.unevaluated import evaluations\nwith evaluations(False): main()"
)
"""The code of a new interpreter that is ``python -m rl_rewards.run`` without evaluations."""
NAMESPACE = ["unshare", "--map-root-user", "--mount"]
"""Runs a command with its own mounts, which disappear when it ends."""


def in_namespace(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount file systems; skip the test if this is not permitted."""
    try:
        allowed = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    except FileNotFoundError:
        allowed = None
    if allowed is None or allowed.returncode != 0:
        pytest.skip("needs permission to mount a small file system")
    return subprocess.run(
        [*NAMESPACE, "sh", "-c", script, "sh", *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def test_a_full_disk_loses_nothing_and_the_run_goes_on_once_there_is_room(tmp_path):
    whole, full = tmp_path / "whole", tmp_path / "full"
    assert command(*RUN, f"hydra.run.dir={whole}", evaluated=False).returncode == 0
    full.mkdir()
    script = """
        folder=$1; shift
        mount -t tmpfs -o size=8m none "$folder"
        dd if=/dev/zero of="$folder/ballast" bs=1k count=7300 2>/dev/null
        "$@"; echo "first: $?"
        rm "$folder/ballast"
        "$@"; echo "second: $?"
        cat "$folder/run/DONE"; echo; cat "$folder/run/metrics.jsonl"
    """
    done = in_namespace(script, str(full), sys.executable, "-c", UNEVALUATED, *RUN, f"hydra.run.dir={full}/run")
    assert "first: 1" in done.stdout and "second: 0" in done.stdout, done.stdout + done.stderr
    errors = done.stderr.strip().splitlines()
    assert len(errors) == 1 and "No space left on device. Everything written before is kept" in errors[0], done.stderr
    assert "Resumed after round" in done.stdout, "a checkpoint had been written before the disk was full"
    end, *told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["round"] for row in told] == [row["round"] for row in rows(whole)]
    for row, other in zip(told, rows(whole), strict=True):  # first, because they tell where two runs part
        assert {key: row[key] for key in other} == other
    assert end["digest"] == digest_of(whole)


def test_a_read_only_folder_is_one_sentence(tmp_path):
    done = in_namespace(
        'mount -t tmpfs -o ro none "$1"; shift; exec "$@"', str(tmp_path), *start_command(f"hydra.run.dir={tmp_path}/x")
    )
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"Error: cannot read or write {tmp_path}/x: Read-only file system. Everything written before is kept; "
        "once this is fixed, the same command with the same hydra.run.dir continues the run."
    )


def test_an_existing_folder_that_is_read_only_is_one_sentence(tmp_path):
    """Hydra's log is the first file that cannot be written."""
    script = 'mount -t tmpfs none "$1"; mkdir "$1/x"; mount -o remount,ro "$1"; shift; exec "$@"'
    done = in_namespace(script, str(tmp_path), *start_command(f"hydra.run.dir={tmp_path}/x"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: cannot read or write {tmp_path}/x/run.log: Read-only file system.")
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_thread_that_cannot_write_a_checkpoint_says_nothing_itself(monkeypatch, capsys):
    """Its error is raised when the run waits for the checkpoint; errors of other threads are shown."""
    for hook in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, hook, getattr(sys, hook))
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    exits.raise_here()

    class Writer(threading.Thread):
        def run(self):
            raise OSError("No space left on device")

    for module, shown in (("orbax.checkpoint._src.futures.future", False), ("rl_rewards.labelers", True)):
        Writer.__module__ = module
        thread = Writer()
        thread.start()
        thread.join()
        assert ("No space left" in capsys.readouterr().err) is shown


def test_a_folder_inside_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = command(f"hydra.run.dir={tmp_path / 'file' / 'run'}")
    assert done.returncode == 1
    assert "Not a directory" in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "key", [pytest.param("a" * 40, id="no network", marks=pytest.mark.long), pytest.param("", id="no account")]
)
def test_without_a_network_wandb_keeps_the_run_on_disk(tmp_path, monkeypatch, key):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # no server listens there
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "10")  # seconds, which include going offline
    monkeypatch.setenv("WANDB_API_KEY", key)
    online = ("total_env_steps=320", "logger=wandb", "logger.mode=online")
    done = command(*RUN, *online, f"hydra.run.dir={tmp_path}", evaluated=False)
    assert done.returncode == 0, done.stderr
    assert "wandb cannot be reached" in done.stdout and "wandb sync" in done.stdout
    assert list((tmp_path / "wandb").glob("offline-run-*"))
    assert (tmp_path / "DONE").exists()

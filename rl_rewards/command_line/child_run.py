"""Starts other commands as processes of their own, for those that need several runs one after another."""

import ctypes
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from rl_rewards.command_line.exits import REFUSED, REQUEUE
from rl_rewards.core.errors import ConfigError, Stopped, TrainingFailed
from rl_rewards.core.files import read_json

PR_SET_PDEATHSIG = 1
"""The number of Linux's prctl that asks for a signal when the parent ends (man 2 prctl)."""


def child_run(arguments: Sequence[str], name: str) -> None:
    """Run ``python -m rl_rewards.run`` to its end; an interrupted run in the same folder goes on.

    Args:
        name: what messages call the run, such as "the arm visits".

    Raises:
        ConfigError: when it was refused.
        Stopped: when it was asked to stop and has saved everything.
        TrainingFailed: when it ended otherwise.
    """
    child_command("run", arguments, name)


def child_command(command: str, arguments: Sequence[str], name: str) -> None:
    """Run ``python -m rl_rewards.COMMAND`` to its end; args and errors as for :func:`child_run`."""
    done = subprocess.run([sys.executable, "-m", f"rl_rewards.{command}", *arguments], check=False)
    if done.returncode == REFUSED:
        raise ConfigError(f"{name[0].upper()}{name[1:]} was refused; see above.")
    if done.returncode == REQUEUE:
        raise Stopped(f"Stopped in {name}, with everything saved; the same command goes on.")
    if done.returncode != 0:
        raise TrainingFailed(
            f"{name[0].upper()}{name[1:]} did not finish (exit code {done.returncode}); start the command again."
        )


def started_child(
    command: Sequence[str], output: IO[str] | int | None = None, kept_open: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, which Ctrl-C in the terminal does not reach, and return its process.

    If this process is killed, the command gets SIGTERM: a run then saves everything and ends.

    Args:
        output: takes what the command prints; None for the console.
        kept_open: descriptors that the command inherits; a file lock is held until it has ended, too.
    """
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=True,
        pass_fds=tuple(kept_open),
        preexec_fn=_ends_with_the_parent(),
    )


def _ends_with_the_parent() -> Callable[[], None] | None:
    """Return what a new process does to get SIGTERM when its parent ends; None where the system cannot do that."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    return None if prctl is None else lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def reason(folder: Path, log: Path, code: int) -> str:
    """Return why a run failed, in one sentence.

    Args:
        folder: the run's.
        log: what it printed.
        code: its exit code.
    """
    try:
        return str(read_json(folder / "FAILED.json")["error"]).splitlines()[0]
    except (ConfigError, KeyError, IndexError):
        said = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
        errors = [line.removeprefix("Error: ") for line in said if line.startswith("Error: ")]
        return errors[-1] if errors else f"exit code {code}; see {log}"

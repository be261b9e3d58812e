"""Starts a run as a process of its own, for commands that need several runs one after another."""

import subprocess
import sys
from collections.abc import Sequence

from rl_rewards.command_line.exits import REFUSED, REQUEUE
from rl_rewards.core.errors import ConfigError, Stopped, TrainingFailed


def child_run(arguments: Sequence[str], name: str) -> None:
    """Run ``python -m rl_rewards.run`` to its end; an interrupted run in the same folder goes on.

    Args:
        name: what messages call the run, such as "the arm visits".

    Raises:
        ConfigError: when it was refused.
        Stopped: when it was asked to stop and has saved everything.
        TrainingFailed: when it ended otherwise.
    """
    done = subprocess.run([sys.executable, "-m", "rl_rewards.run", *arguments], check=False)
    if done.returncode == REFUSED:
        raise ConfigError(f"{name[0].upper()}{name[1:]} was refused; see above.")
    if done.returncode == REQUEUE:
        raise Stopped(f"Stopped in {name}, with everything saved; the same command goes on.")
    if done.returncode != 0:
        raise TrainingFailed(
            f"{name[0].upper()}{name[1:]} did not finish (exit code {done.returncode}); start the command again."
        )

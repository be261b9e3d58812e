"""Starts other commands as processes of their own, for those that need several runs one after another."""

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

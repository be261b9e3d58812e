"""Jobs that can be stopped and started again, and what keeps them going until each has ended.

A job is a command that saves its state, ends with exit code 75 when it is asked to stop, and goes on when it is started
again, as runs and workers of searches do. So neither a time limit, nor preemption, nor a lost machine ends it.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rl_rewards.command_line.exits import REQUEUE
from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import Stopped

LOST = -1
"""Stands for the exit code of a job whose machine or process has gone without one."""
RETRIES = 3
"""How often a lost job is started again."""
LOOKED = 0.2  # seconds between two looks at all jobs


@dataclass(frozen=True)
class Job:
    """A command that may be started again.

    Attributes:
        log: takes what the command prints.
        folder: of the run, if the command is one; a cluster starts it once no other process holds the folder.
    """

    command: tuple[str, ...]
    log: Path
    folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The resources that one job needs. An engine ignores those that it has no option for."""

    cpus: int = 2
    gpus: int = 0
    memory_gb: float | None = None  # None: what the cluster gives
    minutes: int = 240  # SLURM: the time limit, after which the job is submitted again and goes on
    at_once: int | None = None  # the number of jobs that run at the same time; None: as many as there is room for
    partition: str | None = None  # SLURM
    account: str | None = None  # SLURM
    extra: dict[str, Any] = field(default_factory=dict)  # SLURM: further options of sbatch, such as {constraint: a100}

    def __post_init__(self) -> None:
        check_fields(self, "resources")
        for name, least in (("cpus", 1), ("gpus", 0), ("minutes", 1), ("at_once", 1), ("memory_gb", 0.1)):
            value = getattr(self, name)
            require(value is None or value >= least, f"resources: {name}={value} must be at least {least}.")


class Started(Protocol):
    """A job that an engine has started or put into its queue."""

    def ended(self) -> int | None:
        """Return the exit code, or ``LOST``; None while the job is queued or runs."""
        ...

    def stop(self) -> None:
        """Ask the job to save its state and end."""
        ...


class Engine(Protocol):
    """Starts jobs somewhere."""

    def start(self, jobs: Sequence[Job]) -> Sequence[Started]:
        """Start ``jobs``, or put them into a queue."""
        ...


def keep_going(
    engine: Engine, jobs: Sequence[Job], stopping: Callable[[], str | None], look: Callable[[], None] = lambda: None
) -> list[int]:
    """Start ``jobs``, and start again those that were stopped or lost, until each has ended.

    Args:
        stopping: returns the name of the signal that asks this process to stop.
        look: is called again and again while jobs run.

    Returns:
        The exit code of each job; ``LOST`` for one that was lost more than ``RETRIES`` times.

    Raises:
        Stopped: when this process was asked to stop, and all jobs have saved their states.
    """
    running = dict(enumerate(engine.start(jobs)))
    codes, lost, asked = [LOST] * len(jobs), Counter[int](), False
    while running:
        if not asked and stopping() is not None:
            asked = True
            for one in running.values():
                one.stop()
        again = []
        for i, one in list(running.items()):
            code = one.ended()
            if code is None:
                continue
            del running[i]
            codes[i] = code
            lost[i] += code < 0
            if not asked and (code == REQUEUE or (0 < lost[i] <= RETRIES and code < 0)):
                print(
                    f"job {i + 1} of {len(jobs)} was {'stopped' if code == REQUEUE else 'lost'}; it goes on", flush=True
                )
                again.append(i)
        running |= zip(again, engine.start([jobs[i] for i in again]) if again else (), strict=True)
        look()
        if running:
            time.sleep(LOOKED)
    if asked:
        raise Stopped(f"Stopped by {stopping()}, with everything saved; the same command goes on.")
    return codes

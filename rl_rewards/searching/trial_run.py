"""Starts the run of a trial, follows its metrics while it trains, and stops it when it is not worth its time."""

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rl_rewards.command_line.child_run import reason, started_child
from rl_rewards.command_line.exits import REQUEUE
from rl_rewards.command_line.sweep import SCORES
from rl_rewards.core.errors import Stopped
from rl_rewards.core.seed_rows import Row, values
from rl_rewards.reporting.run_files import number

RUN = (sys.executable, "-m", "rl_rewards.run")
"""The command of a run; KEY=VALUE follow."""
POLLED = (0.02, 0.5)
"""Seconds between two looks at a run, at its beginning and later."""
ATTEMPTS = 3
"""How often a run is started that was ended by a signal, which may say nothing about its configuration."""


class Follower:
    """Reads the new rows of a growing metrics.jsonl."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def new_rows(self) -> list[Row]:
        """Return the rows that were completed since the last call; all, if the run has cut the file back."""
        try:
            if self._path.stat().st_size < self._read:
                self._read = 0
            with self._path.open("rb") as file:
                file.seek(self._read)
                content = file.read()
        except OSError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        found = []
        for line in whole.splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:  # a run that is killed may leave half a row, which it writes again when it goes on
                continue
        return [one for one in found if isinstance(one, dict)]


class RunEnd(NamedTuple):
    """How the run of a trial ended: ``failed`` and ``pruned`` say why, and are empty otherwise."""

    failed: str = ""
    pruned: str = ""


def run_trial(
    command: Sequence[str],
    folder: Path,
    lock: int,
    watch: Callable[[list[Row]], str],
    stopping: Callable[[], str | None],
) -> RunEnd:
    """Train in ``folder`` to the end; an interrupted run there goes on from its checkpoint.

    Args:
        command: the run's, without its folder.
        lock: the descriptor of the trial's lock.
        watch: is given new rows of metrics, and returns why the run shall stop; empty if it shall go on.
        stopping: returns the name of the signal that asks this process to stop.

    Raises:
        Stopped: when this process was asked to stop; the run has saved everything.
    """
    log = folder.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [*command, f"hydra.run.dir={json.dumps(str(folder))}"]
    for _ in range(ATTEMPTS):
        code, why = _followed(command, folder, log, lock, watch, stopping)
        if is_done(folder):
            return RunEnd()
        if why:
            return RunEnd(pruned=why)
        if (signal_name := stopping()) is not None:
            raise Stopped(f"Stopped by {signal_name}, with everything saved; the same command goes on.")
        if code != REQUEUE and code >= 0:
            return RunEnd(failed=reason(folder, log, code))
    return RunEnd(failed=f"its run was ended by signals {ATTEMPTS} times")


def _followed(
    command: Sequence[str],
    folder: Path,
    log: Path,
    lock: int,
    watch: Callable[[list[Row]], str],
    stopping: Callable[[], str | None],
) -> tuple[int, str]:
    """Return the exit code of the run, and why it was pruned."""
    follower, why = Follower(folder / "metrics.jsonl"), ""
    with log.open("a", encoding="utf-8") as output:
        process = started_child(command, output, [lock])
        try:
            asked, pause = False, POLLED[0]
            while (code := process.poll()) is None:
                why = why or watch(follower.new_rows())
                if (why or stopping()) and not asked:
                    asked = True
                    process.terminate()
                time.sleep(pause)
                pause = min(1.1 * pause, POLLED[1])
            if not asked:
                watch(follower.new_rows())  # the last ones are recorded; it is too late to stop
        except BaseException:  # a second Ctrl-C
            process.kill()
            process.wait()
            raise
    return code, why


def is_done(folder: Path) -> bool:
    """Return True if a run has finished in ``folder``."""
    return (folder / "DONE").is_file()


def measure_of(row: Row) -> str | None:
    """Return the first metric of SCORES that an evaluation has; None if the row is no evaluation."""
    return next((key for key in SCORES if row.get(key) is not None and values(row, key)), None)


def is_evaluation(row: Row) -> bool:
    """Return True if the policy was evaluated in this row, also if a measure is not a number."""
    return any(key.startswith("eval/") and value is not None for key, value in row.items())


def per_seed(row: Row, measure: str, count: int) -> list[float]:
    """Return one value for each of ``count`` seeds, NaN where the row has no finite one."""
    value = row.get(measure)
    listed: Sequence[Any] = value if isinstance(value, list) else [value]
    found = [number(one) for one in listed]
    return [math.nan if one is None else one for one in found] + [math.nan] * (count - len(found))

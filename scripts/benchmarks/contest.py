"""The driver's side of a measurement: several workers take turns, so that what disturbs one disturbs all.

Ratios are taken within each turn and their median is reported: a machine that slows down slows both sides.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scripts.benchmarks.worker import MARK

ROOT = Path(__file__).resolve().parents[2]
PER = ("cpu", "wall")
"""The two clocks: CPU seconds of all threads of a worker, and wall seconds."""


class BenchError(Exception):
    """What is wrong, in one sentence."""


class Worker:
    """A process that runs a piece of work at every request; see ``scripts.benchmarks.worker``."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed with the worker
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=ROOT,
            env=worker_env(),
        )
        self._prepared: dict[str, float] | None = None

    @property
    def prepared(self) -> dict[str, float]:
        """What getting ready cost; waits until the worker is."""
        if self._prepared is None:
            self._prepared = self._hear()
        return self._prepared

    def piece(self) -> dict[str, float]:
        """One more piece: env_steps, wall, cpu."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return self._hear()

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._errors.close()

    def _hear(self) -> dict[str, float]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(MARK):
                return json.loads(line.removeprefix(MARK))
        self._errors.seek(0)
        said = [line.strip() for line in self._errors if line.strip()] or ["it said nothing"]
        raise BenchError(f"The worker '{self.name}' ended too soon: {said[-1]}")


def worker_env() -> dict[str, str]:
    """The environment of a worker: this repository importable, no compiled program found from earlier."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    for name in ("JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS"):
        env.pop(name, None)
    return env


def module(name: str, *arguments: object) -> list[str]:
    """The command of a worker of ours."""
    return [sys.executable, "-m", f"scripts.benchmarks.{name}", *map(str, arguments)]


def call(command: Sequence[str]) -> str:
    """Run a program to its end; returns what it printed."""
    done = subprocess.run(command, cwd=ROOT, env=worker_env(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise _failed(command, done.stderr)
    return done.stdout


def told_once(command: Sequence[str]) -> dict[str, float]:
    """What a worker says that runs once."""
    told = [line for line in call(command).splitlines() if line.startswith(MARK)]
    if not told:
        raise _failed(command, "")
    return json.loads(told[-1].removeprefix(MARK))


def _failed(command: Sequence[str], said: str) -> BenchError:
    last = (said.strip() or "it said nothing").splitlines()[-1]
    return BenchError(f"{' '.join(command[1:3])} failed: {last}")


class Contest(NamedTuple):
    """What every arm did in every turn."""

    turns: list[dict[str, dict[str, float]]]  # arm -> env_steps, wall, cpu
    prepared: dict[str, dict[str, float]]

    def speeds(self, arm: str, per: str) -> list[float]:
        """Env steps per second of every turn."""
        return [turn[arm]["env_steps"] / turn[arm][per] for turn in self.turns]

    def ratio(self, arm: str, other: str, per: str) -> float:
        """How many times as fast ``arm`` is as ``other``: the median of the turns' ratios."""
        pairs = zip(self.speeds(arm, per), self.speeds(other, per), strict=True)
        return statistics.median(one / two for one, two in pairs)

    def summary(self) -> dict[str, Any]:
        """For the file: medians, and every turn."""
        return {
            arm: {f"env_steps_per_{per}_second": round(statistics.median(self.speeds(arm, per))) for per in PER}
            | {f"turns_per_{per}_second": [round(x) for x in self.speeds(arm, per)] for per in PER}
            | {"preparing": {name: round(x, 2) for name, x in self.prepared[arm].items()}}
            for arm in self.turns[0]
        }


def take_turns(
    commands: Mapping[str, Sequence[str]], repeats: int, say: Callable[[str], None], unit: str = "env steps"
) -> Contest:
    """Start a worker for each of ``commands``, let each get ready alone, then let them take turns at ``unit``."""
    workers: dict[str, Worker] = {}
    try:
        for name, command in commands.items():
            say(f"  preparing {name}")
            workers[name] = Worker(name, command)
            _ = workers[name].prepared  # one at a time: its compile time is logged too
        turns = []
        for repeat in range(repeats):
            turns.append({name: worker.piece() for name, worker in workers.items()})
            speeds = ", ".join(
                f"{name} {turns[-1][name]['env_steps'] / turns[-1][name]['cpu']:,.0f}" for name in workers
            )
            say(f"  turn {repeat + 1} of {repeats}, {unit} per CPU second: {speeds}")
        return Contest(turns, {name: worker.prepared for name, worker in workers.items()})
    finally:
        for worker in workers.values():
            worker.close()

"""The state of the run that the page shows: if it is over, and how its reward model and its policy learn."""

import contextlib
import json
import math
from pathlib import Path
from typing import Any

CURVES = {"accuracy": "reward/heldout_accuracy", "success": "eval/success", "return": "eval/true_return"}
"""The curves, and the metrics of metrics.jsonl that they show, each a scalar or one per seed. ``accuracy`` is the share
of held-out labels that the reward model predicts; the others are the policy's."""
MOST_POINTS = 120
"""The most points of a curve."""


class RunState:
    """Follows the files of the run in ``run_dir``; of metrics.jsonl it reads only new lines."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._read, self._identity = 0, (0, 0)
        self._newest: tuple[int, int] | None = None  # the number of rounds done, and env_steps
        self._points: dict[str, list[tuple[int, float]]] = {name: [] for name in CURVES}

    def is_over(self) -> bool:
        """Return True if the run has finished or failed."""
        return any((self._run_dir / name).exists() for name in ("DONE", "FAILED.json"))

    def progress(self) -> dict[str, Any]:
        """Return the rounds done, env_steps, and CURVES: points (env_steps, mean over seeds), at most MOST_POINTS of
        each, with the newest one."""
        with contextlib.suppress(OSError):
            self._follow()
        rounds, env_steps = self._newest or (0, 0)
        return {"rounds": rounds, "env_steps": env_steps, **{name: _thinned(all) for name, all in self._points.items()}}

    def _follow(self) -> None:
        path = self._run_dir / "metrics.jsonl"
        status = path.stat()
        if (status.st_dev, status.st_ino) != self._identity or status.st_size < self._read:
            self._read, self._newest = 0, None  # a resumed run rewrites the file
            self._points = {name: [] for name in CURVES}
            self._identity = status.st_dev, status.st_ino
        with path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        for line in whole.splitlines():
            self._add(line)
        self._read += len(whole) + (1 if whole else 0)

    def _add(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            env_steps = int(row["env_steps"])
            means = {name: _mean(row.get(metric)) for name, metric in CURVES.items()}
            self._newest = int(row.get("round", -1)) + 1, env_steps
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            return  # an incomplete line, or a file of another program: skip this row
        for name, mean in means.items():
            if mean is not None:
                self._points[name].append((env_steps, mean))


def _mean(found: Any) -> float | None:
    values = found if isinstance(found, list) else [found]
    finite = [float(value) for value in values if value is not None and math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    every = math.ceil(len(points) / MOST_POINTS) or 1
    return points[::-1][::every][::-1]

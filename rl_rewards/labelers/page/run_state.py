"""The state of the run that the page shows: if it is over, and how accurate its reward model is so far."""

import json
import math
from pathlib import Path
from typing import Any

ACCURACY = "reward/heldout_accuracy"
"""A metric of metrics.jsonl: the share of held-out labels that the reward model predicts, a scalar or one per seed."""
MOST_POINTS = 120
"""The most points of the curve."""


class RunState:
    """Follows the files of the run in ``run_dir``; of metrics.jsonl it reads only new lines."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._read, self._identity = 0, (0, 0)
        self._points: list[tuple[int, float]] = []

    def is_over(self) -> bool:
        """Return True if the run has finished or failed."""
        return any((self._run_dir / name).exists() for name in ("DONE", "FAILED.json"))

    def accuracy(self) -> list[tuple[int, float]]:
        """Return points (env_steps, mean accuracy over seeds), at most MOST_POINTS, with the newest one."""
        try:
            self._follow()
        except OSError:
            return []
        every = math.ceil(len(self._points) / MOST_POINTS) or 1
        return self._points[::-1][::every][::-1]

    def _follow(self) -> None:
        path = self._run_dir / "metrics.jsonl"
        status = path.stat()
        if (status.st_dev, status.st_ino) != self._identity or status.st_size < self._read:
            self._read, self._points = 0, []  # a resumed run rewrites the file
            self._identity = status.st_dev, status.st_ino
        with path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        for line in whole.splitlines():
            point = _point(line)
            if point is not None:
                self._points.append(point)
        self._read += len(whole) + (1 if whole else 0)


def _point(line: bytes) -> tuple[int, float] | None:
    try:
        row = json.loads(line)
        found: Any = row.get(ACCURACY)
        values = found if isinstance(found, list) else [found]
        finite = [float(value) for value in values if value is not None and math.isfinite(value)]
        return (int(row["env_steps"]), sum(finite) / len(finite)) if finite else None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None  # an incomplete line, or a file of another program: skip this point

"""What an item of the benchmark is given and what it gives back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Settings(NamedTuple):
    """Of one call of the benchmark."""

    peers: Path | None
    repeats: int
    say: Callable[[str], None]


class Row(NamedTuple):
    """One figure. ``at_least`` or ``at_most`` is the prediction; a figure without one is shown for what it is."""

    name: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool | None:
        if self.at_least is not None:
            return self.measured >= self.at_least
        return None if self.at_most is None else self.measured <= self.at_most


class Result(NamedTuple):
    rows: list[Row]
    details: dict[str, Any]

"""The contract of loggers. They are optional: if one fails, this is said once and the run goes on without it."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Texts = Sequence[Sequence[Mapping[str, Any]]]
"""The texts of an evaluation of every seed, with the keys why, prompt, response, gold and proxy."""


class RowLogger:
    """Writes the rows of metrics.jsonl to one more place.

    Args:
        name: its name in messages.
        say: prints a line that stays on the screen.
    """

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self._name, self._say = name, say
        self._on = True

    def log(self, row: Mapping[str, Any], texts: Texts = ()) -> None:
        """Write a row of metrics.jsonl, and an evaluation's ``texts``, if there are some."""
        self._try(lambda: self._write(row, texts))

    def flush(self) -> None:
        """Hand everything to the operating system, before a checkpoint is saved."""
        self._try(self._flush)

    def close(self) -> None:
        """Finish; nothing can be written afterwards."""
        self._try(self._finish)
        self._on = False

    @abstractmethod
    def _write(self, row: Mapping[str, Any], texts: Texts) -> None: ...

    def _flush(self) -> None:
        return None

    @abstractmethod
    def _finish(self) -> None: ...

    def _try(self, step: Callable[[], None]) -> None:
        """Do ``step`` if the logger is on, and switch it off if that fails."""
        if not self._on:
            return
        try:
            step()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._on = False
        self._say(f"{self._name} is off for this run ({first_line(error)}); metrics.jsonl has all metrics.")


def first_line(error: Exception) -> str:
    """Return the type of an error and the first line of its message."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def series(row: Mapping[str, Any], first_seed: int) -> dict[str, Any]:
    """Return the row without nulls; a metric of several seeds becomes one series per seed, and their mean."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, list):
            flat |= {f"{key}/seed_{first_seed + i}": one for i, one in enumerate(value)}
            present = [one for one in value if one is not None]
            value = sum(present) / len(present) if present else None
        flat[key] = value
    return {key: value for key, value in flat.items() if value is not None}

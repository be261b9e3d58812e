"""Logs rows to metrics.csv, a tidy table for spreadsheets and data frames: one line for each round and seed."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rl_rewards.core.files import write_whole
from rl_rewards.core.seed_rows import tidy
from rl_rewards.loop.loggers.base import RowLogger, Texts

FILE = "metrics.csv"


class CsvLog(RowLogger):
    """Adds a line for each seed; a metric that is new to the table adds a column to all lines.

    A round without a value has an empty cell. The file is written from ``rows`` at the start, so that it agrees with
    metrics.jsonl when a run goes on, or logs here only from now on.

    Args:
        rows: the rows of metrics.jsonl, to which a row is added before it is logged.
    """

    def __init__(
        self, run_dir: Path, rows: Sequence[Mapping[str, Any]], first_seed: int, say: Callable[[str], None]
    ) -> None:
        super().__init__("logger=csv", say)
        self._path, self._rows, self._first_seed = run_dir / FILE, rows, first_seed
        self._columns: dict[str, None] = {}
        self._file: TextIO | None = None
        self._try(self._rewrite)

    def _rewrite(self) -> None:
        """Write the whole table, with the columns of all rows, and leave it open for more lines."""
        self._close_file()
        lines = tidy(self._rows, self._first_seed)
        for line in lines:
            self._columns |= dict.fromkeys(line)
        head = [{name: name for name in self._columns}] if lines else []
        write_whole(self._path, self._text([*head, *lines]))
        self._file = self._path.open("a", encoding="utf-8", newline="")

    def _text(self, lines: Iterable[Mapping[str, Any]]) -> str:
        text = io.StringIO(newline="")
        csv.DictWriter(text, list(self._columns), restval="", lineterminator="\n").writerows(lines)
        return text.getvalue()

    def _write(self, row: Mapping[str, Any], texts: Texts) -> None:
        lines = tidy([row], self._first_seed)
        if self._file is None or not lines[0].keys() <= self._columns.keys():
            self._rewrite()
            return
        self._file.write(self._text(lines))
        self._file.flush()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _finish(self) -> None:
        self._close_file()

"""Writes one dict of metrics per round to metrics.jsonl and to the console."""

import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from rl_rewards.core import seed_rows
from rl_rewards.core.files import write_whole
from rl_rewards.core.intervals import mean_interval
from rl_rewards.core.strict_json import strict
from rl_rewards.loop.live import LiveView, Pace, clock_time
from rl_rewards.loop.stop import ANSWER


class MetricsFile:
    """The file metrics.jsonl: one JSON object per round, with NaN as null and a list for several seeds.

    When a run resumes, the rows after its checkpoint are removed.

    Args:
        rows: the rows of all rounds before ``first_round``, and perhaps later ones; see :func:`stored_rows`.
    """

    def __init__(self, path: Path, rows: list[dict[str, Any]], first_round: int) -> None:
        assert len(rows) >= first_round, "a checkpoint is restored only where every round before it has its row"
        self.rows = rows[:first_round]
        self._path = path
        self._file = self._rewritten()

    def _rewritten(self) -> TextIO:
        write_whole(self._path, "".join(json.dumps(row) + "\n" for row in self.rows))
        return self._path.open("a", encoding="utf-8")

    def append(self, row: dict[str, Any]) -> dict[str, Any]:
        """Write a row without delay, and return it as it is stored."""
        stored = strict(row)
        self.rows.append(stored)
        self._file.write(json.dumps(stored) + "\n")
        self._file.flush()
        return stored

    def sync(self) -> None:
        """Force all rows to the disk before a checkpoint is saved, so that every round of a checkpoint has its row.

        If the file was removed or replaced, it is written again with all rows.
        """
        os.fsync(self._file.fileno())
        try:
            there = os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            there = False
        if not there:
            print(f"Warning: {self._path} was removed or replaced during the run; it is written again.", flush=True)
            self._file.close()
            self._file = self._rewritten()

    def close(self) -> None:
        self._file.close()


JUDGES = {"eval/true_return": "true return", "eval/unpaid_return": "unpaid return"}
"""The returns beside the learned one that a run may have, and their names."""
QUIET_SECONDS = 30.0
"""The longest time between two lines of progress, for runs with rare evaluations."""


class Progress:
    """A live view on a terminal; otherwise a line per evaluation, and at least one every QUIET_SECONDS.

    Args:
        plain: print lines on a terminal too, because a person types answers there.
    """

    def __init__(self, rounds: int, first_round: int, title: str, plain: bool = False) -> None:
        self.pace = Pace(rounds, first_round)
        self.stopping: Callable[[], Any] = lambda: False  # returns a true value once the run was asked to stop
        self._rounds, self._title = rounds, title
        self._last_line = time.monotonic()
        self._latest: dict[str, Any] = {}
        self._alarm: str | None = None
        self._collapse: str | None = None
        console = Console()
        shown = console.is_terminal and not plain
        self._live = LiveView(console, self.pace, self._table, self._warning) if shown else None

    @property
    def live(self) -> bool:
        """True if the console is redrawn all the time."""
        return self._live is not None

    def update(self, row: dict[str, Any], alarm: str | None, collapse: str | None = None) -> None:
        """Show a row of metrics.jsonl, with the exploit alarm and the collapse notice if they are raised."""
        self.pace.begin(None)
        self.pace.end_round(row["round"])
        new = [one for one, before in ((alarm, self._alarm), (collapse, self._collapse)) if one and not before]
        evaluated = "eval/learned_return" in row
        self._latest = self._latest | row  # a new dict, because the view reads it in another thread
        self._alarm, self._collapse = alarm, collapse
        if self._live is None and (evaluated or time.monotonic() - self._last_line >= QUIET_SECONDS):
            self._last_line = time.monotonic()
            print(self._line(), flush=True)
            for message in new:
                print(message, flush=True)

    def say(self, text: str) -> None:
        """Print a line that stays on the screen."""
        if self._live is not None:
            self._live.say(text)
        else:
            print(text, flush=True)

    def close(self) -> None:
        self.pace.begin(None)
        if self._live is not None:
            self._live.close()

    def _warning(self) -> str | None:
        return ANSWER if self.stopping() else None

    def _line(self) -> str:
        row = self._latest
        parts = [
            f"round {row['round'] + 1}/{self._rounds}",
            seed_rows.steps_in_words(row),
            f"{self._rate():,.0f}/s",
            f"learned reward {in_words(row, 'eval/learned_reward_final')}",
            *(f"{name} {in_words(row, key)}" for key, name in JUDGES.items() if row.get(key) is not None),
        ]
        if row.get("eval/success") is not None:
            parts.append(f"success {in_words(row, 'eval/success', 2)}")
        parts.append(f"{clock_time(self.pace.seconds_left())} left")
        standing = [name for name, one in (("EXPLOIT ALARM", self._alarm), ("COLLAPSE", self._collapse)) if one]
        return " | ".join([*parts, *standing])

    def _rate(self) -> float:
        """Return the env steps per second of all seeds, or offline the gradient steps per second of each seed."""
        row = self._latest
        return (
            row.get("time/env_steps_per_second")
            or seed_rows.steps(row)[0] / (row["round"] + 1) / row["time/round_seconds"]
        )

    def _table(self) -> Table | None:
        row = self._latest
        if not row:
            return None
        table = Table(title=self._title, show_header=False, expand=False)
        table.add_row("done", f"{seed_rows.steps_in_words(row)} at {self._rate():,.0f} per second")
        table.add_row("learned reward, final states", in_words(row, "eval/learned_reward_final"))
        if row.get("eval/reward_heldout_goals") is not None:
            table.add_row("learned reward, held-out goals", in_words(row, "eval/reward_heldout_goals"))
        table.add_row("learned return", in_words(row, "eval/learned_return"))
        for key, name in JUDGES.items():
            if row.get(key) is not None:
                table.add_row(name, in_words(row, key))
        if row.get("eval/success") is not None:
            table.add_row("true success", in_words(row, "eval/success"))
        table.add_row("exploit alarm", f"[red]{self._alarm}[/red]" if self._alarm else "none")
        if self._collapse:
            table.add_row("collapse", f"[red]{self._collapse}[/red]")
        return table


def in_words(row: dict[str, Any], key: str, places: int = 3) -> str:
    """Return a metric as text: its value, or mean and interval over seeds."""
    found = seed_rows.values(row, key)
    if not found:
        return "-"
    if seed_rows.seed_count(row) == 1:
        return f"{found[0]:.{places}f}"
    mean, low, high = mean_interval(found)
    return f"{mean:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def stored_rows(path: Path, seeds: int) -> list[dict[str, Any]]:
    """Return the rows of rounds 0, 1, ... in a metrics.jsonl, up to the first round without a row.

    A line that is not a row of a run with ``seeds`` seeds, such as an incomplete last line, is dropped with a warning.
    """
    if not path.exists():
        return []
    by_round: dict[int, dict[str, Any]] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            row = json.loads(line)
            if row["env_steps"] is None or not all(_is_metric(value, seeds) for value in row.values()):
                raise ValueError
            by_round.setdefault(row["round"], row)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            print(f"Warning: dropped line {number} of {path}, which is not a valid row.", file=sys.stderr)
    return [by_round[number] for number in itertools.takewhile(by_round.__contains__, itertools.count())]


def _is_metric(value: Any, seeds: int) -> bool:
    """Return True for a number or null, and with several seeds also for a list with one of them per seed."""
    if isinstance(value, list):
        return len(value) == seeds > 1 and all(_is_metric(one, 1) for one in value)
    return value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**1000)

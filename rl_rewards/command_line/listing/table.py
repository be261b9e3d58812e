"""The list of runs as a table for a terminal."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rl_rewards.command_line.listing.listed import ListedRun
from rl_rewards.core.words import digits, short_count

STYLES = {"finished": "green", "running": "bold cyan", "interrupted": "yellow", "failed": "red"}
UNKNOWN = "-"
WIDE = 240
"""Columns of a table that is written to a file or a pipe."""


def print_table(runs: Sequence[ListedRun], now: datetime) -> None:
    """Print the runs and how many there are; not on a terminal, every run is one line."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    if runs:
        console.print(table_of(runs, now))
    console.print(Text(summary(runs)))
    for run in runs:
        if run.problem is not None and run.status in ("finished", "failed"):
            console.print(Text(f"Warning: {run.problem}"))


def table_of(runs: Sequence[ListedRun], now: datetime) -> Table:
    """Return a table with a line for each run; overrides that all of several runs share are in its caption."""
    shared = _shared(runs)
    caption = f"All have: {' '.join(shared)}" if shared else None
    table = Table(caption=caption, caption_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("run", overflow="fold", min_width=16)
    for name in ("status", "env", "reward", "algorithm"):
        table.add_column(name)
    table.add_column("further overrides", overflow="fold")
    for name in ("last", "best", "steps", "age", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        own = " ".join(one for one in run.overrides if one not in shared)
        table.add_row(
            Text(str(run.path)),
            Text(run.status, style=STYLES[run.status]),
            *(Text(name or UNKNOWN) for name in (run.env, run.reward, run.algorithm)),
            Text(own),
            _value(run, run.last),
            _value(run, run.best),
            UNKNOWN if run.steps is None else short_count(run.steps),
            UNKNOWN if run.started is None else age((now - run.started).total_seconds()),
            bytes_in_words(run.size),
        )
    return table


def summary(runs: Sequence[ListedRun]) -> str:
    """Return how many runs there are of each status, and their size."""
    counts = {status: sum(run.status == status for run in runs) for status in STYLES}
    each = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    many = f"{len(runs)} run{'s' * (len(runs) != 1)}"
    return f"{many} ({each}), {bytes_in_words(sum(run.size for run in runs))}." if runs else f"{many}."


def age(seconds: float) -> str:
    """Return a time span in its largest unit, such as ``3 h``."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def bytes_in_words(size: int) -> str:
    """Return a number of bytes in its largest unit, such as ``12 MB``."""
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= length:
            return f"{size / length:.{1 if size < 10 * length else 0}f} {unit}"
    return f"{size} B"


def _shared(runs: Sequence[ListedRun]) -> tuple[str, ...]:
    if len(runs) < 2:
        return ()
    return tuple(one for one in runs[0].overrides if all(one in run.overrides for run in runs))


def _value(run: ListedRun, value: float | None) -> str:
    """Return a success, or a true return with its name; they are means over a run's seeds."""
    if value is None:
        return UNKNOWN
    return f"{value:.2f}" if run.measure == "success" else f"return {digits(value)}"

"""Shows on a terminal what a run is doing now, and how long it will still take.

A round in a JAX environment is one compiled program, so that nobody can know from outside how far it is. The view
names only stages that are known, and compares their time with the mean of the same stage before.
"""

import time
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

BAR_WIDTH = 40


class Pace:
    """Measures the stages and rounds of a session that begins with round ``first``.

    Args:
        clock: returns seconds from any fixed moment on.
    """

    def __init__(self, rounds: int, first: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.rounds, self.done = rounds, first
        self.stage: str | None = None
        self._first, self._clock = first, clock
        self._stage_began = self._round_began = clock()
        self._after_first: float | None = None  # the first round is slower: it fills caches
        self._first_seconds: float | None = None
        self._times: dict[str, tuple[int, float]] = {}  # stage -> how often it ended, and its seconds in total

    def begin(self, stage: str | None) -> None:
        """End the present stage, if any, and begin another; None begins no stage."""
        now = self._clock()
        if self.stage is not None:
            count, seconds = self._times.get(self.stage, (0, 0.0))
            self._times[self.stage] = count + 1, seconds + now - self._stage_began
        self.stage, self._stage_began = stage, now

    def begin_round(self) -> None:
        """Record that a round begins; what lies between rounds, such as a checkpoint, counts to the next one."""
        if self._after_first is None:  # what was compiled before does not count
            self._round_began = self._clock()

    def end_round(self, round: int) -> None:
        """Record that the round with this number, counted from 0, has ended."""
        now = self._clock()
        if self._after_first is None:
            self._after_first, self._first_seconds = now, now - self._round_began
        self.done, self._round_began = round + 1, now

    def stage_seconds(self) -> tuple[float, float | None]:
        """Return the seconds of the present stage so far, and the mean of the same stage before, if there was one."""
        count, seconds = self._times.get(self.stage or "", (0, 0.0))
        return self._clock() - self._stage_began, seconds / count if count else None

    def round_seconds(self) -> float | None:
        """Return the mean seconds of a round, without the first one if there are others; None before it has ended."""
        counted = self.done - self._first - 1
        if self._after_first is None or counted < 1:
            return self._first_seconds
        return (self._round_began - self._after_first) / counted

    def seconds_left(self) -> float | None:
        """Return the seconds until the last round ends, if rounds take as long as before."""
        each = self.round_seconds()
        if each is None:
            return None
        return max(0.0, each * (self.rounds - self.done) - (self._clock() - self._round_began))

    def rounds_done(self) -> float:
        """Return the number of rounds done, with the expected share of the present one, below 1."""
        each = self.round_seconds()
        share = min((self._clock() - self._round_began) / each, 0.99) if each else 0.0
        return min(self.done + share, self.rounds)


def clock_time(seconds: float | None) -> str:
    """Return a duration as hours, minutes and seconds, e.g. 0:05 or 1:02:03; ``?:??`` if it is not known."""
    if seconds is None:
        return "?:??"
    minutes, whole = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{whole:02d}" if minutes >= 60 else f"{minutes}:{whole:02d}"


class LiveView:
    """Redraws a bar, the stage and a table four times per second, also while a round is running.

    Args:
        table: returns the table of the newest metrics, or None before the first.
        warning: returns a sentence that is shown below everything, or None.
    """

    def __init__(
        self, console: Console, pace: Pace, table: Callable[[], Table | None], warning: Callable[[], str | None]
    ) -> None:
        self._pace, self._table, self._warning = pace, table, warning
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self.view)
        self._live.start()

    def view(self) -> RenderableType:
        """Return what the terminal shows now."""
        pace, parts = self._pace, []
        if pace.done < pace.rounds:
            line = Table.grid(padding=(0, 1))
            line.add_row(
                ProgressBar(total=pace.rounds, completed=pace.rounds_done(), width=BAR_WIDTH),
                f"round {pace.done + 1} of {pace.rounds}, {clock_time(pace.seconds_left())} left",
            )
            parts.append(line)
        if pace.stage is not None:
            now, before = pace.stage_seconds()
            usual = "" if before is None or before < 1.0 else f" (before: {clock_time(before)} on average)"
            parts.append(Text(f"{pace.stage}: {clock_time(now)}{usual}"))
        table, warning = self._table(), self._warning()
        parts += [] if table is None else [table]
        parts += [] if warning is None else [Text(warning, style="bold yellow")]
        return Group(*parts)

    def say(self, text: str) -> None:
        """Print a line above the view; it stays on the screen."""
        self._live.console.print(text, highlight=False)

    def close(self) -> None:
        self._live.stop()

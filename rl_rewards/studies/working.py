"""Shows how far a study is with what it computes itself: a bar on a terminal, and otherwise a line now and then."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from rl_rewards.loop.live import BAR_WIDTH, clock_time

T = TypeVar("T")


class _Work:
    """One computation: its name, when it began, and how many items of its present loop are done."""

    def __init__(self, what: str) -> None:
        self.what, self._started = what, time.monotonic()
        self._loop: tuple[str, int, int, float] | None = None  # name, items done, all items, when it began

    def note(self, name: str, done: int, count: int) -> None:
        began = time.monotonic() if self._loop is None or done == 0 else self._loop[3]
        self._loop = (name, done, count, began) if done < count else None

    def line(self) -> str:
        """Return the time so far and, inside a loop, the number of its item and the time left in it."""
        said = f"{self.what}: {clock_time(time.monotonic() - self._started)} so far"
        if self._loop is None:
            return f"{said}."
        name, done, count, began = self._loop
        left = (time.monotonic() - began) / done * (count - done) if done else None
        return f"{said}; {name} {done + 1} of {count}" + (f", {clock_time(left)} left." if done else ".")

    def view(self) -> RenderableType:
        if self._loop is None:
            return Text(self.line())
        return Group(ProgressBar(total=self._loop[2], completed=self._loop[1], width=BAR_WIDTH), Text(self.line()))


_WORK: ContextVar[_Work | None] = ContextVar("work", default=None)


@contextmanager
def still_at_work(what: str, every_seconds: float = 30.0) -> Iterator[None]:
    """Show ``what`` is done, and for how long: all the time on a terminal, elsewhere a line every so often."""
    console, work = Console(), _Work(what)
    token = _WORK.set(work)
    try:
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4, get_renderable=work.view, transient=True):
                yield
        else:
            print(f"\n{what} ...", flush=True)
            with _lines(work, every_seconds):
                yield
    finally:
        _WORK.reset(token)


@contextmanager
def _lines(work: _Work, every_seconds: float) -> Iterator[None]:
    over = threading.Event()

    def tell() -> None:
        while not over.wait(every_seconds):
            print(work.line(), flush=True)

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    try:
        yield
    finally:
        over.set()
        telling.join()


def counted(items: Sequence[T], name: str) -> Iterator[T]:
    """Yield ``items``, and show which of them is being computed; ``name`` says in the singular what they are."""
    work = _WORK.get()
    for done, item in enumerate(items):
        if work is not None:
            work.note(name, done, len(items))
        yield item
    if work is not None:
        work.note(name, len(items), len(items))

"""Stopping when asked: SIGTERM and SIGINT let the round end and be saved; a second SIGINT stops at once.

The first is answered on the console at once, for what is left of a round (its evaluation, which may have to be
compiled) can take a minute.
"""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)
STDERR = 2
ANSWER = (
    "\n{} received: the run stops as soon as this round is finished, evaluated and saved. Ctrl-C again stops it at "
    "once; then only what was saved before is kept.\n"
)


class StopRequest:
    """While entered, remembers the first signal instead of dying of it; only where signals can be caught."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            self._previous = {number: signal.signal(number, self._remember) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.name is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
        os.write(STDERR, ANSWER.format(self.name).encode())  # print may be interrupted in the midst of itself

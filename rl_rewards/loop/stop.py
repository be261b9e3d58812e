"""Stops a run on SIGTERM or SIGINT after the round is finished and saved, or at once on a second SIGINT.

The first signal is confirmed on the console at once, because the rest of a round can take a minute (its evaluation may
have to be compiled).
"""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)
STDERR = 2
ANSWER = (
    "\n{} received: the run stops as soon as this round is finished, evaluated and saved. Press Ctrl-C again to stop "
    "at once; then only earlier checkpoints are kept.\n"
)


class StopRequest:
    """Inside its block, remembers the first signal instead of being killed by it; only in the main thread."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python allows signal handlers only there
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
        os.write(STDERR, ANSWER.format(self.name).encode())  # not print, which the signal may have interrupted

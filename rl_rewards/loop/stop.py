"""Stops a run on SIGTERM or SIGINT after the round is finished and saved, or at once on a second SIGINT.

The first signal is confirmed on the console at once, because the rest of a round can take minutes. Python handles
signals only between its own instructions, so a run waits for its arrays with :func:`until_ready`.
"""

import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)
STDERR = 2
ANSWER = "Stopping after this round; press Ctrl-C again to stop now."
LONGEST_SLEEP = 0.05  # seconds
SHORTEST_SLEEP = 1e-4
LATE = 0.005
"""The largest share of the waiting time by which :func:`until_ready` may notice too late that arrays are ready."""


def until_ready(arrays: Any) -> None:
    """Wait for the arrays of a pytree; unlike JAX's own waiting, signals are handled meanwhile."""
    import jax  # only here, because what starts runs as processes handles signals without it

    waited: list[Any] = [leaf for leaf in jax.tree.leaves(arrays) if isinstance(leaf, jax.Array)]
    started = time.monotonic()
    while not all(leaf.is_ready() for leaf in waited):
        time.sleep(min(LONGEST_SLEEP, SHORTEST_SLEEP + LATE * (time.monotonic() - started)))


class StopRequest:
    """Inside its block, remembers the first signal instead of being killed by it; only in the main thread.

    Args:
        shown: True if the console is redrawn all the time and shows the answer to a signal itself.
    """

    def __init__(self, shown: bool = False) -> None:
        self.name: str | None = None
        self._shown = shown
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
        if not self._shown:
            os.write(STDERR, f"\n{ANSWER}\n".encode())  # not print, which the signal may have interrupted

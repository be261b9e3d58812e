"""The worker's side of a measurement: a process that does one piece of work each time it is asked.

A worker prepares (compiles, warms up), says so, and then answers every line on stdin with the seconds of one more
piece. So several workers can take turns on the same machine. It needs the standard library alone: peers use it too.
"""

import json
import sys
import time
from collections.abc import Callable

MARK = "BENCH "
"""Before every message to the driver: libraries print to stdout too."""


def serve(piece: Callable[[], int], prepared: dict[str, float] | None = None) -> None:
    """Answer every line on stdin with one run of ``piece``, which returns its env steps, until stdin ends.

    Args:
        prepared: what getting ready cost, logged apart from the measurement.
    """
    tell(prepared or {})
    for _ in sys.stdin:
        tell(measured(piece))


def measured(piece: Callable[[], int]) -> dict[str, float]:
    """Env steps, wall seconds and CPU seconds (of all threads of this process) of one run of ``piece``."""
    wall, cpu = time.perf_counter(), time.process_time()
    env_steps = piece()
    return {"env_steps": env_steps, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def tell(message: dict[str, float]) -> None:
    """One message to the driver."""
    print(MARK + json.dumps(message), flush=True)

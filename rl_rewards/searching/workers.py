"""Several workers on this machine, each in a process of its own."""

import sys
import time
from collections.abc import Callable, Sequence

from rl_rewards.command_line.child_run import started_child
from rl_rewards.core.errors import Stopped

LOOKED = 0.2  # seconds


def run_workers(arguments: Sequence[str], count: int, stopping: Callable[[], str | None]) -> bool:
    """Run ``count`` processes with ``arguments`` of ``python -m rl_rewards.search``, and wait for all.

    Args:
        stopping: returns the name of the signal that asks this process to stop; the workers then stop, too.

    Returns:
        True if all have ended well; otherwise some work may be left.

    Raises:
        Stopped: when this process was asked to stop, and all workers have saved everything.
    """
    command = [sys.executable, "-m", "rl_rewards.search", *arguments, "--worker"]
    workers = [started_child(command) for _ in range(count)]
    asked = False
    try:
        while any(one.poll() is None for one in workers):
            if stopping() and not asked:
                asked = True
                for one in workers:
                    one.terminate()
            time.sleep(LOOKED)
    except BaseException:  # a second Ctrl-C
        for one in workers:
            one.kill()
        raise
    if asked:
        raise Stopped(f"Stopped by {stopping()}, with everything saved; the same command goes on.")
    return all(one.returncode == 0 for one in workers)

"""Runs a job's command on the machine that an engine has chosen."""

import signal
import time
from pathlib import Path
from types import FrameType

from rl_rewards.clusters.jobs import LOST, Job
from rl_rewards.command_line.child_run import started_child
from rl_rewards.core.errors import FolderInUse
from rl_rewards.core.files import locked_within
from rl_rewards.loop.run_folder import LOCK

SIGNALS = (signal.SIGTERM, signal.SIGUSR2)
"""The signals that clusters send before they end a job: the first at preemption, the second before the time limit."""
LOOKED = 0.1  # seconds
WAITED = 120.0
"""Seconds in which the lock of a folder must become free. Another process holds it after its job was lost."""


def run_here(job: Job) -> int:
    """Run the command to its end, and return its exit code; a signal to stop is passed on to it.

    Returns:
        ``LOST`` if the command was killed, or another process still holds the folder.
    """
    if job.folder is not None and not _is_free(job.folder):
        return LOST
    job.log.parent.mkdir(parents=True, exist_ok=True)
    # The command ignores the second signal, which SLURM sends to all processes of a job, and gets the first instead.
    before = {one: signal.getsignal(one) for one in SIGNALS}
    signal.signal(SIGNALS[1], signal.SIG_IGN)
    with job.log.open("a", encoding="utf-8") as output:
        process = started_child(job.command, output)

        def pass_on(number: int, frame: FrameType | None) -> None:
            del number, frame
            process.terminate()

        for one in SIGNALS:
            signal.signal(one, pass_on)
        try:
            while process.poll() is None:
                time.sleep(LOOKED)  # Ray cancels a task by an exception, which a longer wait would put off
            return max(process.wait(), LOST)
        except BaseException:
            process.terminate()
            return max(process.wait(), LOST)
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def _is_free(folder: Path) -> bool:
    """Return True once nothing holds the folder's lock; False if that does not happen."""
    if not folder.is_dir():
        return True
    try:
        with locked_within(WAITED, folder / LOCK, "", FolderInUse):
            return True
    except FolderInUse:
        return False

"""Several workers of a search, on this machine or on a cluster."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rl_rewards.clusters.engines import Where, engine
from rl_rewards.clusters.jobs import Job, Resources, keep_going
from rl_rewards.core.errors import TrainingFailed

WORKERS = "workers"
"""The folder, in that of the search, with what workers print and the cluster's own files."""


def run_workers(
    arguments: Sequence[str],
    folder: Path,
    count: int,
    where: Where,
    resources: Resources,
    stopping: Callable[[], str | None],
) -> None:
    """Run ``count`` workers of the search in ``folder`` until all have ended, and print what they print.

    A lost worker is started again. If processes of this machine end without success, work may be left, which this
    process can do.

    Args:
        arguments: of ``python -m rl_rewards.search``, without the folder.
        stopping: returns the name of the signal that asks this process to stop; the workers then stop, too.

    Raises:
        ConfigError: where the cluster's package or the cluster is missing.
        TrainingFailed: when workers on a cluster end without success.
        Stopped: when this process was asked to stop, and all workers have saved everything.
    """
    own = folder / WORKERS
    own.mkdir(parents=True, exist_ok=True)
    command = (sys.executable, "-m", "rl_rewards.search", *arguments, "--folder", str(folder.absolute()), "--worker")
    logs = [own / f"{i}.log" for i in range(1, count + 1)]
    jobs = [Job(command, log) for log in logs]
    codes = keep_going(engine(where, resources, own), jobs, stopping, Tail(logs).print_new)
    if where != "processes" and any(codes):
        told = ", ".join(map(str, codes))
        raise TrainingFailed(f"The workers ended with exit codes {told}; {own} has what they printed.")


class Tail:
    """Prints the lines that are added to files."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._read = {one: one.stat().st_size if one.is_file() else 0 for one in files}

    def print_new(self) -> None:
        """Print the lines that were completed since the last call."""
        for path, start in self._read.items():
            if not path.is_file():
                continue
            with path.open("rb") as file:
                file.seek(start)
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read[path] = start + len(whole)
            print(whole.decode("utf-8", "replace"), end="", flush=True)

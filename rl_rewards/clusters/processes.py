"""Jobs as processes of this machine."""

import subprocess
from collections import deque
from collections.abc import Sequence

from rl_rewards.clusters.jobs import LOST, Job, Resources
from rl_rewards.command_line.child_run import started_child
from rl_rewards.command_line.exits import REQUEUE


class Processes:
    """Starts each job as a process; those beyond ``resources.at_once`` wait for their turn."""

    def __init__(self, resources: Resources) -> None:
        self._room = resources.at_once
        self._queue: deque[_Process] = deque()
        self._running: list[_Process] = []

    def start(self, jobs: Sequence[Job]) -> Sequence["_Process"]:
        new = [_Process(job, self) for job in jobs]
        self._queue.extend(new)
        self.fill()
        return new

    def fill(self) -> None:
        """Start jobs of the queue while there is room."""
        self._running = [one for one in self._running if not one.has_ended()]
        while self._queue and (self._room is None or len(self._running) < self._room):
            one = self._queue.popleft()
            one.begin()
            self._running.append(one)

    def forget(self, one: "_Process") -> None:
        """Leave out a job that has not begun."""
        self._queue.remove(one)


class _Process:
    def __init__(self, job: Job, engine: Processes) -> None:
        self._job, self._engine = job, engine
        self._process: subprocess.Popen[bytes] | None = None
        self._left_out = False

    def begin(self) -> None:
        self._job.log.parent.mkdir(parents=True, exist_ok=True)
        with self._job.log.open("a", encoding="utf-8") as output:
            self._process = started_child(self._job.command, output)

    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def ended(self) -> int | None:
        self._engine.fill()
        if self._left_out:
            return REQUEUE
        code = None if self._process is None else self._process.poll()
        return None if code is None else max(code, LOST)

    def stop(self) -> None:
        if self._process is None:
            self._left_out = True
            self._engine.forget(self)
        else:
            self._process.terminate()

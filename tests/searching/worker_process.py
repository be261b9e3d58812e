"""A worker in a process of its own, with the stand-in run: ``python -m tests.searching.worker_process FOLDER N``."""

import sys
from pathlib import Path

from rl_rewards.loop.stop import StopRequest
from rl_rewards.searching.worker import Worker
from tests.searching.small import COMMAND, small_plan

if __name__ == "__main__":
    folder, trials, *overrides = sys.argv[1:]
    with StopRequest() as stop:
        plan = small_plan(trials=int(trials), overrides=tuple(overrides))
        Worker(plan, Path(folder), print, lambda: stop.name, COMMAND).work()

"""A small search whose runs are the stand-in's."""

import sys
from dataclasses import replace
from pathlib import Path

from rl_rewards.searching.plan import Pruning, SearchPlan, SeedRange
from rl_rewards.searching.space import read_space
from rl_rewards.searching.worker import Worker

COMMAND = (sys.executable, "-I", "-S", str(Path(__file__).with_name("stand_in.py")))
X = {"x": {"uniform": [0.0, 1.0]}}


def small_plan(space=X, **changes) -> SearchPlan:
    """Return the plan of a search over ``x`` without pruning."""
    plan = SearchPlan((), read_space(space, "test"), "tpe", 4, SeedRange(0, 1), SeedRange(100, 2), None, None)
    return replace(plan, **changes)


def worked(plan: SearchPlan, folder: Path) -> tuple[Worker, list[str]]:
    """Return a worker that has finished the search in ``folder``, and what it said."""
    said = []
    worker = Worker(plan, folder, said.append, lambda: None, COMMAND)
    worker.work()
    return worker, said


STRICT = Pruning(first=2, factor=2)

"""Runs without evaluations, for tests that look at nothing else: an evaluation compiles programs of its own.

That evaluating changes nothing else in a run is tested in ``tests/loop/test_resume.py``.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from rl_rewards.command_line import sweep
from rl_rewards.loop import experiment
from rl_rewards.loop.evaluate import Evaluation


class _NoEvaluator:
    """Takes the place of :class:`rl_rewards.loop.evaluate.Evaluator`; rows of metrics.jsonl have no ``eval/`` keys."""

    def __init__(self, *arguments: Any) -> None: ...

    def compile(self, state: Any) -> None: ...

    def __call__(self, state: Any, round: int) -> Evaluation:
        return Evaluation({}, {})


@contextmanager
def evaluations(wanted: bool) -> Iterator[None]:
    """Leave out the evaluations of runs inside a with block, unless they are ``wanted``."""
    if wanted:
        yield
    else:
        no_score = patch.object(sweep, "score", lambda row: math.nan)  # that of a job in a sweep
        with patch.object(experiment, "Evaluator", _NoEvaluator), no_score:
            yield

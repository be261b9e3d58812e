"""A run of ours in a process of its own, until it is good enough: ``reach_score.py SCORE CACHE_FOLDER [OVERRIDE ...]``.

The command line is that of ``python -m rl_rewards.run``. The process ends as soon as the mean true return of an
evaluation of the policy's mode is at least SCORE, and reports its env steps and CPU seconds, those of starting Python
included. ``reached`` is false where the run ended below the score.
"""

import math
import os
import sys
import time
from unittest import mock

from rl_rewards.loop.log import MetricsFile
from rl_rewards.run import main as run
from scripts.benchmarks.worker import tell

KEY = "eval/true_return_deterministic"


def main() -> None:
    """Run, report, leave."""
    score, os.environ["JAX_COMPILATION_CACHE_DIR"] = float(sys.argv[1]), sys.argv[2]
    sys.argv[1:] = sys.argv[3:]
    append, last = MetricsFile.append, {}

    def watched(file: MetricsFile, row: dict) -> dict:
        written = append(file, row)
        last.update(written)
        if last.get(KEY, -math.inf) >= score:
            _tell(last, reached=True)
            os._exit(0)  # nothing that comes after the score is measured
        return written

    with mock.patch.object(MetricsFile, "append", watched):
        run()
    _tell(last, reached=False)


def _tell(row: dict, reached: bool) -> None:
    tell({"env_steps": row["env_steps"], "score": row[KEY], "reached": reached, "cpu": time.process_time()})


if __name__ == "__main__":
    main()

"""A run of ours in a process of its own, until it is good enough: ``reach_score.py SCORE CACHE_FOLDER [OVERRIDE ...]``.

The command line is that of ``python -m rl_rewards.run``. The process ends as soon as the mean true return of an
evaluation of the policy's mode is at least SCORE, and reports its env steps and CPU seconds, those of starting Python
included. ``env_steps`` is infinite where the run ended below the score.
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
    append = MetricsFile.append

    def watched(file: MetricsFile, row: dict) -> dict:
        written = append(file, row)
        if written.get(KEY, -math.inf) >= score:
            tell({"env_steps": written["env_steps"], "cpu": time.process_time(), "score": written[KEY]})
            os._exit(0)  # nothing that comes after the score is measured
        return written

    with mock.patch.object(MetricsFile, "append", watched):
        run()
    tell({"env_steps": math.inf, "cpu": time.process_time(), "score": -math.inf})


if __name__ == "__main__":
    main()

"""``python -m tests.loop.placed_run FOLDER OVERRIDES``: a small run in a process that has four CPU devices.

Prints as JSON which collective operations the compiled round has. JAX counts its devices once in a process.
"""

import json
import os
import sys
from pathlib import Path

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"

from rl_rewards.loop import experiment, rounds
from tests.runs import run_here

COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")


def main(folder: str, *overrides: str) -> None:
    programs: list[str] = []

    class Kept(rounds.Rounds):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            programs.append(self.learning.as_text())

    experiment.Rounds = Kept
    run_here(Path(folder), *overrides)
    print(json.dumps([name for name in COLLECTIVES if name in programs[0]]))


if __name__ == "__main__":
    main(*sys.argv[1:])

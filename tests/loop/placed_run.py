"""``python -m tests.loop.placed_run EVALUATED RUN ...``: small runs, one after another, in a process of their own.

EVALUATED is true or false; a run is a JSON list of its folder and its overrides. JAX finds its devices once in a
process: the first run makes them. Prints as JSON, for each run, the collective operations in its compiled round.
"""

import json
import sys
from pathlib import Path

from rl_rewards.loop import experiment, rounds
from tests.runs import run_here

COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")


class Kept(rounds.Rounds):
    """Keeps the text of the program that was compiled last."""

    program = ""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        Kept.program = self.learning.as_text()


def main(evaluated: str, *runs: str) -> None:
    experiment.Rounds = Kept
    found = []
    for folder, *overrides in map(json.loads, runs):
        run_here(Path(folder), *overrides, evaluated=json.loads(evaluated))
        found.append([name for name in COLLECTIVES if name in Kept.program])
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])

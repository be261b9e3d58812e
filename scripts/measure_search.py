"""Searches with workers that are killed again and again, and checks that every trial was trained and counted once.

``python -m scripts.measure_search [--trials 64] [--every 60] [--out FOLDER]`` starts two workers, kills one of them
outright (SIGKILL) every minute and starts another in its place. When half of the trials have ended, all are asked to
stop, and three workers go on. It writes scripts/results/search_kills.json.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rl_rewards.core.intervals import mean_interval
from rl_rewards.core.strict_json import strict
from rl_rewards.loop.provenance import code
from rl_rewards.searching.plan import SearchPlan, find_space, read_plan
from rl_rewards.searching.result import RESULT
from rl_rewards.searching.trials import DUPLICATE, OUTCOME, Trials

RESULTS = Path(__file__).parent / "results" / "search_kills.json"
SPACE = "point"
OVERRIDES = ["reward=environment", "total_env_steps=25_600"]
FIRST, THEN = 2, 3  # workers
LOOKED = 0.5  # seconds


def main() -> None:
    """Search, print what was found, and write it."""
    parser = argparse.ArgumentParser(description="Kills workers of a search, and checks that each trial counts once.")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between kills")
    parser.add_argument("--out", type=Path, default=Path("outputs/measure_search"), help="a new folder")
    chosen = parser.parse_args()
    plan = read_plan(find_space(SPACE), OVERRIDES, chosen.trials)
    provenance, started = code(), time.monotonic()
    kills = searched(plan, chosen.out, chosen.every)
    found = checked(plan, chosen.out) | {
        "kills": kills,
        "every_seconds": chosen.every,
        "workers": [FIRST, THEN],
        "seconds": round(time.monotonic() - started),
        "command": "python -m scripts.measure_search",
        **provenance,
    }
    print(json.dumps(strict(found), indent=1))
    RESULTS.write_text(json.dumps(strict(found), indent=1) + "\n", encoding="utf-8")


def searched(plan: SearchPlan, folder: Path, every: float) -> int:
    """Search in ``folder``, and return how many workers were killed."""
    trials, chance = Trials(plan, folder), random.Random(0)
    workers = [start(plan, folder) for _ in range(FIRST)]
    killed, next_kill, longer = 0, time.monotonic() + every, False
    while any(one.poll() is None for one in workers):
        time.sleep(LOOKED)
        if time.monotonic() >= next_kill:
            next_kill += every
            victim = chance.choice([i for i, one in enumerate(workers) if one.poll() is None] or [0])
            workers[victim].kill()
            workers[victim].wait()
            killed += 1
            workers[victim] = start(plan, folder)
        if not longer and len([one for one in trials.own() if one.state.is_finished()]) >= plan.trials // 2:
            longer = True
            for one in workers:
                one.send_signal(signal.SIGTERM)
            print("half-way; the workers ended with", [one.wait() for one in workers], flush=True)
            workers = [start(plan, folder) for _ in range(THEN)]
    return killed


def start(plan: SearchPlan, folder: Path) -> "subprocess.Popen[bytes]":
    """Start a worker."""
    words = [SPACE, *OVERRIDES, "--folder", str(folder), "--trials", str(plan.trials), "--worker"]
    return subprocess.Popen([sys.executable, "-m", "rl_rewards.search", *words])


def checked(plan: SearchPlan, folder: Path) -> dict[str, Any]:
    """Return what the search in ``folder`` has, after checks that every trial was trained and counted once."""
    trials = Trials(plan, folder)
    own = trials.own()
    assert len(own) == plan.trials, f"{len(own)} trials instead of {plan.trials}"
    assert all(one.state.is_finished() and OUTCOME in one.user_attrs for one in own), "a trial has no end"
    digests = [plan.digest(one.params) for one in own]
    assert len(set(digests)) == len(digests), "a configuration was trained twice"
    rounds = repeated = 0
    for digest in digests:
        rows = [json.loads(line) for line in (folder / "trials" / digest / "metrics.jsonl").read_text().splitlines()]
        seen = [row["round"] for row in rows]
        rounds += len(seen)
        repeated += seen != list(range(seen[0], seen[0] + len(seen)))
    values = [one.value for one in own if one.user_attrs[OUTCOME]["ended"] == "finished" and one.value is not None]
    told = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    assert told["best"]["value"] == max(values), "the best trial was not found"
    return {
        "trials": len(own),
        "ended": dict(Counter(one.user_attrs[OUTCOME]["ended"] for one in own)),
        "duplicates": sum(DUPLICATE in one.user_attrs for one in trials.all()),
        "rounds": rounds,
        "trials_with_missing_or_repeated_rounds": repeated,
        "best": told["best"]["value"],
        "report": told["report"],
        "mean_of_finished": mean_interval(values),
    }


if __name__ == "__main__":
    main()

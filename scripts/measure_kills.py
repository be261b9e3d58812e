"""Kills runs at random instants, restarts them each time, and compares the end with an uninterrupted run's.

``python scripts/measure_kills.py [--kills 10] [--out DIR]`` writes scripts/results/kills.json. Two runs count as the
same when the digests of their whole final states and the rows of metrics.jsonl (clock readings apart) are equal.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rl_rewards.loop.provenance import code

RESULTS = Path(__file__).parent / "results" / "kills.json"
COMMON = ["logger=none", "video=false", "report=false"]
RUNS = {
    "sac, adversarial classifier, point, 4 seeds in one program": [
        "experiment=lecture/classifiers/sac_adversarial",
        "study=null",
        "num_seeds=4",
        "total_env_steps=25600",
        "checkpoint.every=2",
    ],
    "ppo, adversarial classifier, pencil_case (the main job)": ["total_env_steps=1228800", "checkpoint.every=4"],
}
"""Overrides by name; the main job is cut to 120 rounds, enough for ten kills between checkpoints."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Kills runs and compares how they end.")
    parser.add_argument("--kills", type=int, default=10, help="SIGKILLs of each run")
    parser.add_argument("--out", type=Path, default=Path("outputs/kills"), help="folder of the runs; must be new")
    arguments = parser.parse_args()
    record = {**code(), "runs": {}}
    for i, (name, overrides) in enumerate(RUNS.items()):
        folder = arguments.out.absolute() / str(i)
        command = [sys.executable, "-m", "rl_rewards.run", *overrides, *COMMON]
        whole, killed = folder / "whole", folder / "killed"
        print(f"{name}: uninterrupted", flush=True)
        started = time.monotonic()
        subprocess.run([*command, f"hydra.run.dir={whole}"], check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - started
        rounds = [
            kill_once([*command, f"hydra.run.dir={killed}"], killed, whole, i, k, arguments.kills)
            for k in range(arguments.kills)
        ]
        assert not (killed / "DONE").exists(), "it ended before the last kill"
        subprocess.run([*command, f"hydra.run.dir={killed}"], check=True, stdout=subprocess.DEVNULL)
        record["runs"][name] = compare(whole, killed) | {
            "overrides": overrides,
            "killed_after_rows": rounds,
            "uninterrupted_seconds": round(seconds, 1),
        }
        print(json.dumps(record["runs"][name]), flush=True)
        RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def kill_once(command: list[str], run_dir: Path, whole: Path, run: int, kill: int, kills: int) -> int:
    """Start, wait for a random instant in the next part of the run, and kill; return the rows written by then."""
    chance = random.Random(1000 * run + kill)
    share = len(rows(whole)) / (kills + 2)
    goal = 1 + (kill + chance.random()) * share
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None and count(run_dir) < goal:
        time.sleep(0.002)
    time.sleep(chance.random() * 0.3)  # anywhere in a round, an evaluation or a checkpoint
    process.send_signal(signal.SIGKILL)
    process.wait()
    print(f"  killed with {count(run_dir)} rows written", flush=True)
    return count(run_dir)


def compare(whole: Path, killed: Path) -> dict[str, Any]:
    """Compare two finished runs."""
    ends = [json.loads((run / "DONE").read_text(encoding="utf-8")) for run in (whole, killed)]
    return {
        "digest_equal": ends[0]["digest"] == ends[1]["digest"],
        "rows_equal": rows(whole) == rows(killed),
        "each_round_once": [row["round"] for row in rows(killed)] == list(range(ends[0]["rounds"])),
        "rounds": ends[0]["rounds"],
        "env_steps": ends[0]["env_steps"],
        "digest": ends[0]["digest"],
    }


def rows(run_dir: Path) -> list[dict[str, Any]]:
    """Return metrics.jsonl without clock readings."""
    lines = (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.startswith("time/")} for line in lines]


def count(run_dir: Path) -> int:
    """Count the rows written so far."""
    path = run_dir / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


if __name__ == "__main__":
    main()

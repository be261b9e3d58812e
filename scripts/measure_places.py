"""Measures settings of places by task: how many places there are, how many states are alone, and what is learned.

``python -m scripts.measure_places [--seeds 0-1] [--tasks point,tracker,picture,cheetah]`` makes the run of every task
and setting that is not done yet, as an ordinary run under ``outputs/places/TASK/SETTING``, and writes
``scripts/results/places.json``. ``cheetah`` is HalfCheetah's 17 numbers with goals that this script takes from random
play: states that go forward at 1.5 m/s or more. It has no success; its true return is the distance forward.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.core.seed_rows import values

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "outputs" / "places"
RESULTS = ROOT / "scripts" / "results" / "places.json"
GOALS = RUNS / "cheetah_goals.npz"
QUIET = ["logger=none", "video=false", "report=false"]
SPEED, SPEED_COLUMN, EXAMPLES = 1.5, 8, 500

TASKS = {
    "point": ["env=point", "algorithm=ppo_point", "total_env_steps=64_000", "evaluation.every=5"],
    "tracker": ["total_env_steps=1_500_000"],
    "picture": [
        "env.observation=image",
        "env.image_size=32",
        "algorithm.num_envs=32",
        "reward.keep_visited=12_000",
        "total_env_steps=102_400",
        "evaluation.episodes=16",
    ],
    "cheetah": [
        "env=gymnasium",
        "env.id=HalfCheetah-v5",
        "env.ends_early=false",
        "algorithm=ppo_mujoco",
        f"examples.path={GOALS}",
        "reward.classifier.normalize_inputs=true",
        "total_env_steps=409_600",
        "evaluation.every=20",
        "evaluation.episodes=8",
    ],
}
SETTINGS = {
    "visits": ["reward.negatives=visits"],
    "inputs": [],
    "inputs, side 0.25": ["reward.places.side=0.25"],
    "inputs, side 1": ["reward.places.side=1"],
    "4 projections": ["reward.places.dimensions=4"],
    "2 projections": ["reward.places.dimensions=2"],
    "4 projections of the hidden layer": ["reward.places.features=hidden", "reward.places.dimensions=4"],
}
"""Besides these settings, more inputs than reward.places.dimensions=8 are projected to that many."""


def main() -> None:
    """Make the missing runs, then summarise."""
    parser = argparse.ArgumentParser(description="Measures what places should be made of.")
    parser.add_argument("--seeds", default="0-1", help="first-last; development seeds")
    parser.add_argument("--tasks", default=",".join(TASKS), help=f"of {','.join(TASKS)}")
    options = parser.parse_args()
    first, last = map(int, options.seeds.split("-"))
    found: dict[str, Any] = {}
    for task in options.tasks.split(","):
        found[task] = {}
        for name, overrides in SETTINGS.items():
            folder = RUNS / task / name.replace(", ", "_").replace(" ", "_")
            if not (folder / "DONE").exists():
                if task == "cheetah" and not GOALS.exists():
                    record_goals()
                seeds = [f"seed={first}", f"num_seeds={last - first + 1}"]
                run([*TASKS[task], *overrides, *seeds, *QUIET, f"hydra.run.dir={folder}"])
            found[task][name] = outcome(folder / "metrics.jsonl")
            print(task, name, json.dumps(found[task][name]), flush=True)
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(known | {"seeds": [first, last]} | found, indent=1) + "\n", encoding="utf-8")


def run(overrides: Sequence[str]) -> None:
    subprocess.run([sys.executable, "-m", "rl_rewards.run", *overrides], check=True, stdout=subprocess.DEVNULL)


def outcome(metrics: Path) -> dict[str, Any]:
    """Return means over seeds at a run's end: places, the share of states alone in theirs, and what was learned."""
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    evaluated = [row for row in rows if row.get("eval/true_return") is not None]
    keys = ("reward/negatives", "reward/places", "reward/places_alone", "eval/prob_successes")
    found = {key: float(np.mean(values(rows[-1], key))) for key in keys if values(rows[-1], key)}
    measure = "eval/success" if values(evaluated[-1], "eval/success") else "eval/true_return"
    found[measure] = [round(value, 3) for value in values(evaluated[-1], measure)]
    found[f"{measure}, mean and interval"] = [round(value, 3) for value in mean_interval(found[measure])]
    return found


def record_goals() -> None:
    """Collect examples of a cheetah that runs, and of one that does not, from an hour of random play."""
    import gymnasium

    env, rng = gymnasium.make("HalfCheetah-v5"), np.random.default_rng(0)
    goals: list[np.ndarray] = []
    others: list[np.ndarray] = []
    obs, _ = env.reset(seed=0)
    while len(goals) < EXAMPLES:
        action = rng.uniform(-1.0, 1.0, env.action_space.shape)
        for _ in range(5):  # each action is repeated, or nothing would move
            obs, _, _, truncated, _ = env.step(action)
            (goals if obs[SPEED_COLUMN] >= SPEED else others).append(obs.astype(np.float32))
            if truncated:
                obs, _ = env.reset()
    GOALS.parent.mkdir(parents=True, exist_ok=True)
    chosen = rng.permutation(len(others))[:EXAMPLES]
    np.savez(GOALS, goal_obs=np.array(goals[:EXAMPLES]), non_goal_obs=np.array(others)[chosen])


if __name__ == "__main__":
    main()

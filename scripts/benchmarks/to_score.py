"""CartPole to 475 and Pendulum to -200 against Stable-Baselines3 with rl-zoo's settings, from process start to score.

Both sides are evaluated by one rule: after every so many env steps twenty episodes of the policy's mode are played, and
the first mean return that is at least the score ends the process. Ours is ``python -m rl_rewards.run`` itself, which
also evaluates the sampling policy.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.benchmarks.contest import PER, ROOT, Worker, module
from scripts.benchmarks.result import Result, Row, Settings


class Task(NamedTuple):
    """The settings that both sides of the comparison use."""

    score: float
    every: int  # env steps from one evaluation to the next
    rounds: int  # the same in rounds of ours


TASKS = {"cartpole": Task(475.0, 2_048, 8), "pendulum": Task(-200.0, 4_096, 1)}


def to_score(settings: Settings) -> Result:
    """Wall and CPU seconds and env steps from process start to score: CartPole to 475, Pendulum to -200."""
    folder = settings.peers
    peer = None if folder is None else folder / "venv" / "bin" / "python"
    if peer is None or not peer.is_file():
        peer = None
        settings.say(f"  SB3 is skipped: it is not in PEERS={folder or ''}: see scripts/results/README.md")
    details = {name: [] for name in TASKS}
    for seed in range(settings.repeats):
        for name, task in TASKS.items():
            details[name].append(_turn(settings, name, task, seed, peer))
    rows = []
    for name, turns in details.items() if peer is not None else ():
        for start in ("cold", "warm"):
            for per in PER:
                rows.append(Row(f"{name}: ours, {start} start / SB3, {per} seconds", _ratio(turns, start, per)))
        steps = {arm: statistics.median(turn[arm]["env_steps"] for turn in turns) for arm in ("cold", "sb3")}
        rows.append(Row(f"{name}: env steps, ours / SB3, medians", steps["cold"] / steps["sb3"], at_most=1.0))
    return Result(rows, {"seconds_and_env_steps_of_each_seed": details, "skipped": [] if peer else ["sb3"]})


def _turn(settings: Settings, name: str, task: Task, seed: int, peer: Path | None) -> dict[str, dict[str, float]]:
    """One seed of every arm, one after the other; ours twice, with a cache folder that is empty at first."""
    with tempfile.TemporaryDirectory() as cache:
        overrides = [f"experiment=classic/{name}", f"seed={seed}", "evaluation.episodes=20"]
        overrides += [f"evaluation.every={task.rounds}", "video=false", "report=false", f"hydra.run.dir={cache}/run"]
        turn: dict[str, dict[str, float]] = {}
        for start in ("cold", "warm"):
            command = module("reach_score", task.score, f"{cache}/jax", *overrides)
            turn[start] = _until_score(f"ours, {start}", [*command[:-1], f"{command[-1]}_{start}"])
        if peer is not None:
            script = ROOT / "scripts" / "benchmarks" / "peer_sb3_score.py"
            turn["sb3"] = _until_score("sb3", [str(x) for x in (peer, script, name, task.score, task.every, seed)])
    said = ", ".join(f"{arm} {x['env_steps']:,} in {x['cpu']:.1f} ({x['wall']:.1f})" for arm, x in turn.items())
    settings.say(f"  {name}, seed {seed}, env steps in CPU seconds (wall seconds): {said}")
    return turn


def _until_score(name: str, command: Sequence[str]) -> dict[str, float]:
    """The numbers that a process reports at its score, with the wall seconds since its start."""
    started = time.perf_counter()
    worker = Worker(name, command)
    try:
        told = worker.prepared
        return {**told, "wall": time.perf_counter() - started}
    finally:
        worker.close()


def _ratio(turns: list[dict[str, dict[str, float]]], arm: str, per: str) -> float:
    """How many times the seconds of SB3 ``arm`` takes: the median of the seeds' ratios."""
    return statistics.median(turn[arm][per] / turn["sb3"][per] for turn in turns)

"""Tries on an accelerator everything that one is for, in about ten minutes: ``python -m scripts.measure_gpu``.

It needs the extra ``cuda12``. Each step is a run in its own process; one that fails is recorded with its reason, and
the next begins. It writes scripts/results/gpu.json. ``--small`` makes the same runs with the least work, to try the
script on a machine without an accelerator; it writes nothing there unless ``--out`` says where.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_rewards.command_line.child_run import reason, started_child
from rl_rewards.core.intervals import mean_interval
from rl_rewards.core.seed_rows import values
from rl_rewards.core.strict_json import strict
from rl_rewards.loop.provenance import code

RESULTS = Path(__file__).parent / "results" / "gpu.json"
LIGHT = ("video=false", "report=false", "logger=none")
TEN_MILLION = ("width=384", "layers=6", "heads=6", "hidden=1024")
"""A transformer with about 10.6 million weights."""


@dataclass(frozen=True)
class Step:
    """One run: its name, overrides, seconds that it may take, and what makes it small."""

    name: str
    overrides: tuple[str, ...]
    seconds: float
    small: tuple[str, ...] = ("debug=smoke",)


STEPS = (
    Step("smoke_adversarial", ("env=point", "debug=smoke"), 60.0),
    Step("smoke_preferences", ("env=point", "reward=preferences", "debug=smoke"), 60.0),
    Step("smoke_sac", ("env=gymnax", "env.id=Pendulum-v1", "reward=environment", "algorithm=sac", "debug=smoke"), 60.0),
    Step("point", ("env=point", "seed=0", "num_seeds=10", "total_env_steps=512_000"), 120.0),
    Step(
        "pencil_case_mjx",
        ("env=pencil_case", "env.engine=mjx", "algorithm.num_envs=1024", "total_env_steps=1_638_400"),
        180.0,
        ("debug=smoke", "algorithm.num_envs=4"),
    ),
    Step(
        "point_1024_seeds",
        ("env=point", "algorithm=ppo_point", "seed=0", "num_seeds=1024", "total_env_steps=51_200"),
        120.0,
        ("debug=smoke", "num_seeds=4"),
    ),
    Step(
        "language_10m",
        ("env=text", "algorithm=rloo", "reward=environment", *(f"algorithm.model.{one}" for one in TEN_MILLION),
         "algorithm.num_envs=1024", "total_env_steps=1_638_400", "evaluation.every=100"),
        120.0,
        ("debug=smoke", "algorithm.model.width=16", "algorithm.model.heads=2"),
    ),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Make all runs, print each as it ends, and write what was measured."""
    parser = argparse.ArgumentParser(description="Tries everything that an accelerator is for.")
    parser.add_argument("--small", action="store_true", help="the same runs with the least work")
    parser.add_argument("--only", nargs="+", default=[], choices=[one.name for one in STEPS], metavar="NAME")
    parser.add_argument("--folder", type=Path, default=Path("outputs/measure_gpu"), help="a new folder for the runs")
    parser.add_argument("--out", type=Path, help=f"default: {RESULTS}, or nothing with --small")
    chosen = parser.parse_args(arguments)
    out = chosen.out or (None if chosen.small else RESULTS)
    found: dict[str, Any] = {"command": "python -m scripts.measure_gpu", **code(), "devices": devices(), "runs": {}}
    print(json.dumps(found["devices"]), flush=True)
    for step in STEPS:
        if chosen.only and step.name not in chosen.only:
            continue
        found["runs"][step.name] = measured(step, chosen.folder / step.name, chosen.small)
        print(f"{step.name}: {json.dumps(strict(found['runs'][step.name]))}", flush=True)
        if out is not None:
            out.write_text(json.dumps(strict(found), indent=1) + "\n", encoding="utf-8")


def devices() -> dict[str, Any]:
    """Return what JAX finds, asked in another process, which gives the memory back when it ends."""
    asked = (
        "import jax, json, jaxlib; found = jax.devices(); print(json.dumps({'platform': found[0].platform, "
        "'kind': found[0].device_kind, 'count': len(found), 'jax': jax.__version__, 'jaxlib': jaxlib.__version__}))"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    return json.loads(told.splitlines()[-1])


def measured(step: Step, folder: Path, small: bool) -> dict[str, Any]:
    """Make the run of ``step`` in ``folder``, and return its speed, its success and its largest memory."""
    overrides = (*step.overrides, *(step.small if small else ()), *LIGHT)
    log = folder.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # so that the memory in use can be seen
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as output, Memory() as memory:
        command = (sys.executable, "-m", "rl_rewards.run", *overrides, f'hydra.run.dir="{folder.absolute()}"')
        process = started_child(command, output)
        try:
            exit_code = process.wait(step.seconds if not small else None)
        except subprocess.TimeoutExpired:
            process.terminate()
            exit_code = process.wait()
    told: dict[str, Any] = {
        "overrides": list(overrides), "seconds": round(time.monotonic() - started, 1), "exit_code": exit_code,
        "done": (folder / "DONE").is_file(), "largest_memory_mib": memory.largest,
    }  # fmt: skip
    metrics = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()] if metrics.is_file() else []
    if not told["done"] and exit_code != 75:
        told["why"] = reason(folder, log, exit_code)
    return told | (speed(rows) if rows else {})


def speed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return env steps (or tokens) per second after the first rounds, and success at the last evaluation."""
    later = [row for row in rows[len(rows) // 4 :] if row.get("time/round_seconds")]
    seconds = sum(row["time/round_seconds"] for row in later)
    seeds = max((len(values(row, "eval/success")) for row in rows), default=1) or 1
    steps = seeds * (rows[-1]["env_steps"] / len(rows)) * len(later)
    evaluated = [found for row in rows if (found := values(row, "eval/success"))]
    return {
        "rounds": len(rows),
        "seeds": seeds,
        "steps_per_second_of_all_seeds": round(steps / seconds) if seconds else None,
        "success": mean_interval(evaluated[-1]) if evaluated else None,
    }


class Memory:
    """The largest memory in use on the first NVIDIA GPU while the block runs, in MiB; None without one."""

    def __init__(self) -> None:
        self.largest: int | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        if shutil.which("nvidia-smi") is not None:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
        while not self._ended.wait(1.0):
            told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            if told.isdecimal():
                self.largest = max(self.largest or 0, int(told))


if __name__ == "__main__":
    main()

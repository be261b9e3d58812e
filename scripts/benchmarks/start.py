"""One start of the main job in a process of its own: ``start.py CACHE_FOLDER [OVERRIDE ...]``.

Reports what compiling costs until the first round is run and evaluated: ``round`` is what a run prints as "Compiled
in", tracing included; ``xla`` is XLA's part of everything, or reading its result from the cache; ``all`` is the time
from the configuration to the first evaluation, less that of a later round and evaluation.
"""

import os
import sys
import time

import jax

from rl_rewards.command_line.compose import composed
from rl_rewards.loop.evaluate import Evaluator
from scripts.benchmarks.invariants import COMPILED
from scripts.benchmarks.train import Training
from scripts.benchmarks.worker import tell


def main() -> None:
    """Start, run two rounds, tell."""
    jax.config.update("jax_compilation_cache_dir", sys.argv[1])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)  # as rl_rewards.run has it
    spent = {"xla": 0.0}

    def listen(event: str, seconds: float, **_) -> None:
        spent["xla"] += seconds if event == COMPILED else 0.0

    jax.monitoring.register_event_duration_secs_listener(listen)
    wall, cpu = time.perf_counter(), time.process_time()
    cfg = composed(sys.argv[2:])
    training = Training(cfg)
    evaluate = Evaluator(
        training.parts, training.rounds.data, training.settings.evaluation.episodes, training.settings.seed
    )
    training.run(1)
    evaluate(training.state, 0)
    everything = {"all_wall": time.perf_counter() - wall, "all_cpu": time.process_time() - cpu}
    wall, cpu = time.perf_counter(), time.process_time()
    training.run(1)
    evaluate(training.state, 1)
    everything["all_wall"] -= time.perf_counter() - wall
    everything["all_cpu"] -= time.process_time() - cpu
    cached = sum(file.stat().st_size for file in os.scandir(sys.argv[1]))
    tell({"round_wall": training.rounds.compile_seconds, "xla_wall": spent["xla"], **everything, "cache_bytes": cached})


if __name__ == "__main__":
    main()

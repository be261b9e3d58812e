"""A worker that trains an experiment of ours: ``train.py ROUNDS OVERRIDE ...``, ROUNDS rounds at every request.

It runs rounds as ``loop.experiment`` does, metrics fetched and questions answered after each, without evaluation, log
and checkpoints. ``anew:ROUNDS`` starts from nothing at every request: where labels are asked at the start above all.
"""

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from rl_rewards.command_line.compose import composed
from rl_rewards.loop import build, supplied
from rl_rewards.loop.questions import Questions
from rl_rewards.loop.rounds import Rounds, make_host_env
from rl_rewards.loop.state import init_state
from scripts.benchmarks.worker import serve

WARM_UP = 3
"""Rounds before the first request: the first one may train on examples, and fills caches."""


def main() -> None:
    """Compile, warm up, serve."""
    anew, _, count = sys.argv[1].rpartition(":")
    rounds, config = int(count), composed(sys.argv[2:])
    started_wall, started = time.perf_counter(), time.process_time()
    training = Training(config)
    prepared = {"compile_cpu": time.process_time() - started, "compile_wall": time.perf_counter() - started_wall}
    training.run(WARM_UP)
    prepared["valid_share"] = training.valid_share

    def piece() -> int:
        if anew:
            training.start()
        return training.run(rounds)

    serve(piece, prepared)


class Training:
    """A compiled experiment that goes on round by round."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.parts, self.settings = build.build(config)
        data = supplied.build_data(self.parts, self.settings)
        seed = self.settings.seed
        self.first = init_state(self.parts, seed)
        self.questions = Questions(self.parts, seed, Path(tempfile.gettempdir()))
        self.rounds = Rounds(self.parts, data, self.first, make_host_env(self.parts, seed))
        self.start()

    def start(self) -> None:
        """From the first state, in buffers of its own: a round donates them."""
        self.valid_share = 1.0  # of the last round's steps; a game that a rollout cuts off does not count
        self.state, self.done = jax.tree.map(jnp.copy, self.first), 0

    def run(self, rounds: int) -> int:
        """Train on; returns the env steps of all seeds, or offline their gradient steps."""
        for _ in range(rounds):
            self.state, metrics, query = self.rounds(self.state, self.done)
            self.valid_share = float(jax.device_get(metrics).get("reward/valid_share", 1.0))
            self.state = self.questions(self.state, query, self.done, lambda: False, print)
            self.done += 1
        of_round = self.parts.dataset_sizes.gradient_steps if self.parts.offline else self.parts.steps_per_round
        return rounds * of_round * self.parts.seeds.count


if __name__ == "__main__":
    main()

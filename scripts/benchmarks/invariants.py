"""Two things that must never happen, as checks that the benchmark and the tests share.

A function that compiles again in a later round, and a replay ring that is copied. Neither is timed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import jax
import numpy as np

from rl_rewards.loop import build, supplied
from rl_rewards.loop.experiment import run_experiment
from rl_rewards.loop.log import MetricsFile
from rl_rewards.loop.rounds import Rounds
from rl_rewards.loop.state import TrainState

COMPILED = "/jax/core/compile/backend_compile_duration"
"""jax.monitoring's event of every XLA compilation, one found in the persistent cache included."""
HLO_DTYPES = {"float32": "f32", "int32": "s32", "uint8": "u8", "bool": "pred"}


@contextmanager
def compiled_functions() -> Iterator[list[str]]:
    """Names of the functions that XLA compiles inside the block, as they come."""
    names: list[str] = []

    def listen(event: str, _: float, **details) -> None:
        if event == COMPILED:
            names.append(str(details.get("fun_name", "?")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def compiled_after_first_round(cfg, run_dir: Path) -> tuple[list[str], list[str]]:
    """Functions compiled before and after the first row of metrics.jsonl is written, in a whole experiment.

    The first round is always evaluated, so that evaluation is compiled by then. Later rounds, evaluations, the log and
    the checkpoints must find everything compiled.
    """
    experiment = build.build(cfg, run_dir)
    examples = supplied.build_data(*experiment)
    append, first_row = MetricsFile.append, []
    with compiled_functions() as names:

        def watched(file: MetricsFile, row: dict) -> dict:
            written = append(file, row)
            first_row.append(len(names))
            return written

        with mock.patch.object(MetricsFile, "append", watched):
            run_experiment(experiment, examples, run_dir, "recompile counter")
    return names[: first_row[0]], names[first_row[0] :]


class Ring(NamedTuple):
    """What became of the replay ring's buffers."""

    moved: int  # leaves whose memory is not where it was before the rounds
    copies: list[str]  # instructions of the compiled round that copy an array of the ring's shape
    ring_bytes: int
    scratch_bytes: int  # all temporary memory of the compiled round: less than the ring cannot hold a copy of it


def follow_ring(rounds: Rounds, state: TrainState, count: int) -> Ring:
    """Train for ``count`` rounds and look at the ring, in memory and in the compiled program; donates ``state``."""
    assert state.replay is not None, "this run asks for more than its newest rollout"
    before, ring = _addresses(state), jax.tree.leaves(state.replay.data)
    shapes = {f"{HLO_DTYPES[str(x.dtype)]}[{','.join(map(str, x.shape))}]" for x in ring}
    ring_bytes = sum(x.nbytes for x in ring)
    for i in range(count):
        state, _, _ = rounds(state, i)
    text, memory = rounds.learning.as_text(), rounds.learning.memory_analysis()
    assert text is not None and memory is not None, "XLA tells both on a CPU and on a GPU"
    copies = re.findall(r"(\w+\[[\d,]*\])\S* copy\(", text)
    return Ring(
        moved=int(np.sum(np.array(before) != np.array(_addresses(state)))),
        copies=[shape for shape in copies if shape in shapes],
        ring_bytes=ring_bytes,
        scratch_bytes=memory.temp_size_in_bytes,
    )


def _addresses(state: TrainState) -> list[int]:
    assert state.replay is not None, "this run asks for more than its newest rollout"
    return [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state.replay.data)]

"""The checks of ``invariants`` in a process of their own: ``counts.py compilations | ring``."""

import sys
import tempfile
from pathlib import Path

import jax

from rl_rewards.command_line.compose import composed
from rl_rewards.loop import build
from rl_rewards.loop.rounds import Rounds
from rl_rewards.loop.state import init_state
from scripts.benchmarks.invariants import compiled_after_first_round, follow_ring
from scripts.benchmarks.worker import tell

SMALL = ["debug=smoke", "logger=none"]
PAIRS = {
    "point with SAC": [*SMALL, "env=point", "algorithm=sac", "algorithm.learning_starts=0"],
    "point with PPO": [*SMALL, "env=point"],
    "pencil case with PPO": [*SMALL, "env=pencil_case"],
}


def main() -> None:
    """Count, tell."""
    if sys.argv[1] == "ring":
        cfg = composed(["env=point", "reward=environment", "algorithm=sac", "algorithm.rollout_length=15"])
        parts, settings = build.build(cfg)
        state = init_state(parts, settings.seed)
        ring = follow_ring(Rounds(parts, {}, state, None), state, 8)
        tell(ring._asdict() | {"copies": len(ring.copies)})
        return
    jax.config.update("jax_disable_most_optimizations", True)  # what counts is how often it compiles
    found = {}
    for name, overrides in PAIRS.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = len(compiled_after_first_round(composed(overrides), Path(folder))[1])
    tell(found)


if __name__ == "__main__":
    main()

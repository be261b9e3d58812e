"""Bob's paths in a hall, by the policy that a run has learned."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from rl_rewards.games.rules import FLAGS
from rl_rewards.loop.policies import restore_policy

LEFT, RIGHT = 0, 1


def shortest_paths(run_dir: Path, seeds: Sequence[int], length: int, trust: Sequence[str] = ()) -> list[float]:
    """Return the share of pairs (start, goal) of a hall for which the mode of Bob's policy takes a shortest path.

    Args:
        trust: as of :func:`restore_policy`.
    """
    return [float(np.mean(_shortest(_directions(run_dir, seed, length, trust)))) for seed in seeds]


def _directions(run_dir: Path, seed: int, length: int, trust: Sequence[str]) -> np.ndarray:
    """Return Bob's action on each cell for each goal [length, length]."""
    policy = restore_policy(run_dir, seed, trust)
    cell, goal = np.meshgrid(np.arange(length), np.arange(length), indexing="ij")
    one_hot = np.eye(length, dtype=np.float32)
    flags = np.zeros((length * length, len(FLAGS)), np.float32)  # neither Alice's turn nor a task, an opponent of today
    obs = np.concatenate([one_hot[cell.ravel()], one_hot[goal.ravel()], flags], axis=-1)
    memory = policy.algorithm.initial_memory(len(obs))
    action, _, _ = policy.algorithm.act(policy.state, memory, jnp.asarray(obs), jax.random.key(0), explore=False)
    return np.asarray(action).reshape(length, length)


def _shortest(directions: np.ndarray) -> Bool[np.ndarray, " pairs"]:
    """Mark the pairs of different cells for which every cell on the way leads on towards the goal."""
    length = len(directions)
    pairs = [(start, goal) for start in range(length) for goal in range(length) if start != goal]

    def leads(start: int, goal: int) -> bool:
        cells = range(start, goal) if goal > start else range(goal + 1, start + 1)
        return all(directions[cell, goal] == (RIGHT if goal > start else LEFT) for cell in cells)

    return np.array([leads(*pair) for pair in pairs])

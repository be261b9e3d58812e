"""What studies of self-play read off the runs of two players: their games over training, and Bob's paths in a hall."""

from pathlib import Path
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from rl_rewards.games.rules import FLAGS
from rl_rewards.loop.policies import restore_policy
from rl_rewards.reporting.run_files import RunFiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEFT, RIGHT = 0, 1


def over_rounds(run: RunFiles, key: str) -> Float[np.ndarray, "rounds seeds"]:
    """A metric of every round; NaN where a round had nothing to tell."""
    found = [row.get(key) for row in run.rows]
    each = [value if isinstance(value, list) else [value] * run.num_seeds for value in found]
    return np.array(each, float)  # None becomes NaN


def last_third(found: Float[np.ndarray, "rounds seeds"]) -> list[float]:
    """Mean over the last third of training, of each seed."""
    return np.nanmean(found[-max(1, len(found) // 3) :], axis=0).tolist()


def first_third(found: Float[np.ndarray, "rounds seeds"]) -> list[float]:
    return np.nanmean(found[: max(1, len(found) // 3)], axis=0).tolist()


def shortest_paths(run_dir: Path, seeds: list[int], length: int) -> list[float]:
    """Share of all pairs (start, goal) of a hall for which the mode of Bob's policy takes a shortest path; per seed."""
    return [float(np.mean(_shortest(_directions(run_dir, seed, length)))) for seed in seeds]


def _directions(run_dir: Path, seed: int, length: int) -> np.ndarray:
    """What Bob does on each cell for each goal [length, length]."""
    policy = restore_policy(run_dir, seed)
    cell, goal = np.meshgrid(np.arange(length), np.arange(length), indexing="ij")
    one_hot = np.eye(length, dtype=np.float32)
    flags = np.zeros((length * length, len(FLAGS)), np.float32)  # neither Alice's turn nor a task, an opponent of today
    obs = np.concatenate([one_hot[cell.ravel()], one_hot[goal.ravel()], flags], axis=-1)
    action, _ = policy.algorithm.act(policy.state, jnp.asarray(obs), jax.random.key(0), explore=False)
    return np.asarray(action).reshape(length, length)


def _shortest(directions: np.ndarray) -> Bool[np.ndarray, "pairs"]:
    """Of all pairs of different cells: whether every cell on the way leads on towards the goal."""
    length = len(directions)
    pairs = [(start, goal) for start in range(length) for goal in range(length) if start != goal]

    def leads(start: int, goal: int) -> bool:
        cells = range(start, goal) if goal > start else range(goal + 1, start + 1)
        return all(directions[cell, goal] == (RIGHT if goal > start else LEFT) for cell in cells)

    return np.array([leads(*pair) for pair in pairs])


def draw_over_training(axes: "Axes", run: RunFiles, key: str, colour: str, label: str) -> None:
    """A metric of every round: each seed thin, their mean thick."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    steps = [row["env_steps"] for row in run.rows]
    found = over_rounds(run, key)
    axes.plot(steps, found, color=colour, linewidth=0.5, alpha=0.3)
    axes.plot(steps, np.nanmean(found, axis=1), color=colour, linewidth=2.0, label=label)
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))

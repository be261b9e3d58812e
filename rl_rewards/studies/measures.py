"""Numbers that studies read from an arm, one for every seed."""

import numpy as np
from jaxtyping import Float

from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.run_files import RunFiles

SUCCESS = "eval/success"
LEARNED = "eval/learned_reward_final"
HELDOUT = "eval/prob_heldout_goals"
LAST = 3
"""Evaluations at the end over which a seed's outcome is averaged: single ones dip."""
THRESHOLD = 0.8
"""Success above which a task counts as learned."""


def series(run: RunFiles, key: str) -> Float[np.ndarray, "evaluations seeds"]:
    """Return a metric at every evaluation."""
    return np.array([values(row, key) for row in run.evaluation_rows])


def last_mean(run: RunFiles, key: str, count: int = LAST) -> list[float]:
    """Return the mean of ``key`` over the last ``count`` evaluations, of each seed.

    Evaluations from the first half of training are left out: cloning may stop early, with few evaluations, and the
    first of them is of an untrained policy.
    """
    ends = [int(row["round"] or 0) + 1 for row in run.evaluation_rows]
    late = sum(2 * end > ends[-1] for end in ends)
    return series(run, key)[-min(count, late) :].mean(axis=0).tolist()


def best_mean(run: RunFiles, key: str, count: int = LAST) -> list[float]:
    """Return the best mean over ``count`` evaluations in a row, of each seed: a single lucky one does not count."""
    found = series(run, key)
    windows = [found[i : i + count].mean(axis=0) for i in range(len(found) - count + 1)]
    return np.max(windows, axis=0).tolist()


def share_fallen(run: RunFiles, key: str = SUCCESS, threshold: float = THRESHOLD) -> list[float]:
    """Return the share of evaluations at or below ``threshold`` after the first above it; 1 for a seed without one."""
    shares = []
    for one in series(run, key).T:
        above = np.flatnonzero(one > threshold)
        shares.append(float(np.mean(one[above[0] :] <= threshold)) if above.size else 1.0)
    return shares


def final_scenes(evaluation: StoredEvaluation) -> Float[np.ndarray, "episodes k"]:
    """Return the final scenes of one seed's evaluation, of the episodes whose scenes are stored."""
    scenes = evaluation.arrays["scene"]
    final = np.maximum(evaluation.valid.sum(axis=0) - 1, 0)[: scenes.shape[1]]
    return scenes[final, np.arange(scenes.shape[1])]


def reached_at(run: RunFiles, key: str, level: float, clock: str = "env_steps") -> list[float]:
    """Return the value of ``clock`` at the first evaluation with ``level`` or more of ``key``; else infinity."""
    times = np.array([np.broadcast_to(values(row, clock), run.num_seeds) for row in run.evaluation_rows])
    there = series(run, key) >= level
    first = np.where(there.any(axis=0), times[there.argmax(axis=0), np.arange(run.num_seeds)], np.inf)
    return first.tolist()


def late_minus_early(found: Float[np.ndarray, "evaluations seeds"]) -> list[float]:
    """Return the mean over the last third of the evaluations minus that over the first, of each seed."""
    third = max(1, len(found) // 3)
    return (found[-third:].mean(axis=0) - found[:third].mean(axis=0)).tolist()


def over_rounds(run: RunFiles, key: str) -> Float[np.ndarray, "rounds seeds"]:
    """Return a metric of every round; NaN where a round did not measure it."""
    found = [row.get(key) for row in run.rows]
    each = [value if isinstance(value, list) else [value] * run.num_seeds for value in found]
    return np.array(each, float)  # None becomes NaN


def last_third(found: Float[np.ndarray, "rounds seeds"]) -> list[float]:
    """Return the mean over the last third of training, of each seed."""
    return np.nanmean(found[-max(1, len(found) // 3) :], axis=0).tolist()


def first_third(found: Float[np.ndarray, "rounds seeds"]) -> list[float]:
    """Return the mean over the first third of training, of each seed."""
    return np.nanmean(found[: max(1, len(found) // 3)], axis=0).tolist()

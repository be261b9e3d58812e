"""What studies read off an arm: one number for every seed, and how sure ten of them make us."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from rl_rewards.core.intervals import mean_interval, share_interval
from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Verdict

SUCCESS = "eval/success"
LEARNED = "eval/learned_reward_final"
HELDOUT = "eval/prob_heldout_goals"
LAST = 3
"""Evaluations at the end over which a seed's outcome is averaged: single ones dip."""
THRESHOLD = 0.8
RESAMPLES = 9999


def series(run: RunFiles, key: str) -> Float[np.ndarray, "evaluations seeds"]:
    """Every evaluation of a metric."""
    return np.array([values(row, key) for row in run.evaluation_rows])


def last_mean(run: RunFiles, key: str, count: int = LAST) -> list[float]:
    """Mean of ``key`` over the last ``count`` evaluations, of each seed; none from the first half of training.

    Cloning may stop early, with few evaluations, of which the first is of an untrained policy.
    """
    ends = [int(row["round"] or 0) + 1 for row in run.evaluation_rows]
    late = sum(2 * end > ends[-1] for end in ends)
    return series(run, key)[-min(count, late) :].mean(axis=0).tolist()


def best_mean(run: RunFiles, key: str, count: int = LAST) -> list[float]:
    """The best mean over ``count`` evaluations in a row of each seed; a single lucky evaluation does not count."""
    found = series(run, key)
    windows = [found[i : i + count].mean(axis=0) for i in range(len(found) - count + 1)]
    return np.max(windows, axis=0).tolist()


def share_fallen(run: RunFiles, key: str = SUCCESS, threshold: float = THRESHOLD) -> list[float]:
    """Share of each seed's evaluations at or below ``threshold`` after its first above; 1 when it never got there."""
    shares = []
    for one in series(run, key).T:
        above = np.flatnonzero(one > threshold)
        shares.append(float(np.mean(one[above[0] :] <= threshold)) if above.size else 1.0)
    return shares


def final_scenes(evaluation: StoredEvaluation) -> Float[np.ndarray, "episodes k"]:
    """Where the episodes whose scenes were kept ended, of one seed's evaluation."""
    scenes = evaluation.arrays["scene"]
    final = np.maximum(evaluation.valid.sum(axis=0) - 1, 0)[: scenes.shape[1]]
    return scenes[final, np.arange(scenes.shape[1])]


def seeds_above(found: Sequence[float], threshold: float) -> tuple[int, tuple[float, float]]:
    """How many seeds lie above ``threshold``, and the 95% Clopper-Pearson interval of their share."""
    above = sum(value > threshold for value in found)
    return above, share_interval(above, len(found))


def in_words(found: Sequence[float]) -> str:
    """Mean over seeds and its 95% bootstrap interval."""
    mean, low, high = mean_interval(found)
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def enough_seeds(
    claim: str, measured: str, yes: Sequence[bool], needed: float, per_seed: dict[str, Sequence[float]]
) -> Verdict:
    """Holds where at least the share ``needed`` of the seeds says yes; a small study rounds it up."""
    count = sum(yes)
    interval = share_interval(count, len(yes))
    text = f"{count} of {len(yes)} seeds (95% interval of the share {interval[0]:.2f} to {interval[1]:.2f}); {measured}"
    return Verdict(claim, text, count >= needed * len(yes), interval, "share of seeds", per_seed)


def above_zero(claim: str, what: str, differences: Sequence[float], per_seed: dict[str, Sequence[float]]) -> Verdict:
    """Holds where the whole interval of a mean over seeds lies above zero.

    Args:
        what: is above zero if the claim holds, e.g. "success lost".
    """
    mean, low, high = mean_interval(differences)
    return Verdict(claim, f"{what}: {mean:.2f} [{low:.2f}, {high:.2f}].", low > 0.0, (low, high), what, per_seed)


def more_than(claim: str, found: Mapping[str, Sequence[float]], better: str, worse: str, what: str) -> Verdict:
    """Holds where the whole interval of what ``better`` has more than ``worse``, paired by seed, lies above zero."""
    both = {name: list(found[name]) for name in (better, worse)}
    gained = less(both[better], both[worse])
    _, low, high = mean_interval(gained)
    return Verdict(
        claim,
        f"{in_words(both[better])} against {in_words(both[worse])}; {in_words(gained)} more.",
        low > 0.0,
        (low, high),
        f"{what} more, paired by seed",
        both,
    )


def less(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """``first`` minus ``second``, paired by seed."""
    return [a - b for a, b in zip(first, second, strict=True)]


def reached_at(run: RunFiles, key: str, level: float, clock: str = "env_steps") -> list[float]:
    """What ``clock`` shows when an evaluation first shows ``level`` of ``key``, of each seed; infinite if none does."""
    times = np.array([np.broadcast_to(values(row, clock), run.num_seeds) for row in run.evaluation_rows])
    there = series(run, key) >= level
    first = np.where(there.any(axis=0), times[there.argmax(axis=0), np.arange(run.num_seeds)], np.inf)
    return first.tolist()


def ratio_of_medians(one: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Of counts of steps or episodes, infinite for "never": with its 95% percentile bootstrap interval over seeds.

    Never over never counts as 1.
    """
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(one), (RESAMPLES, len(one)))

    def ratio(rows: np.ndarray) -> float:
        above, below = np.median(np.asarray(one)[rows]), np.median(np.asarray(other)[rows])
        return 1.0 if np.isinf(above) and np.isinf(below) else above / max(below, 1.0)

    found = [ratio(rows) for rows in draws]
    low, high = np.quantile(found, [0.025, 0.975], method="inverted_cdf")
    return ratio(np.arange(len(one))), float(low), float(high)


def late_minus_early(found: Float[np.ndarray, "evaluations seeds"]) -> list[float]:
    """Mean over the last third of the evaluations minus that over the first, of each seed."""
    third = max(1, len(found) // 3)
    return (found[-third:].mean(axis=0) - found[:third].mean(axis=0)).tolist()


def over_rounds(run: RunFiles, key: str) -> Float[np.ndarray, "rounds seeds"]:
    """A metric of every round; NaN where a round had nothing to tell."""
    found = [row.get(key) for row in run.rows]
    each = [value if isinstance(value, list) else [value] * run.num_seeds for value in found]
    return np.array(each, float)  # None becomes NaN


def last_third(found: Float[np.ndarray, "rounds seeds"]) -> list[float]:
    """Mean over the last third of training, of each seed."""
    return np.nanmean(found[-max(1, len(found) // 3) :], axis=0).tolist()


def first_third(found: Float[np.ndarray, "rounds seeds"]) -> list[float]:
    """Mean over the first third of training, of each seed."""
    return np.nanmean(found[: max(1, len(found) // 3)], axis=0).tolist()

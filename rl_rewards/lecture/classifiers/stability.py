"""Does the adversarial classifier's policy keep a task that it has learned, and what helps it to?

A policy that masters a task gathers where the task is done. Negatives by visits then crowd out the goals there, the
classifier unlearns them, and success is lost again; see rewards.places for the optimum. The arms are negatives by
places, and remedies with negatives by visits: a learning-rate schedule, an averaged classifier, recent negatives, the
positive-unlabelled risk and focal weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import GOALS
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, enough_seeds, gained, in_words, less
from rl_rewards.studies.drawing import SUCCESS_CURVE, draw_curves
from rl_rewards.studies.measures import (
    LAST,
    SUCCESS,
    THRESHOLD,
    last_mean,
    reached_at,
    series,
    share_fallen,
)

ON_SUCCESSES = "eval/prob_successes"
BASELINE, REMEDY = "visits", "places"
MASTERED = 0.9
KEPT = 0.9
"""The share of all seeds that must keep the task, and end with it."""
HALF = 0.5
ROUNDING = 1e-9
"""Rounding of a mean of shares in single precision."""


@dataclass(frozen=True, kw_only=True)
class Stability:
    """Judges the arms of configs/experiment/lecture/classifiers/stability; all but ``visits`` are optional."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        fallen = {name: share_fallen(run) for name, run in arms.items()}
        claims = [steadier(name, fallen) for name in arms if name != BASELINE]
        for name in [name for name in arms if name.startswith(REMEDY)]:
            claims.append(keeps_the_task(name, lost_after_mastery(arms[name])))
            claims.append(ends_well(name, last_mean(arms[name], SUCCESS, 1)))
            claims.append(above_half(name, _on_successes(arms[name])))
        return Findings(claims, {name: arm_numbers(run) for name, run in arms.items()})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        titles = {}
        for name in arms:
            mean, low, high = findings.details[name]["share of evaluations lost"]
            titles[name] = f"{name.replace('_', ' ')}: {mean:.2f} [{low:.2f}, {high:.2f}] of evaluations lost"
        draw_curves(arms, titles, [SUCCESS_CURVE, (ON_SUCCESSES, GOALS, "D, visited successes")], path)


def lost_after_mastery(run: RunFiles) -> list[int]:
    """Return how many evaluations are below .8 after the first at or above .9; -1 for a seed without one."""
    counts = []
    for one in series(run, SUCCESS).T:
        there = np.flatnonzero(one >= MASTERED)
        counts.append(int(np.sum(one[there[0] :] < THRESHOLD)) if there.size else -1)
    return counts


def arm_numbers(run: RunFiles) -> dict[str, object]:
    """Return the numbers of an arm as plain data."""
    end = last_mean(run, SUCCESS, 1)
    first = reached_at(run, SUCCESS, THRESHOLD)
    on_successes = _on_successes(run)
    return {
        "share of evaluations lost": mean_interval(share_fallen(run)),
        "evaluations lost after mastery": lost_after_mastery(run),
        "env steps to 0.8": first,
        "median env steps to 0.8": float(np.median(first)),
        "success at the end": end,
        "mean success at the end": mean_interval(end),
        "seeds at or above 0.9 at the end": [sum(value >= MASTERED for value in end), len(end)],
        "D on visited successes at the end": on_successes,
        "mean D on visited successes at the end": mean_interval(on_successes) if on_successes else None,
    }


def _on_successes(run: RunFiles) -> list[float]:
    """Return D on visited successes in the last evaluations, of the seeds that visited any."""
    late = np.array([[np.nan if v is None else v for v in _values(row)] for row in run.evaluation_rows[-LAST:]], float)
    seen = ~np.all(np.isnan(late), axis=0)
    return np.nanmean(late[:, seen], axis=0).tolist()


def _values(row: Mapping[str, Any]) -> Sequence[float | None]:
    found = row.get(ON_SUCCESSES)
    return found if isinstance(found, list) else [found]


def steadier(name: str, fallen: Mapping[str, list[float]]) -> Claim:
    return gained(
        f"{name}: a smaller share of evaluations is below {THRESHOLD} after the first above it than with visits.",
        "share lost with visits minus share lost here, paired by seed",
        less(fallen[BASELINE], fallen[name]),
        {name: fallen[name], BASELINE: fallen[BASELINE]},
    )


def keeps_the_task(name: str, lost: Sequence[float]) -> Claim:
    """Claim that most seeds keep the task; ``lost`` is :func:`lost_after_mastery`."""
    return enough_seeds(
        f"{name}: no evaluation after the first at or above {MASTERED} is below {THRESHOLD}, in {KEPT:.0%} of seeds.",
        f"evaluations lost, of each seed (-1: never mastered): {list(lost)}.",
        [count == 0 for count in lost],
        KEPT,
        {"evaluations lost after mastery": lost},
    )


def ends_well(name: str, end: Sequence[float]) -> Claim:
    return enough_seeds(
        f"{name}: success is at or above {MASTERED} in the last evaluation, in {KEPT:.0%} of seeds.",
        f"success {in_words(end)}.",
        [value >= MASTERED - ROUNDING for value in end],
        KEPT,
        {"success at the end": end},
    )


def above_half(name: str, found: Sequence[float]) -> Claim:
    return at_least(
        f"{name}: D is at least {HALF} on the successes that the policy visits, at the end.",
        f"mean {in_words(found)}, lowest seed {min(found):.2f}." if found else "no seed visits a success.",
        "mean output of the classifier on visited successes",
        found,
        HALF,
        {"D on visited successes": found},
    )

"""Numbers that the studies of language read from an arm, and their panels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.measures import over_rounds, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GOLD, PROXY = "eval/true_return", "eval/learned_return"
KL = "agent/reference_kl"
FALL = 0.5
"""The least fall of gold from its best evaluation that counts as over-optimisation; gold lies between -4 and 4."""
BETTER = 0.3
"""The least difference of gold that counts."""
ROUNDS = 5
"""Rounds at the end of a stage over which a metric of training is averaged."""


def best(found: Float[np.ndarray, "evaluations seeds"]) -> Float[np.ndarray, " seeds"]:
    """Return the best mean of two evaluations in a row, of each seed: a single lucky one does not count."""
    return np.max((found[1:] + found[:-1]) / 2, axis=0)


def at_the_end(run: RunFiles, key: str) -> list[float]:
    """Return the mean of a metric of training over the last ``ROUNDS`` rounds that have one, of each seed."""
    return np.nanmean(over_rounds(run, key)[-ROUNDS:], axis=0).tolist()


def at_evaluations(run: RunFiles, key: str) -> Float[np.ndarray, "evaluations seeds"]:
    """Return a metric of the policy's responses for the policies that were evaluated.

    A round samples responses before it updates the policy, so that those of an evaluated policy are in the next round;
    the last round has only those before its own update. ``algorithm=dpo`` samples after the update.
    """
    found, rounds = over_rounds(run, key), np.asarray(evaluated_rounds(run))
    later = 0 if run.choices[2] == "dpo" else 1
    return found[np.minimum(rounds - 1 + later, len(found) - 1)]


def at_level(run: RunFiles, start: Sequence[float], level: float) -> list[float]:
    """Return the gold of each seed where its KL divergence first reaches ``level`` nats, interpolated over √KL.

    Args:
        start: gold of each seed at a divergence of 0.

    A seed that stays nearer has the gold of its farthest evaluation.
    """
    far = np.sqrt(np.maximum(np.maximum.accumulate(at_evaluations(run, KL), axis=0), 0.0))
    found = series(run, GOLD)
    return [
        float(np.interp(np.sqrt(level), [0.0, *far[:, seed]], [start[seed], *found[:, seed]]))
        for seed in range(len(start))
    ]


def evaluated_rounds(run: RunFiles) -> list[int]:
    """Return the numbers of rounds, counted from 1, after which there was an evaluation."""
    return [int(row["round"] or 0) + 1 for row in run.evaluation_rows]


def draw_path(axes: "Axes", run: RunFiles, colour: str, label: str, style: str = "-") -> None:
    """Draw gold against the square root of the KL divergence, mean over seeds, one point for each evaluation."""
    far = np.sqrt(np.maximum(at_evaluations(run, KL), 0.0)).mean(axis=1)
    axes.plot(
        far, series(run, GOLD).mean(axis=1), color=colour, marker=".", linewidth=1.4, linestyle=style, label=label
    )

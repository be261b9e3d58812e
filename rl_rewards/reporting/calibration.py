"""How well probabilities tell two kinds of states apart (ROC) and how far they can be taken at their word (bins)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

BINS = 10


class KnownOutputs(NamedTuple):
    """A classifier's outputs on states of which the truth is known; both flat, finite and in [0, 1]."""

    goals: np.ndarray
    others: np.ndarray


@dataclass(frozen=True)
class Roc:
    """Shares called a goal as the threshold falls from above all outputs to below them, [k] each, from 0 to 1."""

    others_called_goal: np.ndarray
    goals_called_goal: np.ndarray

    @property
    def area(self) -> float:
        """Chance that a goal's output is above another state's, a tie counting half."""
        return float(np.trapezoid(self.goals_called_goal, self.others_called_goal))


@dataclass(frozen=True)
class Reliability:
    """By bin of the output, only bins that hold states: [k] each."""

    mean_output: np.ndarray
    share_of_goals: np.ndarray
    low: np.ndarray  # edges of the bin
    high: np.ndarray
    count: np.ndarray  # states, unweighted


def roc(told: KnownOutputs) -> Roc | None:
    """None where one of the two kinds is missing."""
    if not told.goals.size or not told.others.size:
        return None
    thresholds = np.unique(np.concatenate([told.goals, told.others]))[::-1]
    shares = [1.0 - np.searchsorted(np.sort(part), thresholds, side="left") / part.size for part in told]
    goals, others = (np.concatenate([[0.0], share]) for share in shares)
    return Roc(others_called_goal=others, goals_called_goal=goals)


def reliability(told: KnownOutputs, balanced: bool) -> Reliability | None:
    """The share of goals among states with about the same output.

    Args:
        balanced: weigh both kinds the same as a whole, as a classifier sees them that learns from balanced batches.
    """
    if not (told.goals.size if balanced else told.goals.size + told.others.size) or (balanced and not told.others.size):
        return None
    output = np.concatenate(told)
    is_goal = np.arange(output.size) < told.goals.size
    weight = np.where(is_goal, 0.5 / max(told.goals.size, 1), 0.5 / max(told.others.size, 1)) if balanced else 1.0
    weight = np.broadcast_to(weight, output.shape)
    in_bin = np.minimum((output * BINS).astype(int), BINS - 1)
    count = np.bincount(in_bin, minlength=BINS)
    used = np.flatnonzero(count)
    mass = np.bincount(in_bin, weight, BINS)[used]
    return Reliability(
        mean_output=np.bincount(in_bin, weight * output, BINS)[used] / mass,
        share_of_goals=np.bincount(in_bin, weight * is_goal, BINS)[used] / mass,
        low=used / BINS,
        high=(used + 1) / BINS,
        count=count[used],
    )

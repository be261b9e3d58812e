"""ROC curves and reliability diagrams of a classifier's outputs."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

BINS = 10


class KnownOutputs(NamedTuple):
    """A classifier's outputs on labelled states: two flat arrays of finite values in [0, 1]."""

    goals: np.ndarray
    others: np.ndarray


@dataclass(frozen=True)
class Roc:
    """An ROC curve: false and true positive rates as the threshold falls, [k] each, from 0 to 1."""

    others_called_goal: np.ndarray
    goals_called_goal: np.ndarray

    @property
    def area(self) -> float:
        """The probability that a goal's output is above another state's; a tie counts half."""
        return float(np.trapezoid(self.goals_called_goal, self.others_called_goal))


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: one entry per non-empty bin of the output, [k] each."""

    mean_output: np.ndarray
    share_of_goals: np.ndarray
    low: np.ndarray  # lower edge of the bin
    high: np.ndarray
    count: np.ndarray  # number of states, unweighted


def roc(outputs: KnownOutputs) -> Roc | None:
    """Return the ROC curve of ``outputs``; None if there are no goals or no other states."""
    if not outputs.goals.size or not outputs.others.size:
        return None
    thresholds = np.unique(np.concatenate([outputs.goals, outputs.others]))[::-1]
    shares = [1.0 - np.searchsorted(np.sort(part), thresholds, side="left") / part.size for part in outputs]
    goals, others = (np.concatenate([[0.0], share]) for share in shares)
    return Roc(others_called_goal=others, goals_called_goal=goals)


def reliability(outputs: KnownOutputs, balanced: bool) -> Reliability | None:
    """Return the share of goals among states with similar outputs; None if a kind of states that it needs is missing.

    Args:
        balanced: weight goals and other states so that each kind has half of the total weight, as in balanced training
            batches.
    """
    if not (outputs.goals.size if balanced else outputs.goals.size + outputs.others.size) or (
        balanced and not outputs.others.size
    ):
        return None
    output = np.concatenate(outputs)
    is_goal = np.arange(output.size) < outputs.goals.size
    weight = np.where(is_goal, 0.5 / max(outputs.goals.size, 1), 0.5 / max(outputs.others.size, 1)) if balanced else 1.0
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

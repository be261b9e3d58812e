"""An example of a scripted person for ``env=point``, who prefers the clip that ends nearer to the middle.

The notebook reward_from_comparisons.ipynb lets it answer in your place. ``labeler=nearer`` is
configs/labeler/nearer.yaml.
"""

from dataclasses import dataclass

import numpy as np

from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Transition
from rl_rewards.labelers.at_once import AnswersAtOnce
from rl_rewards.labelers.base import Assignment, Labeler, Labeling


@dataclass(frozen=True)
class Nearer(Labeling):
    """Compares the distances from the middle at the ends of clips; those closer than ``same`` are equally good."""

    same: float

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("next_obs",))

    def make(self, assignment: Assignment) -> Labeler:
        """Return the judge for one seed's run."""
        return AnswersAtOnce(assignment, self.scores)

    def scores(self, segments: Transition) -> np.ndarray:
        """Return one score per segment, [K], higher is better; ``next_obs`` is [K, L, 2]."""
        distance = np.linalg.norm(segments.next_obs[:, -1], axis=-1)
        return -np.round(distance / self.same)

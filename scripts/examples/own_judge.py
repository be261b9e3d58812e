"""An example of your own judge for ``reward=preferences``: of two clips it prefers the one with smaller actions.

    PYTHONPATH=scripts/examples python -m rl_rewards.run --config-dir scripts/examples/configs \
        env=cart reward=preferences reward.segment_steps=10 labeler=gentle algorithm=ppo_control total_env_steps=100_000

``labeler=gentle`` is configs/labeler/gentle.yaml. A judge that answers later, such as a person or a remote model,
implements ``submit``, ``open`` and ``collect`` itself (rl_rewards/labelers/base.py).
"""

from dataclasses import dataclass

import numpy as np

from rl_rewards.core.types import Transition
from rl_rewards.labelers.at_once import AnswersAtOnce
from rl_rewards.labelers.base import Assignment, Labeler, Labeling


@dataclass(frozen=True)
class Gentle(Labeling):
    """Prefers clips with smaller mean squared actions; ``same`` is the unit to which these are rounded."""

    same: float

    def make(self, assignment: Assignment) -> Labeler:
        """Return the judge for one seed's run."""
        return AnswersAtOnce(assignment, self.scores)

    def scores(self, segments: Transition) -> np.ndarray:
        """Return one score per segment, [K], higher is better; the arrays of ``segments`` are [K, L, ...]."""
        effort = np.square(segments.action).reshape(len(segments.action), -1).mean(axis=1)
        return -np.round(effort / self.same)

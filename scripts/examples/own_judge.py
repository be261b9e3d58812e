"""A judge of one's own for ``reward=preferences``: of two clips it prefers the one with the gentler actions.

    PYTHONPATH=scripts/examples python -m rl_rewards.run --config-dir scripts/examples/configs \
        env=cart reward=preferences reward.segment_steps=10 labeler=gentle algorithm=ppo_control total_env_steps=100_000

``labeler=gentle`` is configs/labeler/gentle.yaml. A judge that takes its time, as people and remote models do, writes
``submit``, ``open`` and ``collect`` itself (rl_rewards/labelers/base.py).
"""

from dataclasses import dataclass

import numpy as np

from rl_rewards.core.types import Transition
from rl_rewards.labelers.at_once import AnswersAtOnce
from rl_rewards.labelers.base import Assignment, Labeler, Labeling


@dataclass(frozen=True)
class Gentle(Labeling):
    """Clips whose mean squared actions differ by less than ``same`` are equally good."""

    same: float

    def make(self, assignment: Assignment) -> Labeler:
        """The judge of one seed's run."""
        return AnswersAtOnce(assignment, self.scores)

    def scores(self, segments: Transition) -> np.ndarray:
        """One score for each of the K segments, whose arrays are [K, L, ...]; the higher the better."""
        effort = np.square(segments.action).reshape(len(segments.action), -1).mean(axis=1)
        return -np.round(effort / self.same)

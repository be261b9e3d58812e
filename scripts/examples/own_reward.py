"""A reward source of one's own that learns: it pays for states which the policy has seldom been near.

    PYTHONPATH=scripts/examples python -m rl_rewards.run --config-dir scripts/examples/configs \
        env=point reward=unusual algorithm=ppo_point total_env_steps=100_000

``reward=unusual`` is configs/reward/unusual.yaml. A fixed reward needs ``reward`` alone: ``init``, ``update`` and
``requirements`` have defaults.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rl_rewards.core.normalize import RunningMoments
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Examples, Experience, Metrics, Transition
from rl_rewards.rewards.base import RewardSource


@dataclass(frozen=True)
class Unusual(RewardSource):
    """r = weight * distance of s' from the mean of all visited states, counted in their standard deviations."""

    spec: EnvSpec  # what the environment says about itself; the runner gives it
    weight: float

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("next_obs",), needs_rollouts=True)

    def init(self, key: jax.Array) -> RunningMoments:
        return RunningMoments.init(self.spec.obs.shape)

    def reward(self, state: RunningMoments, transitions: Transition) -> jax.Array:
        deviations = (transitions.next_obs - state.mean) / jnp.sqrt(state.variance + 1e-6)
        return self.weight * jnp.linalg.norm(deviations, axis=-1)  # one number for each transition

    def update(
        self, state: RunningMoments, data: Examples, experience: Experience, round: jax.Array, key: jax.Array
    ) -> tuple[RunningMoments, Metrics]:
        """Called once a round, before the policy learns; metrics begin with ``reward/``."""
        rollout = experience.rollout
        assert rollout is not None, "needs_rollouts makes the runner refuse algorithms that collect nothing"
        state = state.update(rollout.next_obs, rollout.valid)
        return state, {"reward/spread": jnp.mean(jnp.sqrt(state.variance))}

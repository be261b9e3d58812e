"""An example of your own reward source that learns: it pays for states that the policy has rarely been near.

    PYTHONPATH=scripts/examples python -m rl_rewards.run --config-dir scripts/examples/configs \
        env=point reward=unusual algorithm=ppo_point total_env_steps=100_000

``reward=unusual`` is configs/reward/unusual.yaml. A fixed reward needs only the method ``reward``, because ``init``,
``update`` and ``requirements`` have defaults.
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
    """Pays ``weight`` times the distance of s' from the mean of all visited states, in their standard deviations."""

    spec: EnvSpec  # the environment's description, which the runner supplies
    weight: float

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("next_obs",), needs_rollouts=True)

    def init(self, key: jax.Array) -> RunningMoments:
        return RunningMoments.init(self.spec.obs.shape)

    def reward(self, state: RunningMoments, transitions: Transition) -> jax.Array:
        deviations = (transitions.next_obs - state.mean) / jnp.sqrt(state.variance + 1e-6)
        return self.weight * jnp.linalg.norm(deviations, axis=-1)  # one number per transition

    def update(
        self, state: RunningMoments, data: Examples, experience: Experience, round: jax.Array, key: jax.Array
    ) -> tuple[RunningMoments, Metrics]:
        """Update the moments, once per round before the policy learns; names of metrics begin with ``reward/``."""
        rollout = experience.rollout
        assert rollout is not None, "with needs_rollouts, the runner refuses algorithms that collect no rollouts"
        state = state.update(rollout.next_obs, rollout.valid)
        return state, {"reward/spread": jnp.mean(jnp.sqrt(state.variance))}

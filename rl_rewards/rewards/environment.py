"""The environment's own reward, unchanged: the baseline for every learned reward."""

from dataclasses import dataclass

from jax import Array
from jaxtyping import Float

from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Transition
from rl_rewards.rewards.base import RewardSource


@dataclass(frozen=True, kw_only=True)
class EnvironmentReward(RewardSource):
    """r = env_reward. It has no state and learns nothing."""

    spec: EnvSpec

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("env_reward",), stationary=True)

    def reward(self, state: dict, transitions: Transition) -> Float[Array, "*batch"]:
        del state
        return transitions.env_reward

"""Rewards without information, as baselines: whatever a policy seems to learn with them does not come from a reward.

In an environment whose episodes can end early, even a constant reward influences how long they last.
"""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Key, Transition
from rl_rewards.models.base import Model, check_model, refuse_training_mode
from rl_rewards.models.networks import apply
from rl_rewards.rewards.base import RewardSource, feature_size, make_features


@dataclass(frozen=True, kw_only=True)
class Constant(RewardSource):
    """r = value, and 0 after a termination, so that its sign favours long or short episodes. Keys:
    configs/reward/constant.yaml."""

    spec: EnvSpec
    value: float

    def __post_init__(self) -> None:
        check_fields(self, "reward")

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=(), stationary=True)

    def reward(self, state: Any, transitions: Transition) -> Float[Array, "*batch"]:
        del state
        return jnp.full(transitions.valid.shape, self.value, jnp.float32)


@dataclass(frozen=True, kw_only=True)
class RandomReward(Constant):
    """r = ``value`` times the output of an untrained network of (s, a). Keys: configs/reward/random.yaml."""

    model: Model

    def __post_init__(self) -> None:
        super().__post_init__()
        check_model(self.model, "reward.model")
        refuse_training_mode(self.model, "reward.model")

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("obs", "action"), stationary=True)

    @property
    def _network(self) -> nn.Module:
        return self.model.network(1)

    def init(self, key: Key) -> Any:
        return dict(self._network.init(key, jnp.zeros((1, feature_size(self.spec, "obs_action")))))

    def reward(self, state: Any, transitions: Transition) -> Float[Array, "*batch"]:
        inputs = make_features(self.spec, "obs_action")(transitions.obs, transitions.action)
        return self.value * apply(self._network, state, inputs)[..., 0]

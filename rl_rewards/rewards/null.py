"""Rewards that know nothing, for comparison: what a policy seems to learn under them, it has not learned from a reward.

On an environment whose episodes end early a constant reward alone decides how long they last.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields
from rl_rewards.core.networks import MLP, apply, check_mlp
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition
from rl_rewards.rewards.base import feature_size, make_features

ACTIVATION = "tanh"
"""Of the random reward."""


@dataclass(frozen=True, kw_only=True)
class Constant:
    """r = value. Keys: configs/reward/constant.yaml."""

    spec: EnvSpec
    value: float

    scope: Literal["transition"] = field(default="transition", init=False)
    history: int = field(default=0, init=False)
    needs_examples: bool = field(default=False, init=False)
    reads: tuple[str, ...] = field(default=(), init=False)
    stands_still: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        check_fields(self, "reward")

    def init(self, key: Key) -> Any:
        del key
        return {}

    def reward(self, state: Any, transitions: Transition) -> Float[Array, "*batch"]:
        del state
        return jnp.full(transitions.valid.shape, self.value, jnp.float32)

    def absorbing_reward(self, state: Any) -> Float[Array, ""]:
        """0: nothing is paid after the end, so that the sign of the constant decides."""
        del state
        return jnp.zeros(())

    def update(self, state: Any, data: Examples, experience: Experience, round: Array, key: Key) -> tuple[Any, Metrics]:
        del data, experience, round, key
        return state, {}

    def inspect(self, state: Any, data: Examples, transitions: Transition) -> dict[str, Array]:
        del state, data, transitions
        return {}


@dataclass(frozen=True, kw_only=True)
class RandomReward(Constant):
    """r = ``value`` times an untrained network of (s, a), drawn once. Keys: configs/reward/random.yaml."""

    hidden: tuple[int, ...]

    reads: tuple[str, ...] = field(default=("obs", "action"), init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_mlp("reward", self.hidden, ACTIVATION)

    @property
    def _network(self) -> nn.Module:
        return MLP(tuple(self.hidden), 1, ACTIVATION)

    def init(self, key: Key) -> Any:
        return dict(self._network.init(key, jnp.zeros((1, feature_size(self.spec, "obs_action")))))

    def reward(self, state: Any, transitions: Transition) -> Float[Array, "*batch"]:
        inputs = make_features(self.spec, "obs_action")(transitions.obs, transitions.action)
        return self.value * apply(self._network, state, inputs)[..., 0]

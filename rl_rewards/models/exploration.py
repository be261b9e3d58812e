"""Exploration noise that depends on the state and is kept for several steps (gSDE, arXiv:2005.05719)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from rl_rewards.core.distributions import StateDependentNormal
from rl_rewards.core.keys import new_key
from rl_rewards.core.types import Key
from rl_rewards.models.networks import output_and_last_hidden_layer
from rl_rewards.models.policy import PolicyHead


class KeptNoise(struct.PyTreeNode):
    """The exploration noise of B environments, which is the policy's memory.

    It is standard normal and not yet scaled. So actions have the log density of the current policy even if the policy
    was updated after the noise was drawn.
    """

    noise: Float[Array, "B F A"]
    age: Int[Array, " B"]  # steps taken with this noise; 0: it must be drawn

    @classmethod
    def none_yet(cls, num_envs: int, features: int, actions: int) -> Self:
        """Return the memory before the first step of an episode."""
        return cls(jnp.zeros((num_envs, features, actions)), jnp.zeros(num_envs, jnp.int32))

    def next(self, key: Key, every: int) -> Self:
        """Return the memory with the noise for the next step; noise is drawn again after every ``every`` steps."""
        due = self.age == 0

        def draw(noise: Array) -> Array:
            return jnp.where(due[:, None, None], jax.random.normal(key, noise.shape), noise)

        noise = jax.lax.cond(jnp.any(due), draw, lambda noise: noise, self.noise)
        return self.replace(noise=noise, age=(self.age + 1) % every)


@dataclass(frozen=True)
class StateDependentPolicyHead(PolicyHead):
    """Continuous actions with state-dependent noise; the features are the last hidden layer of the policy network.

    ``initial_log_std`` and ``min_log_std`` apply to the weight of a single feature: with 64 features of absolute value
    1, the standard deviation of an action is eight times as large. As in Stable-Baselines3, no gradient flows from the
    standard deviation into the features; otherwise the policy could change it by changing them.
    """

    @cached_property
    def network(self) -> nn.Module:
        """Maps flat normalised observations [*batch, d] to the mean of the actions."""
        return self.model.network(self.size, output_gain=0.01)

    def init(self, key: Key, inputs: Float[Array, "1 d"]) -> dict:
        network = dict(self.network.init(key, inputs))
        log_std = jnp.full((self.features(inputs.shape[-1]), self.size), self.initial_log_std)
        return {"network": network, "log_std": log_std}

    def features(self, inputs: int) -> int:
        """Return F, the number of features, for inputs of ``inputs`` numbers."""

        def shown(key: Key, x: Array) -> Array:
            return self._mean_and_features(dict(self.network.init(key, x)), x)[1]

        return jax.eval_shape(shown, new_key(0), jnp.zeros((1, inputs))).shape[-1]

    def distribution(self, params: dict, inputs: Float[Array, "*batch d"]) -> StateDependentNormal:
        mean, features = self._mean_and_features(params["network"], inputs)
        log_std = self._at_least_the_floor(params["log_std"])
        return StateDependentNormal(mean, jax.lax.stop_gradient(features), log_std)

    def above_floor(self, params: dict) -> dict:
        return {**params, "log_std": self._at_least_the_floor(params["log_std"])}

    def _mean_and_features(self, params: dict, inputs: Array) -> tuple[Array, Array]:
        return output_and_last_hidden_layer(self.network, params, inputs, "algorithm.noise_every")

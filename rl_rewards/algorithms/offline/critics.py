"""Several Q networks, of which the lowest estimate counts: clipped double Q (TD3, arXiv:1802.09477)."""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rl_rewards.core.types import Discrete, EnvSpec, Key
from rl_rewards.models.base import Model
from rl_rewards.models.heads import ActionValue
from rl_rewards.models.networks import apply


@dataclass(frozen=True)
class Critics:
    """E networks that estimate the value of an action, with parameters [E, ...]."""

    spec: EnvSpec
    model: Model
    count: int = 2  # E

    @cached_property
    def network(self) -> nn.Module:
        """One network: (state, real action) -> [*batch], or state -> the values of all n discrete actions."""
        space = self.spec.action
        return self.model.network(space.n) if isinstance(space, Discrete) else ActionValue(self.model)

    def init(self, key: Key) -> dict:
        """Return initial parameters, with leaves [E, ...]."""
        inputs = (jnp.zeros((1, prod(self.spec.obs.shape))),)
        if not isinstance(self.spec.action, Discrete):
            inputs += (jnp.zeros((1, prod(self.spec.action.shape))),)
        return jax.vmap(lambda k: dict(self.network.init(k, *inputs)))(jax.random.split(key, self.count))

    def values(self, params: dict, inputs: Float[Array, "*batch d"], action: Array) -> Float[Array, "E ..."]:
        """Return Q(s, a) by each network.

        Args:
            action: [*batch, A], scaled to [-1, 1], or choices [*batch].
        """
        if isinstance(self.spec.action, Discrete):
            every = self.of_all_actions(params, inputs)
            return jnp.take_along_axis(every, action[None, ..., None], axis=-1)[..., 0]
        return jax.vmap(lambda one: apply(self.network, one, inputs, action))(params)

    def of_all_actions(self, params: dict, inputs: Float[Array, "*batch d"]) -> Float[Array, "E ... n"]:
        """Return Q(s, a) of all n discrete actions by each network."""
        return jax.vmap(lambda one: apply(self.network, one, inputs))(params)

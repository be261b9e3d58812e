"""Policy heads: a normal or a squashed normal over real actions, a categorical over discrete ones.

Inside a head, real actions are scaled to [-1, 1]; everywhere else they are in the env's units.
"""

from dataclasses import dataclass
from functools import cached_property

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rl_rewards.core.distributions import ActionDistribution, Categorical, DiagonalNormal, TanhNormal
from rl_rewards.core.types import Action, Box, Discrete, EnvSpec, Key, box_bounds
from rl_rewards.models.base import Model
from rl_rewards.models.heads import NormalActor, SquashedActor
from rl_rewards.models.networks import apply


@dataclass(frozen=True)
class ActionScale:
    """Conversion between the network's scale, in which bounded actions lie in [-1, 1], and the env's units."""

    spec: EnvSpec

    @property
    def size(self) -> int:
        """A, the number of entries in a real action."""
        assert isinstance(self.spec.action, Box)
        return int(np.prod(self.spec.action.shape))

    def to_env(self, action: jax.Array) -> Action:
        """Return an action of the network's scale in the env's units, not clipped."""
        if isinstance(self.spec.action, Discrete):
            return action
        middle, half_range = map(jnp.asarray, self._scale())
        return middle + half_range * action.reshape(*action.shape[:-1], *self.spec.action.shape)

    def from_env(self, action: Action) -> jax.Array:
        """Return the inverse of :meth:`to_env`; Box actions become flat, [*batch, A]."""
        if isinstance(self.spec.action, Discrete):
            return action
        middle, half_range = self._scale()
        return ((action - middle) / half_range).reshape(*action.shape[: action.ndim - middle.ndim], -1)

    def _scale(self) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(self.spec.action, Box)
        low, high = box_bounds(self.spec.action)
        bounded = np.isfinite(low) & np.isfinite(high)
        low, high = np.where(bounded, low, np.float32(-1.0)), np.where(bounded, high, np.float32(1.0))
        half_range = np.where(low == high, np.float32(1.0), (high - low) / 2)  # a locked joint: the env clips it
        return np.asarray((low + high) / 2), np.asarray(half_range)


@dataclass(frozen=True)
class PolicyHead(ActionScale):
    """A normal with a state-independent standard deviation, or a categorical for discrete actions."""

    model: Model
    initial_log_std: float  # of actions scaled to [-1, 1]; ignored for discrete actions
    min_log_std: float | None = None  # lower bound of the log std, in the same scale; None means no bound

    @cached_property
    def network(self) -> nn.Module:
        """The network: flat normalised observations [*batch, d] -> parameters of the distribution."""
        if isinstance(self.spec.action, Discrete):
            return self.model.network(self.spec.action.n, output_gain=0.01)
        return NormalActor(self.model, self.size, self.initial_log_std)

    def init(self, key: Key, inputs: Float[Array, "1 d"]) -> dict:
        return dict(self.network.init(key, inputs))

    def distribution(self, params: dict, inputs: Float[Array, "*batch d"]) -> ActionDistribution:
        """Return the distribution over actions in the network's scale; see :meth:`to_env` and :meth:`from_env`."""
        output = apply(self.network, params, inputs)
        if isinstance(self.spec.action, Discrete):
            return Categorical(output)
        mean, log_std = output
        return DiagonalNormal(mean, self._at_least_the_floor(log_std))

    def above_floor(self, params: dict) -> dict:
        """Return ``params`` with the log std clipped at its lower bound ``min_log_std``.

        Below the bound :meth:`distribution` has no gradient with respect to the log std. A learner that calls this
        after each gradient step can therefore raise it again.
        """
        if self.min_log_std is None:
            return params
        inner = params["params"]
        return {**params, "params": {**inner, "log_std": self._at_least_the_floor(inner["log_std"])}}

    def _at_least_the_floor(self, log_std: Float[Array, "*batch A"]) -> Float[Array, "*batch A"]:
        if self.min_log_std is None:
            return log_std
        return jnp.where(log_std < self.min_log_std, self.min_log_std, log_std)  # at the bound the gradient passes


@dataclass(frozen=True)
class SquashedPolicyHead(ActionScale):
    """A tanh-squashed normal with a state-dependent standard deviation, for bounded real actions."""

    model: Model
    log_std_range: tuple[float, float]  # of the normal before tanh

    @cached_property
    def network(self) -> nn.Module:
        """The network: flat observations [*batch, d] -> mean and log std."""
        return SquashedActor(self.model, self.size, self.log_std_range)

    def init(self, key: Key, inputs: Float[Array, "1 d"]) -> dict:
        return dict(self.network.init(key, inputs))

    def distribution(self, params: dict, inputs: Float[Array, "*batch d"]) -> TanhNormal:
        """Return the distribution over actions in the network's scale; see :meth:`to_env` and :meth:`from_env`."""
        return TanhNormal(*apply(self.network, params, inputs))

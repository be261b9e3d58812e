"""Modules built from the networks of a :class:`~rl_rewards.models.base.Model`.

They compute the parameters of a policy's distribution, the value of an action, and a reward with learned shaping.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rl_rewards.models.base import Model


class NormalActor(nn.Module):
    """Mean and state-independent log standard deviation of a normal over actions scaled to [-1, 1]."""

    model: Model
    action_size: int
    initial_log_std: float

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"]) -> tuple[Float[Array, "*batch A"], Float[Array, "*batch A"]]:
        mean = self.model.network(self.action_size, output_gain=0.01)(x)
        log_std = self.param("log_std", nn.initializers.constant(self.initial_log_std), (self.action_size,))
        return mean, jnp.broadcast_to(log_std, mean.shape)


class SquashedActor(nn.Module):
    """Mean and log standard deviation, both state-dependent, of a normal whose samples are then squashed by tanh."""

    model: Model
    action_size: int
    log_std_range: tuple[float, float]

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"]) -> tuple[Float[Array, "*batch A"], Float[Array, "*batch A"]]:
        output = self.model.network(2 * self.action_size, output_gain=0.01)(x)
        mean, raw = jnp.split(output, 2, axis=-1)
        low, high = self.log_std_range
        return mean, low + 0.5 * (high - low) * (jnp.tanh(raw) + 1.0)  # smooth, so the gradient is never 0


class ActionValue(nn.Module):
    """Q(s, a) of a flat state and a flat action in [-1, 1]: [*batch]."""

    model: Model

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"], action: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        return self.model.network(1)(jnp.concatenate([x, action], axis=-1))[..., 0]


class TokenValue(nn.Module):
    """The value of a text after every token, a linear function of a language model's vectors: [*batch].

    It is 0 at first. Its gradient also reaches the language model.
    """

    @nn.compact
    def __call__(self, hidden: Float[Array, "*batch W"]) -> Float[Array, "*batch"]:
        return nn.Dense(1, kernel_init=nn.initializers.zeros)(hidden)[..., 0]


class ShapedReward(nn.Module):
    """f - log pi with f = g + gamma h(s') - h(s), as in AIRL (arXiv:1710.11248, equation 4); output [*batch, 1].

    The input rows are [input of g | s | s' | log pi].
    """

    model: Model  # builds the two networks g and h
    judged: int  # entries in the input of g
    state: int  # entries in s, which is as long as s'
    discount: float

    def setup(self) -> None:
        self.g = self.model.network(1)
        self.h = self.model.network(1)

    def __call__(self, x: Float[Array, "*batch d"], train: bool = False) -> Float[Array, "*batch 1"]:
        judged, state, after, log_prob = jnp.split(x, np.cumsum([self.judged, self.state, self.state]), axis=-1)
        shaping = self.discount * self.h(after, train) - self.h(state, train)
        return self.g(judged, train) + shaping - log_prob

    def unshaped(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch 1"]:
        """Return g alone, [*batch, 1]."""
        return self.g(x[..., : self.judged])

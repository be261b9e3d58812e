"""Every neural network of the project, in flax.linen; nothing else knows which library they are made with."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rl_rewards.core.checks import require

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "tanh": nn.tanh,
    "relu": nn.relu,
    "leaky_relu": nn.leaky_relu,
}


def check_mlp(group: str, hidden: Sequence[int], activation: str) -> None:
    """Of the keys ``hidden`` and ``activation`` of a group, from which an :class:`MLP` is made.

    Raises:
        ConfigError: when a layer has no width, or the activation is not known.
    """
    require(all(width > 0 for width in hidden), f"{group}.hidden={list(hidden)} must be widths of at least 1.")
    require(
        activation in ACTIVATIONS,
        f"{group}.activation={activation} is not known; choose from {', '.join(ACTIVATIONS)}.",
    )


def orthogonal(gain: float) -> Callable[..., jax.Array]:
    """Initialiser of orthogonal weights times ``gain``; under ``vmap`` one matrix after the other.

    A batched QR factorisation shares its matrices out over XLA's CPU threads and waits for them inside one of those
    threads: as many of them at once as there are threads wait for ever (jax 0.10, two cores).
    """
    initializer = nn.initializers.orthogonal(gain)

    def initialize(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return jax.custom_batching.sequential_vmap(lambda key: initializer(key, shape, dtype))(key)

    return initialize


def apply(network: nn.Module, variables: dict, *inputs: jax.Array) -> Any:
    """The network's output in evaluation mode; an array, or a tuple of them."""
    return network.apply(variables, *inputs)


class MLP(nn.Module):
    """A multi-layer perceptron: [*batch, d] -> [*batch, outputs].

    Orthogonal weights (gain sqrt 2 in hidden layers, ``output_gain`` at the end), zero biases. With
    ``spectral_norm`` every layer's largest singular value is held at 1 (Miyato et al. 2018, arXiv:1802.05957); call
    with ``train=True`` and the collection ``batch_stats`` mutable to move its power iteration.
    """

    hidden: tuple[int, ...]
    outputs: int
    activation: str
    output_gain: float = 1.0
    dropout: float = 0.0
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"], train: bool = False) -> Float[Array, "*batch outputs"]:
        for width in self.hidden:
            x = ACTIVATIONS[self.activation](self._dense(width, 2.0**0.5, x, train))
            if self.dropout > 0.0:
                x = nn.Dropout(self.dropout, deterministic=not train)(x)
        self.sow("intermediates", "last_hidden", x)
        return self._dense(self.outputs, self.output_gain, x, train)

    def _dense(self, width: int, gain: float, x: jax.Array, train: bool) -> jax.Array:
        layer = nn.Dense(width, kernel_init=orthogonal(gain))
        if self.spectral_norm:
            return nn.SpectralNorm(layer)(x, update_stats=train)
        return layer(x)


def last_hidden_layer(network: nn.Module, variables: dict, inputs: jax.Array) -> Float[Array, "*batch width"]:
    """Activations of the last hidden layer of an :class:`MLP`, or of a network that ends in one."""
    _, kept = network.apply(variables, inputs, mutable=["intermediates"])
    (activations,) = jax.tree.leaves(kept["intermediates"])
    return activations


class NormalActor(nn.Module):
    """Mean and a state-independent log standard deviation of a normal over actions scaled to [-1, 1]."""

    hidden: tuple[int, ...]
    action_size: int
    activation: str
    initial_log_std: float

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"]) -> tuple[Float[Array, "*batch A"], Float[Array, "*batch A"]]:
        mean = MLP(self.hidden, self.action_size, self.activation, output_gain=0.01)(x)
        log_std = self.param("log_std", nn.initializers.constant(self.initial_log_std), (self.action_size,))
        return mean, jnp.broadcast_to(log_std, mean.shape)


class SquashedActor(nn.Module):
    """Mean and log standard deviation, both of the state, of a normal that is squashed by tanh afterwards."""

    hidden: tuple[int, ...]
    action_size: int
    activation: str
    log_std_range: tuple[float, float]

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"]) -> tuple[Float[Array, "*batch A"], Float[Array, "*batch A"]]:
        output = MLP(self.hidden, 2 * self.action_size, self.activation, output_gain=0.01)(x)
        mean, raw = jnp.split(output, 2, axis=-1)
        low, high = self.log_std_range
        return mean, low + 0.5 * (high - low) * (jnp.tanh(raw) + 1.0)  # a smooth clamp: the gradient never vanishes


class ActionValue(nn.Module):
    """Q(s, a) of a flat state and a flat action in [-1, 1]: [*batch]."""

    hidden: tuple[int, ...]
    activation: str

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"], action: Float[Array, "*batch A"]) -> Float[Array, "*batch"]:
        return MLP(self.hidden, 1, self.activation)(jnp.concatenate([x, action], axis=-1))[..., 0]


class ShapedReward(nn.Module):
    """f - log pi of rows [what g sees | s | s' | log pi], f = g + gamma h(s') - h(s) (arXiv:1710.11248, equation 4).

    Output [*batch, 1].
    """

    judged: int  # entries of what g sees
    state: int  # of s, and of s'
    discount: float
    hidden: tuple[int, ...]
    activation: str
    dropout: float = 0.0
    spectral_norm: bool = False

    def setup(self) -> None:
        regularised = {"dropout": self.dropout, "spectral_norm": self.spectral_norm}
        self.g = MLP(self.hidden, 1, self.activation, **regularised)
        self.h = MLP(self.hidden, 1, self.activation, **regularised)

    def __call__(self, x: Float[Array, "*batch d"], train: bool = False) -> Float[Array, "*batch 1"]:
        judged, state, after, log_prob = jnp.split(x, np.cumsum([self.judged, self.state, self.state]), axis=-1)
        shaping = self.discount * self.h(after, train) - self.h(state, train)
        return self.g(judged, train) + shaping - log_prob

    def unshaped(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch 1"]:
        """g alone."""
        return self.g(x[..., : self.judged])

"""The multi-layer perceptron, and functions shared by all networks, in flax.linen."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rl_rewards.core.checks import require

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "tanh": nn.tanh,
    "relu": nn.relu,
    "leaky_relu": nn.leaky_relu,
}


def orthogonal(gain: float) -> Callable[..., jax.Array]:
    """Return an initialiser of orthogonal weights times ``gain``; under ``vmap`` it makes one matrix after another.

    A batched QR factorisation distributes its matrices over XLA's CPU threads and waits for them inside one of those
    threads. If as many factorisations run at once as there are threads, they deadlock (jax 0.10, two cores).
    """
    initializer = nn.initializers.orthogonal(gain)

    def initialize(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return jax.custom_batching.sequential_vmap(lambda key: initializer(key, shape, dtype))(key)

    return initialize


def apply(network: nn.Module, variables: dict, *inputs: jax.Array) -> Any:
    """Return the network's output in evaluation mode: an array or a tuple of arrays."""
    return network.apply(variables, *inputs)


class MLP(nn.Module):
    """A multi-layer perceptron: [*batch, d] -> [*batch, outputs].

    Initial weights are orthogonal (gain sqrt 2 in hidden layers, ``output_gain`` in the last layer), and biases are
    zero. With ``layer_norm``, hidden layers are normalised before their activation (Ba et al. 2016, arXiv:1607.06450).
    With ``spectral_norm``, the largest singular value of every layer is kept at 1 (Miyato et al. 2018,
    arXiv:1802.05957); call it with ``train=True`` and the collection ``batch_stats`` mutable to advance the power
    iteration.
    """

    hidden: tuple[int, ...]
    outputs: int
    activation: str
    output_gain: float = 1.0
    dropout: float = 0.0
    spectral_norm: bool = False
    layer_norm: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"], train: bool = False) -> Float[Array, "*batch outputs"]:
        for width in self.hidden:
            x = self._dense(width, 2.0**0.5, x, train)
            x = ACTIVATIONS[self.activation](nn.LayerNorm()(x) if self.layer_norm else x)
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
    """Return the activations of the last hidden layer of an :class:`MLP`, or of a network that ends in one.

    Raises:
        ConfigError: if a user's own network does not ``sow`` them as "last_hidden" into "intermediates".
    """
    return output_and_last_hidden_layer(network, variables, inputs, "features=hidden")[1]


def output_and_last_hidden_layer(
    network: nn.Module, variables: dict, inputs: jax.Array, setting: str
) -> tuple[Any, Float[Array, "*batch width"]]:
    """Return the network's output in evaluation mode, and the activations of its last hidden layer.

    Args:
        setting: the setting that needs them, for the message.

    Raises:
        ConfigError: as :func:`last_hidden_layer`.
    """
    output, kept = network.apply(variables, inputs, mutable=["intermediates"])
    found = jax.tree.leaves(kept.get("intermediates", {}))
    require(
        len(found) == 1,
        f"{type(network).__name__} does not provide its last hidden layer, which {setting} needs; it must call "
        'self.sow("intermediates", "last_hidden", x) once.',
    )
    return output, found[0]

"""The multi-layer perceptron, and what all networks of the project share, in flax.linen."""

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

    Orthogonal weights (gain sqrt 2 in hidden layers, ``output_gain`` at the end), zero biases. With ``layer_norm``
    hidden layers are normalised before their activation (Ba et al. 2016, arXiv:1607.06450). With ``spectral_norm``
    every layer's largest singular value is held at 1 (Miyato et al. 2018, arXiv:1802.05957); call with ``train=True``
    and the collection ``batch_stats`` mutable to move its power iteration.
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
    """Activations of the last hidden layer of an :class:`MLP`, or of a network that ends in one.

    Raises:
        ConfigError: when the network, a person's own, does not ``sow`` them as "last_hidden" into "intermediates".
    """
    _, kept = network.apply(variables, inputs, mutable=["intermediates"])
    found = jax.tree.leaves(kept.get("intermediates", {}))
    require(
        len(found) == 1,
        f"{type(network).__name__} does not show its last hidden layer, which features=hidden asks for; let it call "
        'self.sow("intermediates", "last_hidden", x) once.',
    )
    return found[0]

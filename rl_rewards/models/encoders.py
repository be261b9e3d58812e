"""What networks see of an observation: vectors as they are, pictures through convolutions.

The convolutions are those of the first DQN (Mnih et al. 2013, arXiv:1312.5602; the shallow model of IMPALA,
arXiv:1802.01561): 16 of 8x8, stride 4, then 32 of 4x4, stride 2. Pixels are scaled to [0, 1] in the network; they are
not normalised by running statistics, since a pixel that is constant but for an object passing through it would be
divided by next to nothing, and all pixels share one scale anyway.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped, UInt8

from rl_rewards.core.types import Box, Key, Obs
from rl_rewards.models.networks import MLP, apply, orthogonal

FEATURES = 128
"""Width of the encoder's output."""
LAYERS = ((16, 8, 4), (32, 4, 2))
"""Channels, kernel and stride; borders are padded, so that pictures of any size fit."""
CHUNK = 1024
"""Pictures encoded at once where there are more: intermediate layers of a whole rollout would take gigabytes."""


def is_image(box: Box) -> bool:
    """Whether observations are pictures [height, width, channels] of bytes."""
    return box.dtype == "uint8" and len(box.shape) == 3


def in_chunks(function: Callable[[Array], Array], rows: Shaped[Array, "N ..."]) -> Array:
    """``function`` of an array of rows, [N, ...] -> [N, ...], computed for ``CHUNK`` rows at a time."""
    if len(rows) <= CHUNK:
        return function(rows)
    return jax.lax.map(lambda row: function(row[None])[0], rows, batch_size=CHUNK)


class StridedConvolution(nn.Module):
    """A convolution whose kernel is a multiple of its stride: [*batch, H, W, C] -> [*batch, H / s, W / s, channels].

    Equals ``nn.Conv`` with padded borders, as one matrix product: every square of ``stride`` pixels times all parts of
    the kernel that meet it, added up where they belong. XLA on a CPU takes ten times as long for the gradient of its
    own convolution inside a scan, where all training happens, and five times as long for several networks' convolutions
    at once (jax 0.10). Copying every output's patch first takes twice as long forwards.
    """

    channels: int
    kernel: int
    stride: int

    @nn.compact
    def __call__(self, x: Float[Array, "*batch H W C"]) -> Float[Array, "*batch h w channels"]:
        stride, cells = self.stride, self.kernel // self.stride
        assert self.kernel == cells * stride
        *batch, height, width, depth = x.shape
        rows, columns = ceil(height / stride), ceil(width / stride)
        missing = [(n + cells - 1) * stride - size for n, size in ((rows, height), (columns, width))]
        x = jnp.pad(x, [(0, 0)] * len(batch) + [(n // 2, n - n // 2) for n in missing] + [(0, 0)])
        grid = (rows + cells - 1, columns + cells - 1)
        x = x.reshape(*batch, grid[0], stride, grid[1], stride, depth).swapaxes(-4, -3).reshape(*batch, *grid, -1)
        kernel = self.param("kernel", orthogonal(2.0**0.5), (self.kernel**2 * depth, self.channels))
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        side_by_side = kernel.reshape(cells**2, -1, self.channels).swapaxes(0, 1).reshape(-1, cells**2 * self.channels)
        products = jnp.split(x @ side_by_side, cells**2, axis=-1)
        corners = [(i, j) for i in range(cells) for j in range(cells)]
        shifted = [part[..., i : i + rows, j : j + columns, :] for part, (i, j) in zip(products, corners, strict=True)]
        return bias + sum(shifted)


class Convolutions(nn.Module):
    """[*batch, H, W, C] in [0, 1] -> [*batch, FEATURES] in [-1, 1].

    Ends in a projection with layer norm and tanh (SAC-AE, Yarats et al. 2019, arXiv:1910.01741), which keeps the
    features' scale whatever the pictures show. With ``spectral_norm`` a kernel is normalised as a matrix, as in
    Miyato et al. 2018, arXiv:1802.05957. The layer norm stays: layers held at 1 shrink what pictures differ in (one
    pixel's change meets one kernel after the other), and without it a head that is held at 1 too could not tell them
    apart. So what is bounded is the kernels, and the head's output in the features, not the output in the pixels.
    """

    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*batch H W C"], train: bool = False) -> Float[Array, "*batch F"]:
        for channels, kernel, stride in LAYERS:
            x = nn.relu(self._normed(StridedConvolution(channels, kernel, stride), x, train))
        x = x.reshape(*x.shape[:-3], -1)
        x = self._normed(nn.Dense(FEATURES, kernel_init=orthogonal(1.0)), x, train)
        return nn.tanh(nn.LayerNorm()(x))

    def _normed(self, layer: nn.Module, x: jax.Array, train: bool) -> jax.Array:
        return nn.SpectralNorm(layer)(x, update_stats=train) if self.spectral_norm else layer(x)


class ImageMLP(nn.Module):
    """A perceptron on flat inputs that begin with a picture: [*batch, H * W * C + more] -> [*batch, outputs].

    The picture, in [0, 1], goes through convolutions; what follows it (an action) joins its features.
    """

    picture: tuple[int, ...]  # H, W, C
    hidden: tuple[int, ...]
    outputs: int
    activation: str
    dropout: float = 0.0
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"], train: bool = False) -> Float[Array, "*batch outputs"]:
        size = prod(self.picture)
        picture = x[..., :size].reshape(*x.shape[:-1], *self.picture)
        features = Convolutions(self.spectral_norm)(picture, train)
        head = MLP(self.hidden, self.outputs, self.activation, dropout=self.dropout, spectral_norm=self.spectral_norm)
        return head(jnp.concatenate([features, x[..., size:]], axis=-1), train)


@dataclass(frozen=True)
class ObsEncoder:
    """An agent's view of observations in ``box``: a flat vector, learned where they are pictures."""

    box: Box

    @property
    def learns(self) -> bool:
        """Whether there is anything to learn: only for pictures."""
        return is_image(self.box)

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return FEATURES if self.learns else prod(self.box.shape)

    @cached_property
    def network(self) -> Convolutions:
        return Convolutions()

    def init(self, key: Key) -> dict:
        """Parameters; none for vectors."""
        return dict(self.network.init(key, jnp.zeros((1, *self.box.shape)))) if self.learns else {}

    def __call__(self, params: dict, inputs: Shaped[Array, "..."]) -> Float[Array, "*batch d"]:
        """Pictures [*batch, H, W, C] uint8, or flat vectors [*batch, d], which stay as they are."""
        if not self.learns:
            return inputs
        batch = inputs.shape[:-3]
        features = in_chunks(
            lambda rows: apply(self.network, params, rows.astype(jnp.float32) / 255.0),
            inputs.reshape(-1, *self.box.shape),
        )
        return features.reshape(*batch, FEATURES)

    def flat(self, obs: Obs, normalize: Callable[[Any], Any] | None) -> Shaped[Array, "..."]:
        """What is stored of observations [*batch, ...] for learning: pictures as bytes, others flat f32, normalised.

        Args:
            normalize: for vectors only.
        """
        if self.learns:
            return obs
        batch = obs.shape[: obs.ndim - len(self.box.shape)]
        obs = obs if normalize is None else normalize(obs)
        return obs.astype(jnp.float32).reshape(*batch, -1)


def random_shift(key: Key, pictures: UInt8[Array, "N H W C"], most: int) -> UInt8[Array, "N H W C"]:
    """Each picture moved by up to ``most`` pixels a way, its border repeated (DrQ: Kostrikov et al. 2020,
    arXiv:2004.13649, section 3.1): without it a critic overfits to pixels."""
    if most == 0:
        return pictures
    padded = jnp.pad(pictures, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    corners = jax.random.randint(key, (len(pictures), 2), 0, 2 * most + 1)

    def crop(picture_and_corner: tuple[Array, Array]) -> Array:
        picture, corner = picture_and_corner
        return jax.lax.dynamic_slice(picture, (corner[0], corner[1], 0), pictures.shape[1:])

    # In two halves, since XLA fuses nothing with a loop: on a CPU it would draw corners anew for every pixel read.
    return jax.lax.map(crop, (padded, corners), batch_size=ceil(len(pictures) / 2))

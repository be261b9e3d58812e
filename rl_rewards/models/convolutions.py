"""Convolutional networks for images, in flax.linen.

Their inputs are pixels scaled to [0, 1]. Pixels are not normalised by running statistics, because all pixels share one
scale, and because a pixel that rarely changes would be divided by a standard deviation near zero.
"""

from math import ceil

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rl_rewards.models.networks import orthogonal


class StridedConvolution(nn.Module):
    """A convolution whose kernel is a multiple of its stride: [*batch, H, W, C] -> [*batch, H / s, W / s, channels].

    It equals ``nn.Conv`` with padded borders, but uses one matrix product: each square of ``stride`` x ``stride``
    pixels is multiplied by all parts of the kernel that cover it, and the products are added to their outputs. On a
    CPU, the gradient of XLA's own convolution is ten times as slow inside a scan, where all training happens, and five
    times as slow for the convolutions of several networks at once (jax 0.10). Copying the patch of every output first
    (im2col) doubles the time of the forward pass.
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
    """A network from images to features: [*batch, H, W, C] in [0, 1] -> [*batch, features] in [-1, 1].

    The default convolutions are those of the first DQN (Mnih et al. 2013, arXiv:1312.5602; the shallow model of
    IMPALA, arXiv:1802.01561): 16 of 8x8, stride 4, then 32 of 4x4, stride 2. Borders are padded, so images may have
    any size.

    The last layer is a projection with layer norm and tanh (SAC-AE, Yarats et al. 2019, arXiv:1910.01741), which gives
    the features the same scale for all images. With ``spectral_norm``, each kernel is normalised as a matrix (Miyato
    et al. 2018, arXiv:1802.05957), but the layer norm stays: normalised kernels shrink the differences between images,
    and without the layer norm, a head with spectral norm could not distinguish them. Therefore the slope of each kernel
    is bounded, and that of the head with respect to the features, but not that of the output with respect to pixels.
    """

    layers: tuple[tuple[int, int, int], ...] = ((16, 8, 4), (32, 4, 2))  # channels, kernel and stride of each
    features: int = 128
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "*batch H W C"], train: bool = False) -> Float[Array, "*batch F"]:
        for channels, kernel, stride in self.layers:
            x = nn.relu(self._normed(StridedConvolution(channels, kernel, stride), x, train))
        x = x.reshape(*x.shape[:-3], -1)
        x = self._normed(nn.Dense(self.features, kernel_init=orthogonal(1.0)), x, train)
        return nn.tanh(nn.LayerNorm()(x))

    def _normed(self, layer: nn.Module, x: jax.Array, train: bool) -> jax.Array:
        return nn.SpectralNorm(layer)(x, update_stats=train) if self.spectral_norm else layer(x)

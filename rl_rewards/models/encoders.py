"""Encoders of observations for networks: vectors pass unchanged, images go through a model's convolutions."""

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
from rl_rewards.models.base import Model, check_model, refuse_training_mode
from rl_rewards.models.convolutions import Convolutions
from rl_rewards.models.networks import apply

CHUNK = 1024
"""The largest number of images encoded at once; the intermediate layers of a whole rollout would take gigabytes."""


def is_image(box: Box) -> bool:
    """Return True if observations are images [height, width, channels] of bytes."""
    return box.dtype == "uint8" and len(box.shape) == 3


def in_chunks(function: Callable[[Array], Array], rows: Shaped[Array, "N ..."]) -> Array:
    """Return ``function(rows)``, [N, ...] -> [N, ...], computed for ``CHUNK`` rows at a time."""
    if len(rows) <= CHUNK:
        return function(rows)
    return jax.lax.map(lambda row: function(row[None])[0], rows, batch_size=CHUNK)


def check_agent_model(model: Model, box: Box, may_remember: bool = False) -> None:
    """Check that an algorithm can use ``model`` with observations in ``box``.

    Args:
        may_remember: True for an algorithm that learns from whole episodes in order.

    Raises:
        ConfigError: if it is not a model, does not support these observations, or has a training mode, which agents
            do not use.
    """
    check_model(model, "algorithm.model", box.shape if is_image(box) else None, may_remember)
    refuse_training_mode(model, "algorithm.model")


class PictureNetwork(nn.Module):
    """A network on flat inputs that begin with an image: [*batch, H * W * C + more] -> [*batch, outputs].

    The image, in [0, 1], goes through convolutions; the rest of the inputs (an action) is appended to its features.
    """

    model: Model
    picture: tuple[int, ...]  # H, W, C
    outputs: int

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"], train: bool = False) -> Float[Array, "*batch outputs"]:
        size = prod(self.picture)
        picture = x[..., :size].reshape(*x.shape[:-1], *self.picture)
        features = self.model.convolutions()(picture, train)
        return self.model.network(self.outputs)(jnp.concatenate([features, x[..., size:]], axis=-1), train)


@dataclass(frozen=True)
class ObsEncoder:
    """An encoder of observations in ``box`` as flat vectors; it has convolutions by ``model`` if they are images."""

    model: Model
    box: Box

    @property
    def learns(self) -> bool:
        """True if the encoder has parameters, which is the case only for images."""
        return is_image(self.box)

    @property
    def size(self) -> int:
        """The length of the flat vector."""
        return self.network.features if self.learns else prod(self.box.shape)

    @cached_property
    def network(self) -> Convolutions:
        return self.model.convolutions()

    def init(self, key: Key) -> dict:
        """Return initial parameters; empty for vectors."""
        return dict(self.network.init(key, jnp.zeros((1, *self.box.shape)))) if self.learns else {}

    def __call__(self, params: dict, inputs: Shaped[Array, "..."]) -> Float[Array, "*batch d"]:
        """Return features [*batch, d] of images [*batch, H, W, C] uint8; flat vectors are returned unchanged."""
        if not self.learns:
            return inputs
        batch = inputs.shape[:-3]
        features = in_chunks(
            lambda rows: apply(self.network, params, rows.astype(jnp.float32) / 255.0),
            inputs.reshape(-1, *self.box.shape),
        )
        return features.reshape(*batch, self.size)

    def flat(self, obs: Obs, normalize: Callable[[Any], Any] | None) -> Shaped[Array, "..."]:
        """Return observations [*batch, ...] in the form that learners store.

        Images stay bytes; other observations become flat f32 vectors [*batch, d], normalised.

        Args:
            normalize: normalises vectors; None leaves them raw. It is not used for images.
        """
        if self.learns:
            return obs
        batch = obs.shape[: obs.ndim - len(self.box.shape)]
        obs = obs if normalize is None else normalize(obs)
        return obs.astype(jnp.float32).reshape(*batch, -1)


def random_shift(key: Key, pictures: UInt8[Array, "N H W C"], most: int) -> UInt8[Array, "N H W C"]:
    """Return each image randomly shifted by up to ``most`` pixels in each direction, with its border repeated.

    Without this a critic overfits to pixels (DrQ: Kostrikov et al. 2020, arXiv:2004.13649, section 3.1).
    """
    if most == 0:
        return pictures
    padded = jnp.pad(pictures, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    corners = jax.random.randint(key, (len(pictures), 2), 0, 2 * most + 1)

    def crop(picture_and_corner: tuple[Array, Array]) -> Array:
        picture, corner = picture_and_corner
        return jax.lax.dynamic_slice(picture, (corner[0], corner[1], 0), pictures.shape[1:])

    # The loop (over two halves) stops XLA from fusing: on a CPU, it would draw the corners again for every pixel.
    return jax.lax.map(crop, (padded, corners), batch_size=ceil(len(pictures) / 2))

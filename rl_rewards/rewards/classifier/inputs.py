"""Input rows of a classifier: the network that fits them, and their scaling."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.normalize import RunningMoments
from rl_rewards.core.types import Box
from rl_rewards.models.base import Model
from rl_rewards.models.encoders import PictureNetwork, in_chunks, is_image

INPUT_CLIP = 10.0  # standard deviations; only for normalised inputs


@dataclass(frozen=True)
class Inputs:
    """Rows [*batch, d] that are vectors."""

    def network(self, model: Model) -> nn.Module:
        """Return the network from rows [*batch, d] to logits [*batch, 1]."""
        return model.network(1)

    def scale(self, fitting: float) -> float:
        """Return the default factor of rows, if the configuration sets none.

        Args:
            fitting: the factor that the regularisers need for entries in units of standard deviations.
        """
        return fitting

    def scaled(self, rows: Array, moments: RunningMoments, normalizes: bool, scale: float) -> Array:
        """Return ``rows`` in the network's units."""
        rows = moments.normalize(rows, INPUT_CLIP) if normalizes else rows
        return rows if scale == 1.0 else scale * rows

    def logits(
        self, whole: Callable[[Array], Float[Array, " E *batch"]], rows: Float[Array, "*batch d"]
    ) -> Float[Array, " E *batch"]:
        """Return ``whole(rows)``, computed at once or in chunks."""
        return whole(rows)


@dataclass(frozen=True)
class PictureInputs(Inputs):
    """Rows that begin with a picture in [0, 1]; input statistics are not used.

    Mixup, noise and the gradient penalty act on these pixels. To normalise a picture means to map it to [-1, 1], the
    same scale for all pixels. Spectral norm needs no other scale, since the encoder's layer norm scales the features.
    """

    picture: tuple[int, ...]  # H, W, C

    def network(self, model: Model) -> nn.Module:
        return PictureNetwork(model, self.picture, 1)

    def scale(self, fitting: float) -> float:
        del fitting
        return 1.0

    def scaled(self, rows: Array, moments: RunningMoments, normalizes: bool, scale: float) -> Array:
        """Return ``rows`` with a scaled picture; the entries after the picture do not change."""
        del moments
        if not normalizes and scale == 1.0:
            return rows
        size = prod(self.picture)
        pixels = rows[..., :size]
        pixels = scale * (2.0 * pixels - 1.0 if normalizes else pixels)
        return jnp.concatenate([pixels, rows[..., size:]], axis=-1)

    def logits(
        self, whole: Callable[[Array], Float[Array, " E *batch"]], rows: Float[Array, "*batch d"]
    ) -> Float[Array, " E *batch"]:
        flat = rows.reshape(-1, rows.shape[-1])
        logits = in_chunks(lambda some: whole(some).T, flat).T
        return logits.reshape(-1, *rows.shape[:-1])


def inputs_of(box: Box) -> Inputs:
    """Return the layout of rows that begin with observations in ``box``."""
    return PictureInputs(tuple(box.shape)) if is_image(box) else Inputs()

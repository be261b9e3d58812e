"""The rows that a classifier sees: which network fits them, and how they are brought to its units."""

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

INPUT_CLIP = 10.0  # deviations; only where inputs are normalised


@dataclass(frozen=True)
class Inputs:
    """Rows [*batch, d] that are vectors."""

    def network(self, model: Model) -> nn.Module:
        """Maps rows [*batch, d] to logits [*batch, 1]."""
        return model.network(1)

    def scale(self, fitting: float) -> float:
        """What rows are multiplied by where the configuration leaves it open.

        Args:
            fitting: what the regularisers need of entries in standard deviations.
        """
        return fitting

    def scaled(self, rows: Array, moments: RunningMoments, normalizes: bool, scale: float) -> Array:
        """``rows`` as the network sees them."""
        rows = moments.normalize(rows, INPUT_CLIP) if normalizes else rows
        return rows if scale == 1.0 else scale * rows

    def logits(
        self, whole: Callable[[Array], Float[Array, " E *batch"]], rows: Float[Array, "*batch d"]
    ) -> Float[Array, " E *batch"]:
        """``whole`` of ``rows``, all at once or in parts."""
        return whole(rows)


@dataclass(frozen=True)
class PictureInputs(Inputs):
    """Rows that begin with a picture, in [0, 1]; input statistics are never used.

    Everything that regularises acts on those floats: mixup, noise and gradient penalty on pixels. To normalise a
    picture is to centre it, in [-1, 1]: its pixels share one scale. Spectral norm needs no other one, since the
    encoder's layer norm gives the features theirs.
    """

    picture: tuple[int, ...]  # H, W, C

    def network(self, model: Model) -> nn.Module:
        return PictureNetwork(model, self.picture, 1)

    def scale(self, fitting: float) -> float:
        del fitting
        return 1.0

    def scaled(self, rows: Array, moments: RunningMoments, normalizes: bool, scale: float) -> Array:
        """Scales the picture; what follows it stays as it is."""
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
    """The rows that are made of observations in ``box``."""
    return PictureInputs(tuple(box.shape)) if is_image(box) else Inputs()

"""The goal classifier on pictures."""

from dataclasses import dataclass, fields
from functools import cached_property
from math import prod

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.types import Box
from rl_rewards.models.encoders import PictureNetwork, in_chunks, is_image
from rl_rewards.rewards.classifier.classifier import Classifier, ClassifierState


@dataclass(frozen=True, kw_only=True)
class ImageClassifier(Classifier):
    """The same on pictures, in [0, 1] at the front of the flat inputs; input statistics are never used.

    Everything that regularises acts on those floats: mixup, noise and gradient penalty on pixels. To normalise a
    picture is to centre it, in [-1, 1]: its pixels share one scale. Spectral norm needs no other one, since the
    encoder's layer norm gives the features theirs.
    """

    picture: tuple[int, ...]  # H, W, C

    @classmethod
    def like(cls, classifier: Classifier, box: Box) -> "ImageClassifier":
        """``classifier``'s settings, for pictures in ``box``."""
        settings = {field.name: getattr(classifier, field.name) for field in fields(Classifier)}
        return cls(**settings, picture=tuple(box.shape))

    @cached_property
    def network(self) -> nn.Module:
        return PictureNetwork(self.model, self.picture, 1)

    @property
    def scale(self) -> float:
        return 1.0 if self.input_scale is None else self.input_scale

    def _scaled(self, state: ClassifierState, inputs: Array) -> Array:
        """Scales the picture; inputs that follow it stay as they are."""
        del state
        if not self.normalizes and self.scale == 1.0:
            return inputs
        size = prod(self.picture)
        pixels = inputs[..., :size]
        pixels = self.scale * (2.0 * pixels - 1.0 if self.normalizes else pixels)
        return jnp.concatenate([pixels, inputs[..., size:]], axis=-1)

    def logits(self, state: ClassifierState, inputs: Float[Array, "*batch d"]) -> Float[Array, "E *batch"]:
        whole = super().logits
        rows = inputs.reshape(-1, inputs.shape[-1])
        logits = in_chunks(lambda some: whole(state, some).T, rows).T
        return logits.reshape(self.ensemble, *inputs.shape[:-1])


def fitting(classifier: Classifier, box: Box) -> Classifier:
    """``classifier`` in the form that fits observations in ``box``."""
    return ImageClassifier.like(classifier, box) if is_image(box) else classifier

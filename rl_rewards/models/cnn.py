"""Convolutions of chosen sizes on images, followed by multi-layer perceptrons."""

from dataclasses import dataclass

from rl_rewards.core.checks import require
from rl_rewards.models.convolutions import Convolutions
from rl_rewards.models.mlp import MLPModel


@dataclass(frozen=True, kw_only=True)
class CNNModel(MLPModel):
    """A model with convolutions of chosen sizes; configs/model/cnn.yaml explains its arguments.

    Raises:
        ConfigError: if the lists differ in length, a size is below 1, or a kernel is not a multiple of its stride.
    """

    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    features: int

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = {"channels": self.channels, "kernels": self.kernels, "strides": self.strides}
        for name, values in sizes.items():
            require(
                all(value > 0 for value in values) and len(values) == len(self.channels) > 0,
                f"model.{name}={list(values)} must have one number of at least 1 for each of the "
                f"{len(self.channels)} layers of model.channels={list(self.channels)}.",
            )
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            require(
                kernel % stride == 0,
                f"model.kernels={list(self.kernels)} must be multiples of model.strides={list(self.strides)}.",
            )
        require(self.features > 0, f"model.features={self.features} must be at least 1.")

    def convolutions(self) -> Convolutions:
        layers = tuple(zip(self.channels, self.kernels, self.strides, strict=True))
        return Convolutions(layers, self.features, self.spectral_norm)

    @property
    def needs_picture(self) -> bool:
        return True

"""Multi-layer perceptrons; images go through convolutions first."""

from dataclasses import dataclass

from rl_rewards.core.checks import check_fields, require
from rl_rewards.models.base import Model
from rl_rewards.models.convolutions import Convolutions
from rl_rewards.models.networks import ACTIVATIONS, MLP


@dataclass(frozen=True, kw_only=True)
class MLPModel(Model):
    """A model of multi-layer perceptrons, after the default convolutions if inputs are images.

    configs/model/mlp.yaml explains its arguments.

    Raises:
        ConfigError: if a layer's width is below 1, the activation is unknown, or ``dropout`` is outside [0, 1).
    """

    hidden: tuple[int, ...]
    activation: str
    layer_norm: bool
    dropout: float
    spectral_norm: bool

    def __post_init__(self) -> None:
        check_fields(self, "model")
        told = f"model.hidden={list(self.hidden)} must contain only widths of at least 1."
        require(all(width > 0 for width in self.hidden), told)
        require(
            self.activation in ACTIVATIONS,
            f"model.activation={self.activation} is not known; choose from {', '.join(ACTIVATIONS)}.",
        )
        require(0 <= self.dropout < 1, f"model.dropout={self.dropout} must lie in [0, 1).")

    def network(self, outputs: int, output_gain: float = 1.0) -> MLP:
        return MLP(
            tuple(self.hidden),
            outputs,
            self.activation,
            output_gain=output_gain,
            dropout=self.dropout,
            spectral_norm=self.spectral_norm,
            layer_norm=self.layer_norm,
        )

    def convolutions(self) -> Convolutions:
        return Convolutions(spectral_norm=self.spectral_norm)

    @property
    def bounds_slope(self) -> bool:
        return self.spectral_norm

    @property
    def has_training_mode(self) -> bool:
        return self.spectral_norm or self.dropout > 0.0

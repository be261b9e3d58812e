"""Gated recurrent units followed by multi-layer perceptrons, for a policy with memory."""

from dataclasses import dataclass

from rl_rewards.core.checks import require
from rl_rewards.models.mlp import MLPModel
from rl_rewards.models.recurrence import GRU


@dataclass(frozen=True, kw_only=True)
class GRUModel(MLPModel):
    """A recurrent model; configs/model/gru.yaml explains its arguments.

    Raises:
        ConfigError: if ``units`` is below 1.
    """

    units: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.units > 0, f"model.units={self.units} must be at least 1.")

    def recurrence(self) -> GRU:
        return GRU(self.units)

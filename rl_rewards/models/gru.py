"""Gated recurrent units in front of multi-layer perceptrons: a policy that remembers its episode."""

from dataclasses import dataclass

from rl_rewards.core.checks import require
from rl_rewards.models.mlp import MLPModel
from rl_rewards.models.recurrence import GRU


@dataclass(frozen=True, kw_only=True)
class GRUModel(MLPModel):
    """Keys and units: configs/model/gru.yaml.

    Raises:
        ConfigError: when there are no units.
    """

    units: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.units > 0, f"model.units={self.units} must be at least 1.")

    def recurrence(self) -> GRU:
        return GRU(self.units)

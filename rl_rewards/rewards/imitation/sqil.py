"""Soft Q imitation learning: every demonstrated step earns 1 and every other step 0; only the policy learns.

The algorithm's batches must contain demonstrations (Reddy et al. 2020, arXiv:1905.11108, algorithm 1).
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Transition
from rl_rewards.data.demonstrations.records import require_demos
from rl_rewards.rewards.null import Constant


@dataclass(frozen=True, kw_only=True)
class Sqil(Constant):
    """r = value for demonstrated steps, else 0. Keys: configs/reward/sqil.yaml."""

    demos: str | None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_demos(self.demos, "reward=sqil")

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("is_demo",), demos=self.demos, needs_demos_in_batches=True, stationary=True)

    def reward(self, state: dict, transitions: Transition) -> Float[Array, "*batch"]:
        del state
        return jnp.where(transitions.is_demo, self.value, 0.0)

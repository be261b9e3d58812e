"""``point`` with a scripted expert, for data sets that need no training."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from rl_rewards.envs.point import Point


@dataclass(frozen=True, kw_only=True)
class PointWithExpert(Point):
    """The expert moves straight to the origin, at full action until it is one step away."""

    def expert(self, obs: Array, speed: float = 1.0) -> Array:
        """Return the actions [*batch, 2] in the positions ``obs`` [*batch, 2]."""
        return speed * jnp.clip(-obs / self.speed, -1.0, 1.0)

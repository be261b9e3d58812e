"""When labels are asked for: how many in each session, of a budget that is never exceeded."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

Schedule = Literal["constant", "hyperbolic", "inverse_quadratic", "burst"]
OFFSET = 0.1
"""Of the time since the start, in units of the whole, where a rate would otherwise be infinite."""


def sessions(schedule: Schedule, budget: int, count: int, first: float) -> np.ndarray:
    """Labels asked in each of ``count`` sessions, whole numbers that sum to ``budget``.

    Args:
        schedule: rate over time t in [0, 1]: constant 1; hyperbolic 1 / (t + 0.1); inverse_quadratic 1 / (t + 0.1)^2;
            burst everything at once.
        first: share of the budget that the first session asks besides.
    """
    time = (np.arange(count) + 0.5) / count
    rate = {
        "constant": np.ones(count),
        "hyperbolic": 1.0 / (time + OFFSET),
        "inverse_quadratic": 1.0 / (time + OFFSET) ** 2,
        "burst": np.eye(1, count)[0],
    }[schedule]
    released = first + (1.0 - first) * np.cumsum(rate) / rate.sum()
    total = np.floor(budget * released + 0.5).astype(int)
    total[-1] = budget
    return np.diff(total, prepend=0)


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """In which rounds questions are asked, and how many; none before round ``start``."""

    schedule: Schedule
    budget: int  # questions of the whole run
    count: int  # sessions
    every: int  # rounds from one session to the next
    first_share: float
    start: int = 0

    @cached_property
    def asked_by(self) -> np.ndarray:
        """[count] how many may have been asked at the end of each."""
        return np.cumsum(sessions(self.schedule, self.budget, self.count, self.first_share))

    @cached_property
    def most(self) -> int:
        """In one session."""
        return int(np.diff(self.asked_by, prepend=0).max())

    def is_session(self, round: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether questions may be asked in round ``round``, after the last session too: for what could not be."""
        return (round >= self.start) & ((round - self.start) % self.every == 0)

    def due(self, round: Int[Array, ""], asked: Int[Array, ""]) -> Int[Array, ""]:
        """Questions that round ``round`` asks where ``asked`` have been: what one session could not is made up for."""
        session = (round - self.start) // self.every
        released = jnp.asarray(self.asked_by)[jnp.clip(session, 0, self.count - 1)]
        return jnp.where(self.is_session(round), jnp.minimum(released - asked, self.most), 0)

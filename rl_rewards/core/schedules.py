"""Schedules that divide a budget of labels among the sessions of a run."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

Schedule = Literal["constant", "hyperbolic", "inverse_quadratic", "burst"]
OFFSET = 0.1
"""Added to the time, as a fraction of the run, so that the rate is finite at the start."""


def sessions(schedule: Schedule, budget: int, count: int, first: float) -> np.ndarray:
    """Return the number of labels to ask for in each of ``count`` sessions: [count] integers that sum to ``budget``.

    Args:
        schedule: the rate over time t in [0, 1]: constant 1; hyperbolic 1 / (t + 0.1); inverse_quadratic
            1 / (t + 0.1)^2; burst asks for everything at once.
        first: fraction of the budget, in [0, 1], that the first session asks for in addition.
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
    """The rounds in which queries are asked, and their number."""

    schedule: Schedule
    budget: int  # queries in the whole run
    count: int  # sessions
    every: int  # rounds from one session to the next
    first_share: float  # fraction of the budget that the first session asks in addition
    start: int = 0  # round of the first session

    @cached_property
    def asked_by(self) -> np.ndarray:
        """The total number of queries [count] that may have been asked by the end of each session."""
        return np.cumsum(sessions(self.schedule, self.budget, self.count, self.first_share))

    @cached_property
    def most(self) -> int:
        """The largest number of queries in one session."""
        return int(np.diff(self.asked_by, prepend=0).max())

    def is_session(self, round: Int[Array, ""]) -> Bool[Array, ""]:
        """Return whether queries may be asked in round ``round``.

        This continues after the last session, so that queries that could not be asked in time can still be asked.
        """
        return (round >= self.start) & ((round - self.start) % self.every == 0)

    def due(self, round: Int[Array, ""], asked: Int[Array, ""]) -> Int[Array, ""]:
        """Return the number of queries to ask in round ``round``, given that ``asked`` have been asked so far.

        It includes those that an earlier session could not ask.
        """
        session = (round - self.start) // self.every
        released = jnp.asarray(self.asked_by)[jnp.clip(session, 0, self.count - 1)]
        return jnp.where(self.is_session(round), jnp.minimum(released - asked, self.most), 0)

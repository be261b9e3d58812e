"""When labels are asked for: how many in each session, of a budget that is never exceeded."""

from typing import Literal

import numpy as np

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

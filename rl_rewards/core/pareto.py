"""Points on two objectives, of which more is better: which of them are on the Pareto front, and the area below it."""

import numpy as np
from jaxtyping import Bool, Float


def on_front(points: Float[np.ndarray, "N d"]) -> Bool[np.ndarray, " N"]:
    """Return True for the points that no other point dominates.

    A point dominates another if it is at least as good in every objective and better in one; equal points both stay.
    """
    points = np.asarray(points, float)
    as_good = np.all(points[:, None] >= points[None], axis=-1)
    better = np.any(points[:, None] > points[None], axis=-1)
    return ~np.any(as_good & better, axis=0)


def hypervolume(points: Float[np.ndarray, "N 2"], reference: tuple[float, float]) -> float:
    """Return the area that the points dominate above ``reference`` (Zitzler and Thiele 1999), exact in two dimensions.

    A point that is not better than the reference in both objectives adds nothing; without others the area is 0.
    """
    gains = np.asarray(points, float).reshape(-1, 2) - np.asarray(reference, float)
    gains = gains[np.all(gains > 0.0, axis=1)]
    area = height = 0.0
    for wide, high in gains[np.argsort(-gains[:, 0], kind="stable")]:  # from the widest rectangle to the narrowest
        area += wide * max(0.0, high - height)
        height = max(height, high)
    return float(area)

"""Axes of charts without Matplotlib: positions, round ticks and their names, thinned curves, and labels kept apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 1000
"""The horizontal units of every chart; the page stretches them to the width that there is."""
MOST_POINTS = 400
"""A longer curve is thinned: a page shows no more points side by side."""
Points = tuple[Sequence[float], Sequence[float]]
"""The x and the y values of a curve."""


@dataclass(frozen=True)
class Scale:
    """Positions of values between ``low`` and ``high``, as shares of an axis; ``whole`` axes have no ticks between."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def share(self, value: float) -> float:
        """Return 0 for ``low`` and 1 for ``high``; a value outside lies at the nearer end."""
        low, high, value = (math.log(x) for x in (self.low, self.high, max(value, self.low))) if self.log else (
            self.low, self.high, value)  # fmt: skip
        return min(max((value - low) / ((high - low) or 1.0), 0.0), 1.0)

    def ticks(self, count: int = 4) -> list[float]:
        """Return about ``count`` round values between the ends."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            if last - first >= 1:
                every = max(1, round((last - first) / count))
                return [10.0**power for power in range(first, last + 1, every)]
        span = (self.high - self.low) or 1.0
        base = 10.0 ** math.floor(math.log10(span / count))
        step = min((m * base for m in (1, 2, 2.5, 5, 10)), key=lambda one: abs(span / one - count))
        step = max(1.0, round(step)) if self.whole else step
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def around(values: Sequence[float], from_zero: bool = False, log: bool = False) -> Scale:
    """Return a scale that holds all ``values`` with a margin; it begins at 0 where that is asked for."""
    if not values:
        return Scale(0.0, 1.0)
    low, high = min(values), max(values)
    if log and low > 0.0:
        return Scale(low / 1.15, high * 1.15, True)
    if from_zero:
        low = min(low, 0.0)
    margin = 0.06 * ((high - low) or abs(high) or 1.0)
    return Scale(low if from_zero and low == 0.0 else low - margin, high + margin)


def tick_words(ticks: Sequence[float]) -> list[str]:
    """Return the names of ticks, all with the same number of decimal places: 0.5, 20, 50k, 1.5M."""
    largest = max((abs(tick) for tick in ticks), default=0.0)
    unit, name = (1e6, "M") if largest >= 1e6 else (1e3, "k") if largest >= 1e4 else (1.0, "")
    if 0.0 < largest < 1e-3:
        return ["0" if tick == 0.0 else f"{tick:.0e}" for tick in ticks]
    shown = [tick / unit for tick in ticks]
    places = next((n for n in range(5) if all(abs(x - round(x, n)) < 1e-9 * max(1.0, abs(x)) for x in shown)), 4)
    return ["0" if x == 0.0 else f"{x:.{places}f}{name}" for x in shown]


def thinned(points: Points, count: int = MOST_POINTS) -> Points:
    """Return at most about ``count`` points: the first, the last, and the lowest and highest of each stretch."""
    x, y = points
    if len(y) <= count:
        return points
    stretch = math.ceil(2 * len(y) / count)
    kept = {0, len(y) - 1}
    for start in range(0, len(y), stretch):
        inside = range(start, min(start + stretch, len(y)))
        kept |= {min(inside, key=lambda i: y[i]), max(inside, key=lambda i: y[i])}
    chosen = sorted(kept)
    return [x[i] for i in chosen], [y[i] for i in chosen]


def apart(wanted: Sequence[float], heights: Sequence[float], length: float) -> list[float]:
    """Return the centres of labels along an axis of ``length``: near those ``wanted``, in their order, not touching."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [0.0] * len(wanted)
    free = 0.0
    for i in order:  # downwards, each below the one before
        placed[i] = max(wanted[i], free + heights[i] / 2)
        free = placed[i] + heights[i] / 2
    end = length
    for i in reversed(order):  # and up again from the end
        placed[i] = min(placed[i], end - heights[i] / 2)
        end = placed[i] - heights[i] / 2
    return placed

"""Confidence intervals over seeds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

RESAMPLES = 9999
METHOD = "95% percentile bootstrap over seeds of the mean"
IQM_METHOD = "the same for the interquartile mean, which leaves out the lowest and the highest quarter of the seeds"


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean over seeds and its 95% percentile bootstrap interval (mean, low, high).

    For a single value, or values that are all equal, the interval is that value.
    """
    return _interval(values, np.mean)


def interquartile_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the interquartile mean over seeds and its 95% interval, as :func:`mean_interval` does for the mean."""
    return _interval(values, _middle_half)


def _interval(values: Sequence[float], statistic: Callable[..., Any]) -> tuple[float, float, float]:
    from scipy import stats  # slow to import

    middle = float(statistic(np.asarray(values), axis=0))
    if len(values) < 2 or np.ptp(values) == 0.0:
        return middle, middle, middle
    interval = stats.bootstrap(
        (np.asarray(values),), statistic, method="percentile", n_resamples=RESAMPLES, rng=0
    ).confidence_interval
    return middle, float(interval.low), float(interval.high)


def _middle_half(values: np.ndarray, axis: int) -> np.ndarray:
    from scipy import stats

    return np.asarray(stats.trim_mean(values, 0.25, axis=axis))


def share_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the 95% Clopper-Pearson interval (low, high) of the success rate, given ``successes`` of ``n`` seeds."""
    from scipy import stats

    interval = stats.binomtest(successes, n).proportion_ci(0.95)
    return float(interval.low), float(interval.high)


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean of the middle half of the values (Agarwal et al. 2021, arXiv:2108.13264)."""
    return float(_middle_half(np.asarray(values), 0))

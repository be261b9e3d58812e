"""Intervals over seeds: how sure a handful of runs makes us."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

RESAMPLES = 9999
METHOD = "95% percentile bootstrap over seeds of the mean"
IQM_METHOD = "the same of the interquartile mean, which leaves out the lowest and the highest quarter of the seeds"


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95% percentile bootstrap interval over seeds; the mean three times for one or equal values."""
    return _interval(values, np.mean)


def interquartile_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Interquartile mean and its 95% percentile bootstrap interval over seeds, as :func:`mean_interval`."""
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
    """95% Clopper-Pearson interval of a share of ``n`` seeds."""
    from scipy import stats

    interval = stats.binomtest(successes, n).proportion_ci(0.95)
    return float(interval.low), float(interval.high)


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half (Agarwal et al. 2021, arXiv:2108.13264)."""
    return float(_middle_half(np.asarray(values), 0))

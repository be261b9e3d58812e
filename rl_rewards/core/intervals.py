"""Intervals over seeds: how sure a handful of runs makes us."""

from collections.abc import Sequence

import numpy as np

RESAMPLES = 9999
METHOD = "95% percentile bootstrap over seeds of the mean"


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95% percentile bootstrap interval over seeds; the mean three times for one or equal values."""
    from scipy import stats  # slow to import

    mean = float(np.mean(values))
    if len(values) < 2 or np.ptp(values) == 0.0:
        return mean, mean, mean
    interval = stats.bootstrap(
        (np.asarray(values),), np.mean, method="percentile", n_resamples=RESAMPLES, rng=0
    ).confidence_interval
    return mean, float(interval.low), float(interval.high)


def share_interval(successes: int, n: int) -> tuple[float, float]:
    """95% Clopper-Pearson interval of a share of ``n`` seeds."""
    from scipy import stats

    interval = stats.binomtest(successes, n).proportion_ci(0.95)
    return float(interval.low), float(interval.high)


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half (Agarwal et al. 2021, arXiv:2108.13264)."""
    from scipy import stats

    return float(stats.trim_mean(np.asarray(values), 0.25))

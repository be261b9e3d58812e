"""Confidence intervals over seeds: how much a handful of runs can tell.

Means have Student's t interval. In simulations of 2,000 studies each, a 95% interval covered the true mean in this
share of the studies (tests/core/test_intervals.py repeats a part of it):

======================================  ============  ============  ============
outcome of a seed                       5 seeds       10 seeds      20 seeds
                                        t      BCa    t      BCa    t      BCa
======================================  =====  =====  =====  =====  =====  =====
normal                                  .94    .83    .95    .90    .95    .91
skewed (exponential)                    .88    .80    .89    .87    .92    .91
success near 1 (Beta(8, 1))             .90    .81    .92    .88    .93    .93
bimodal, 7 of 10 seeds succeed          .82    .82    .95    .96    .96    .97
bimodal, 9 of 10 seeds succeed          .50    .46    .66    .64    .87    .85
======================================  =====  =====  =====  =====  =====  =====

The percentile bootstrap is no better than BCa (Efron 1987) anywhere, so t is the only method for means. No method is
right where outcomes are bimodal and no seed has shown the rarer one: there, a share of seeds is the thing to claim,
with its exact interval.
"""

import math
from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
METHOD = "95% Student t interval over seeds of the mean"
IQM_METHOD = (
    "95% interval of the interquartile mean, which leaves out the lowest and the highest quarter of the seeds, by "
    "Tukey and McLaughlin's t"
)
TRIMMED = 0.25
"""Share of the seeds that the interquartile mean leaves out at either end."""


def mean_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float, float]:
    """Return the mean and its Student t interval; the mean three times for one value or equal ones."""
    found = np.asarray(values, float)
    mean = float(found.mean())
    if len(found) < 2 or np.ptp(found) == 0.0:
        return mean, mean, mean
    half = _t_quantile(len(found) - 1, level) * float(found.std(ddof=1)) / math.sqrt(len(found))
    return mean, mean - half, mean + half


def interquartile_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float, float]:
    """Return the interquartile mean (Agarwal et al. 2021, arXiv:2108.13264) and its interval.

    The interval is that of a trimmed mean: its standard error comes from the winsorised values, where those left out
    count as the nearest that are not (Tukey and McLaughlin 1963, Sankhya A 25).
    """
    found = np.sort(np.asarray(values, float))
    n = len(found)
    cut = int(TRIMMED * n)
    mean = float(found[cut : n - cut].mean())
    if n < 2 or np.ptp(found) == 0.0:
        return mean, mean, mean
    winsorised = np.clip(found, found[cut], found[n - cut - 1])
    error = float(winsorised.std(ddof=1)) / ((1.0 - 2.0 * cut / n) * math.sqrt(n))
    half = _t_quantile(n - 2 * cut - 1, level) * error
    return mean, mean - half, mean + half


def share_interval(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact interval of a share, by Clopper and Pearson (1934), of ``successes`` among ``n`` seeds."""
    from scipy.special import betaincinv

    tail = 0.5 * (1.0 - level)
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, n - successes, 1.0 - tail)) if successes < n else 1.0
    return low, high


def median_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Return the exact interval of a median, which has two of the sorted values as its ends; they may be infinite.

    Too few values for the level give minus infinity to infinity: a level of 95% needs six.
    """
    from scipy.special import bdtr

    found = np.sort(np.asarray(values, float))
    at_most = bdtr(np.arange(len(found)), len(found), 0.5)  # P(at most k of the values lie below the median)
    rank = int(np.sum(at_most <= 0.5 * (1.0 - level))) - 1
    return (float(found[rank]), float(found[-1 - rank])) if rank >= 0 else (-math.inf, math.inf)


def ratio_of_medians(one: Sequence[float], other: Sequence[float], level: float = LEVEL) -> tuple[float, float, float]:
    """Return the ratio of two medians of positive counts, infinite for "never", and its interval.

    Its ends are quotients of the ends of both medians' exact intervals, each at a level that makes both together true
    with probability ``level`` (Bonferroni), whatever the distributions are and whether or not the samples are paired.
    Never over never counts as 1.
    """
    each = 1.0 - 0.5 * (1.0 - level)
    (low, high), (other_low, other_high) = (median_interval(values, each) for values in (one, other))
    middle = _ratio(float(np.median(one)), float(np.median(other)))
    return middle, _ratio(max(low, 0.0), other_high), _ratio(high, max(other_low, 0.0))


def _ratio(above: float, below: float) -> float:
    if math.isinf(above) and math.isinf(below):
        return 1.0
    return above / below if below > 0.0 else math.inf


def _t_quantile(degrees: int, level: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + 0.5 * level))

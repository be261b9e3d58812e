"""Evidence for a claim: numbers of every seed, the range that is claimed, and how one is held against the other."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from rl_rewards.core.intervals import mean_interval, ratio_of_medians, share_interval
from rl_rewards.reporting.stored_claims import MOST_SEEDS

Outcome = Literal["supported", "refuted", "undecided"]
Method = Literal["mean", "geometric mean", "share", "ratio of medians", "exact"]
Interval = tuple[float, float]

METHODS: Mapping[Method, str] = {
    "mean": "Student t",
    "geometric mean": "Student t of the logarithms",
    "share": "exact, Clopper-Pearson",
    "ratio of medians": "exact, order statistics",
    "exact": "exact",
}
"""The methods of intervals, in words."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The numbers that the seeds measured, and the range of their measure if the claim is true.

    Attributes:
        of: names the measure.
        values: of every seed; 1 (yes) and 0 (no) for a share.
        claimed: least and greatest value of the measure that the claim allows; infinite where there is no limit.
        method: how the interval is computed. ``exact`` is for what no seed changes: every value must lie in the range.
        others: of a ratio of medians, the denominators; infinite for "never", as in ``values``.
    """

    of: str
    values: Sequence[float]
    claimed: Interval
    method: Method = "mean"
    others: Sequence[float] = ()

    def interval(self, level: float) -> Interval:
        """Return the interval at a confidence level; without limits for fewer than two seeds."""
        if self.method == "exact":
            return min(self.values), max(self.values)
        if len(self.values) < 2:
            return -math.inf, math.inf
        if self.method == "share":
            return share_interval(round(sum(self.values)), len(self.values), level)
        if self.method == "ratio of medians":
            return ratio_of_medians(self.values, self.others, level)[1:]
        if self.method == "geometric mean":
            _, low, high = mean_interval(np.log(self.values).tolist(), level)
            return math.exp(low), math.exp(high)
        return mean_interval(self.values, level)[1:]

    def outcome(self, level: float) -> Outcome:
        """Return the outcome at a confidence level, by where the interval lies."""
        outcome = _outcome(self.interval(level), self.claimed)
        return "refuted" if self.method == "exact" and outcome == "undecided" else outcome

    def seeds_needed(self, level: float) -> int:
        """Return the least number of seeds that would decide, were more seeds distributed as these are.

        An interval needs at least two. ``MOST_SEEDS`` + 1 stands for more than ``MOST_SEEDS``.
        """
        if len(self.values) < 2:
            return 2
        interval = _INTERVAL_OF_MORE[self.method](self, level)
        more = range(len(self.values) + 1, MOST_SEEDS + 1)
        decide = (n for n in more if _outcome(interval(n), self.claimed) != "undecided")
        return next(decide, MOST_SEEDS + 1)


def _outcome(interval: Interval, claimed: Interval) -> Outcome:
    (low, high), (least, most) = interval, claimed
    if low >= least and high <= most:
        return "supported"
    return "refuted" if high < least or low > most else "undecided"


def _more_means(evidence: Evidence, level: float) -> Callable[[int], Interval]:
    from scipy.special import stdtrit

    logarithms = evidence.method == "geometric mean"
    values = np.log(evidence.values) if logarithms else np.asarray(evidence.values, float)
    mean, deviation = float(values.mean()), float(values.std(ddof=1))

    def interval(n: int) -> Interval:
        half = float(stdtrit(n - 1, 0.5 + 0.5 * level)) * deviation / math.sqrt(n)
        ends = mean - half, mean + half
        return (math.exp(ends[0]), math.exp(ends[1])) if logarithms else ends

    return interval


def _more_shares(evidence: Evidence, level: float) -> Callable[[int], Interval]:
    share = float(np.mean(evidence.values))
    return lambda n: share_interval(round(share * n), n, level)


def _more_ratios(evidence: Evidence, level: float) -> Callable[[int], Interval]:
    def at(values: Sequence[float], n: int) -> Sequence[float]:
        """``n`` values at the quantiles of these."""
        return np.sort(values)[np.arange(n) * len(values) // n].tolist()

    return lambda n: ratio_of_medians(at(evidence.values, n), at(evidence.others, n), level)[1:]


_INTERVAL_OF_MORE: Mapping[str, Callable[[Evidence, float], Callable[[int], Interval]]] = {
    "mean": _more_means,
    "geometric mean": _more_means,
    "share": _more_shares,
    "ratio of medians": _more_ratios,
}


def stored_evidence(record: Mapping[str, Any]) -> Evidence:
    """Return the evidence that a verdict.json holds, where null stands for what is infinite."""
    least, most = record["claimed"]
    return Evidence(
        of=record["of"],
        values=_with_never(record["values"]),
        claimed=(-math.inf if least is None else least, math.inf if most is None else most),
        method=record["method"],
        others=_with_never(record["others"]),
    )


def _with_never(values: Sequence[float | None]) -> list[float]:
    return [math.inf if value is None else value for value in values]

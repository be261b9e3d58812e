"""Statistics about judges whose answers can be compared with trusted ones, answer by answer."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from rl_rewards.core.queries import calibration_error

FOLDS = 2
"""The number of parts of the pairs; the temperature of each part is fitted to the others."""
CERTAIN = 1e-3
"""Probabilities are kept this far from 0 and 1, so that their logits are finite."""
HOTTEST = 100.0
"""The largest temperature, at which a judge's probabilities are hardly different from 0.5."""
RIDGE = 1e-2
"""The weight of squared coefficients, so that they stay finite where one feature decides every answer."""
NEWTON_STEPS = 30


class ScaledError(NamedTuple):
    """A calibration error after temperature scaling."""

    error: float
    temperature: float  # of all pairs; above 1: the judge is too sure of itself


class Difference(NamedTuple):
    """Two judges compared on the pairs that both have answered, by McNemar's exact test."""

    one: str
    other: str
    only_one: int  # pairs in which only the first is right
    only_other: int
    p: float  # two-sided, corrected by Holm's method for all comparisons of judges


def temperature_scaled(probability: Float[np.ndarray, " N"], scores: Float[np.ndarray, "N 2"]) -> ScaledError | None:
    """Return the calibration error of sigmoid(logit(p) / T) (Guo et al. 2017, arXiv:1706.04599, section 4.2).

    T has the least log loss on the pairs of the other half, so that the error is that of probabilities which were not
    fitted to the same answers. None if fewer than ``2 * FOLDS`` decided pairs have a probability.

    Args:
        probability: of the first of each pair; NaN where there is none.
        scores: the trusted scores.
    """
    known = np.isfinite(probability) & np.isfinite(scores).all(axis=-1) & (scores[:, 0] != scores[:, 1])
    kept = np.clip(probability[known], CERTAIN, 1.0 - CERTAIN)
    logits, truth = np.log(kept) - np.log1p(-kept), (scores[known, 0] > scores[known, 1]).astype(np.float64)
    if len(logits) < 2 * FOLDS:
        return None
    fold = np.arange(len(logits)) % FOLDS
    scaled = np.zeros_like(logits)
    for one in range(FOLDS):
        scaled[fold == one] = logits[fold == one] / _temperature(logits[fold != one], truth[fold != one])
    error = float(calibration_error(jnp.asarray(_sigmoid(scaled)[:, None]), jnp.asarray(scores[known])))
    return ScaledError(error, _temperature(logits, truth))


def _temperature(logits: Float[np.ndarray, " N"], truth: Float[np.ndarray, " N"]) -> float:
    """Return the T with the least log loss, between 1 / HOTTEST and HOTTEST; the loss is convex in 1 / T."""
    low, high = 1.0 / HOTTEST, HOTTEST
    for _ in range(60):
        middle = 0.5 * (low + high)
        slope = float(np.mean((_sigmoid(middle * logits) - truth) * logits))
        low, high = (middle, high) if slope < 0.0 else (low, middle)
    return 2.0 / (low + high)


def agreement_at_equal(
    answer: Float[np.ndarray, " N"],
    truth: Float[np.ndarray, " N"],
    difference: Float[np.ndarray, " N"],
    weights: Float[np.ndarray, "R N"],
) -> tuple[float, Float[np.ndarray, " R"]] | None:
    """Return how often the tested judge would agree if both segments of a pair had as much of a feature.

    It is sigmoid(a) of the logistic fit P(first preferred) = sigmoid(a * truth + b * difference), after the
    length-controlled win rate of Dubois et al. 2024 (arXiv:2404.04475). None if no pair is decided by the trusted
    answers.

    Args:
        answer, truth: 1 (the first is better), 0 (a tie) or -1.
        difference: the first segment's feature less the second's.
        weights: how often each of R resamples draws each pair.

    Returns:
        The value for all pairs, and for each resample.
    """
    if not np.any(truth):
        return None
    size = float(np.sqrt(np.mean(np.square(difference))))
    inputs = np.stack([truth, difference / size if size > 1e-9 else np.zeros_like(truth)], axis=1)  # [N, 2]
    target = 0.5 * (1.0 + answer)
    rows = np.concatenate([np.ones((1, len(answer))), weights])  # the first is all pairs
    fitted = np.zeros((len(rows), 2))
    for _ in range(NEWTON_STEPS):
        found = _sigmoid(fitted @ inputs.T)  # [R + 1, N]
        gradient = (rows * (found - target)) @ inputs + RIDGE * fitted
        curvature = np.einsum("rn,ni,nj->rij", rows * found * (1.0 - found), inputs, inputs) + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        fitted = fitted - np.clip(step, -2.0, 2.0)
    agreed = _sigmoid(fitted[:, 0])
    return float(agreed[0]), agreed[1:]


def differences(right: Mapping[str, Float[np.ndarray, " N"]]) -> list[Difference]:
    """Return McNemar's exact test (1947, Psychometrika 12) of every two judges, corrected by Holm's method.

    Args:
        right: judge -> 1 where it is right, 0 where it is wrong, NaN where it has not answered or the truth is a tie.
    """
    counts = []
    for one, other in itertools.combinations(right, 2):
        both = np.isfinite(right[one]) & np.isfinite(right[other])
        first, second = right[one][both] > 0.5, right[other][both] > 0.5
        counts.append((one, other, int(np.sum(first & ~second)), int(np.sum(second & ~first))))
    corrected = holm([mcnemar(only_one, only_other) for _, _, only_one, only_other in counts])
    return [Difference(*count, p=p) for count, p in zip(counts, corrected, strict=True)]


def mcnemar(only_one: int, only_other: int) -> float:
    """Return the two-sided exact p of equal accuracy: a fair coin for every pair in which just one judge is right."""
    from scipy.special import bdtr

    n = only_one + only_other
    return 1.0 if n == 0 else min(1.0, 2.0 * float(bdtr(min(only_one, only_other), n, 0.5)))


def holm(p: list[float]) -> list[float]:
    """Return p values that are corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6)."""
    order, largest, found = np.argsort(p, kind="stable"), 0.0, [0.0] * len(p)
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        found[place] = largest
    return found


def value_order(values: Float[np.ndarray, "N T"]) -> Float[np.ndarray, " N"]:
    """Return Spearman's correlation of a judge's values of growing prefixes of each clip with their order.

    1: every longer prefix is worth more; -1: every longer prefix is worth less; 0: all are worth the same. It is the
    value-order correlation of GVL (arXiv:2411.04549, section 3) and of TOPReward (arXiv:2602.19313).

    Args:
        values: of the prefixes of N clips, from the shortest to the longest; NaN, where a judge refused one, gives NaN.
    """
    from scipy.stats import rankdata

    order = np.arange(values.shape[1]) - 0.5 * (values.shape[1] - 1)
    ranks = rankdata(values, axis=1, nan_policy="propagate")
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    size = np.sqrt(np.square(ranks).sum(axis=1) * np.square(order).sum())
    return np.where(size > 0.0, ranks @ order / np.where(size > 0.0, size, 1.0), np.where(np.isnan(size), np.nan, 0.0))


def success_auc(values: Float[np.ndarray, " N"], success: Bool[np.ndarray, " N"]) -> float:
    """Return the probability that a judge values a clip with success higher than one without; a tie counts half.

    It is NaN where there are no clips of one kind. Clips without a value (NaN) are left out.
    """
    from scipy.stats import rankdata

    known = np.isfinite(values)
    values, success = values[known], success[known]
    yes, no = int(success.sum()), int((~success).sum())
    if not yes or not no:
        return float("nan")
    return float((rankdata(values)[success].sum() - 0.5 * yes * (yes + 1)) / (yes * no))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -500.0, 500.0)))

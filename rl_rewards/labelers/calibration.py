"""Compares a labeler with trusted answers: its agreement, its calibration, and its bias towards nuisance features.

The bias towards a feature f is the coefficient b of the least-squares fit
answer = a * trusted + b * (f of the first - f of the second), where answers are 1 (first better), 0 (tie) and -1.
b is 0 for a labeler whose mistakes are independent of f, however many there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rl_rewards.core.checks import require
from rl_rewards.core.queries import calibration_error
from rl_rewards.labelers.judge_statistics import agreement_at_equal, temperature_scaled

RESAMPLES = 2000
"""The number of bootstrap resamples of the pairs."""
REFITTED = 500
"""The number of these resamples in which the agreement at equal length is fitted, which takes longer."""
CONFIDENCE = 0.95
LENGTH = "length"
"""The feature of texts that judges are known to prefer (Dubois et al. 2024, arXiv:2404.04475)."""
KINDS = (-1.0, 0.0, 1.0)
Interval = tuple[float, float, float]
"""A value and the ends of its interval."""


@dataclass(frozen=True)
class Calibration:
    """The results of a comparison; None where a result is not defined."""

    pairs: int  # pairs that both raters have answered
    unanswered: int  # pairs that the tested labeler refused
    agreement: Interval  # share of pairs with the same answer (first, second or tie); 95% bootstrap over pairs
    decided: int  # pairs that neither rater calls a tie
    agreement_decided: float | None  # the agreement on these
    kappa: float | None  # Cohen's: 0 is chance, 1 full agreement; None if both always give one answer
    calibration_error: float | None  # expected error of P(first better), on pairs without a trusted tie
    calibration_error_scaled: float | None  # the same after temperature scaling, cross-validated
    temperature: float | None  # of that scaling; above 1: the labeler is too sure of itself
    flip_rate: float | None  # share of pairs whose answer changes when the clips are swapped
    at_equal_length: Interval | None  # agreement if both responses were equally long; of texts only, 95% bootstrap
    nuisances: Mapping[str, Interval]  # b of each standardised feature; 95% intervals, simultaneous for all features
    leans_on: str | None  # the feature with the largest |b| among those whose interval excludes 0


def calibrate(
    tested: Float[np.ndarray, "N 2"],
    trusted: Float[np.ndarray, "N 2"],
    features: Mapping[str, Float[np.ndarray, "N 2"]],
    probability: Float[np.ndarray, " N"] | None = None,
    flip_rate: float | None = None,
) -> Calibration:
    """Compare the scores that two raters gave to N pairs of segments; NaN where a rater gave none.

    Correlated features (a longer path takes larger actions) all show a bias.

    Args:
        features: name -> one number for each segment.
        probability: P(first is better) according to the tested labeler; NaN where it gives none.

    Raises:
        ConfigError: when there is no pair that both raters have answered.
    """
    answered = np.isfinite(trusted).all(axis=-1)
    both = answered & np.isfinite(tested).all(axis=-1)
    require(bool(both.any()), f"None of the {int(answered.sum())} pairs was answered by the tested labeler.")
    answer, truth = (np.sign(scores[both, 0] - scores[both, 1]) for scores in (tested, trusted))
    weights = _resamples(len(answer))
    same = (answer == truth).astype(np.float64)
    decided = (answer != 0) & (truth != 0)
    level = (1.0 - CONFIDENCE) / max(1, len(features))  # Bonferroni's correction over the features
    leaning = {
        name: _leaning(answer, truth, values[both, 0] - values[both, 1], weights, level)
        for name, values in features.items()
    }
    scaled = None if probability is None else temperature_scaled(probability[both], trusted[both])
    shown = {name: abs(b) for name, (b, low, high) in leaning.items() if low > 0.0 or high < 0.0}
    return Calibration(
        pairs=int(both.sum()),
        unanswered=int((answered & ~both).sum()),
        agreement=(float(same.mean()), *_ends(weights @ same / len(same), 1.0 - CONFIDENCE)),
        decided=int(decided.sum()),
        agreement_decided=float(same[decided].mean()) if decided.any() else None,
        kappa=_kappa(answer, truth),
        calibration_error=None if probability is None else _calibration_error(probability[both], trusted[both]),
        calibration_error_scaled=None if scaled is None else scaled.error,
        temperature=None if scaled is None else scaled.temperature,
        flip_rate=flip_rate,
        at_equal_length=_at_equal(answer, truth, features[LENGTH][both], weights) if LENGTH in features else None,
        nuisances=leaning,
        leans_on=max(shown, key=lambda name: shown[name]) if shown else None,
    )


def _at_equal(
    answer: Float[np.ndarray, " N"],
    truth: Float[np.ndarray, " N"],
    feature: Float[np.ndarray, "N 2"],
    weights: Float[np.ndarray, "R N"],
) -> Interval | None:
    found = agreement_at_equal(answer, truth, feature[:, 0] - feature[:, 1], weights[:REFITTED])
    return None if found is None else (found[0], *_ends(found[1], 1.0 - CONFIDENCE))


def flip_rate(forth: Float[np.ndarray, "N 2"], back: Float[np.ndarray, "N 2"]) -> float | None:
    """Return the share of pairs whose answer changes when the clips are swapped; None if no pair has both answers.

    Args:
        forth, back: scores in the order in which the clips were shown; ``back`` has the second clip first.
    """
    one, other = (np.sign(scores[:, 0] - scores[:, 1]) for scores in (forth, back))
    known = np.isfinite(one) & np.isfinite(other)
    return float((one[known] != -other[known]).mean()) if known.any() else None


def _resamples(n: int) -> Float[np.ndarray, "R N"]:
    """Return how often each bootstrap resample draws each pair."""
    return np.random.default_rng(0).multinomial(n, np.full(n, 1.0 / n), size=RESAMPLES).astype(np.float64)


def _ends(values: Float[np.ndarray, " R"], level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [level / 2.0, 1.0 - level / 2.0])
    return float(low), float(high)


def _leaning(
    answer: Float[np.ndarray, " N"],
    truth: Float[np.ndarray, " N"],
    difference: Float[np.ndarray, " N"],
    weights: Float[np.ndarray, "R N"],
    level: float,
) -> Interval:
    """Return b, fitted without intercept (the order of the clips is random), and its bootstrap interval."""
    size = np.sqrt(np.mean(np.square(difference)))
    if size < 1e-9:
        return 0.0, 0.0, 0.0
    one = difference / size
    products = np.stack([truth * truth, truth * one, one * one, truth * answer, one * answer], axis=-1)

    def solve(moments: np.ndarray) -> np.ndarray:
        aa, ab, bb, ay, by = np.moveaxis(moments, -1, 0)
        rest = bb - np.where(aa > 0.0, ab**2 / np.maximum(aa, 1e-12), 0.0)  # the feature without the truth's share
        shared = by - np.where(aa > 0.0, ab * ay / np.maximum(aa, 1e-12), 0.0)
        return np.round(np.where(rest > 1e-6, shared / np.maximum(rest, 1e-6), 0.0), 9)  # so that a bias of 1e-17 is 0

    return float(solve(products.sum(axis=0))), *_ends(solve(weights @ products), level)


def _kappa(answer: Float[np.ndarray, " N"], truth: Float[np.ndarray, " N"]) -> float | None:
    """Return (observed - chance) / (1 - chance), the kappa of three possible answers (Cohen 1960)."""
    chance = sum(float(np.mean(answer == kind) * np.mean(truth == kind)) for kind in KINDS)
    return None if chance > 1.0 - 1e-12 else (float(np.mean(answer == truth)) - chance) / (1.0 - chance)


def _calibration_error(probability: Float[np.ndarray, " N"], trusted: Float[np.ndarray, "N 2"]) -> float | None:
    known = np.isfinite(probability)
    if not known.any():
        return None
    found = float(calibration_error(jnp.asarray(probability[known][:, None]), jnp.asarray(trusted[known])))
    return found if np.isfinite(found) else None

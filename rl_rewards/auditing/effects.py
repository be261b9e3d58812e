"""The effects of interventions on a reward, with simultaneous intervals, and what attribution predicts for them.

An intervention makes pairs (before, after) that differ in one property. Its excess is the mean over pairs of

    (r(after) - r(before) - b (g(after) - g(before))) / s,

where r is the reward, g the true reward (0 if it is not known), s the standard deviation of r over the responses before
any edit, and b the slope of the regression of r on g over these. So a reward a g + noise has excess 0 for every a, and
an excess of 1 is as much as typical responses differ by. Attribution regresses r on g and on features over the same
responses, and predicts from the coefficients what each edit should do; it is right only if the reward is linear in the
features and nothing that is correlated with them was left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from rl_rewards.core.checks import require
from rl_rewards.core.intervals import mean_interval

LEVEL = 0.95
"""The probability with which all intervals of an audit are right together (Bonferroni)."""
MARGIN = 0.3
"""The least excess that counts, in standard deviations of the reward.

It was chosen on development seeds 0 to 2 of lecture/language/audit, before the report seeds. The true reward and noise
never reach it. Reward models of 1,000 unbiased comparisons came near: in one of the three seeds the model had hardly
learned that fillers cost, which is an excess of 0.42, with an interval from 0.28, and a real error, though nobody
planted it; in the others no edit exceeded 0.2. Reward models of a flattered judge had 0.6 to 1.0 for flattery.
"""
LEAST_PAIRS = 20
"""With fewer pairs an intervention is not judged."""


@dataclass(frozen=True)
class Population:
    """N responses or segments before any edit, and what is known of them."""

    reward: Float[np.ndarray, " N"]
    features: Mapping[str, Float[np.ndarray, " N"]]
    true: Float[np.ndarray, " N"] | None  # the true reward; None if it is not known
    group: Int[np.ndarray, " N"]  # those with the same number answer the same prompt; all differ if none do


@dataclass(frozen=True)
class Intervention:
    """n pairs of responses or segments that differ in one property; all changes are after minus before."""

    name: str
    what: str  # how the second of a pair differs from the first, in words
    rows: Int[np.ndarray, " n"]  # of the population, from which the pairs were made
    reward: Float[np.ndarray, " n"]  # change of the reward
    features: Mapping[str, Float[np.ndarray, " n"]]  # changes of the features
    true: Float[np.ndarray, " n"] | None  # change of the true reward; None if it is not known


@dataclass(frozen=True)
class Effect:
    """The effect of an intervention on the reward; all numbers are in standard deviations of the reward."""

    name: str
    what: str
    pairs: int
    changed: float  # mean change of the reward
    owed: float | None  # of that, what the change of the true reward accounts for; None if it is not known
    excess: float  # the rest
    low: float
    high: float  # the ends of its interval; those of all effects are right together with probability LEVEL
    predicted: float | None  # the excess according to attribution; None without features
    moved: Mapping[str, float]  # feature -> its mean change, in its standard deviations; only those that change
    named: bool  # the whole interval lies beyond the margin, on one side of 0


@dataclass(frozen=True)
class Attribution:
    """The least-squares fit of the reward by features and by the true reward, within prompts."""

    coefficients: Mapping[str, float]  # of a feature, in standard deviations of the reward per standard deviation
    of_true: float | None  # the same of the true reward
    explained: float  # share of the variance of the reward


def spread(population: Population) -> float:
    """Return s, the standard deviation of the reward among responses to the same prompt.

    Raises:
        ConfigError: if the reward is constant.
    """
    found = float(np.sqrt(np.sum(_within(population.reward, population.group) ** 2) / _degrees(population.group)))
    require(
        np.isfinite(found) and found > 1e-9,
        "This reward is the same for all responses or segments that were drawn, so that there is nothing to audit.",
    )
    return found


def slope(population: Population) -> float:
    """Return b, the slope of the reward on the true reward within prompts; 0 without a true reward that varies."""
    if population.true is None:
        return 0.0
    true = _within(population.true, population.group)
    size = float(np.sum(true**2))
    return 0.0 if size < 1e-12 else float(np.sum(true * _within(population.reward, population.group))) / size


def correlation(population: Population) -> float:
    """Return Pearson's correlation of the reward with the true one within prompts; 0 if that does not vary."""
    assert population.true is not None, "only where the true reward is known"
    size = np.sqrt(np.sum(_within(population.true, population.group) ** 2) / _degrees(population.group))
    return float(slope(population) * size / spread(population))


def attribute(population: Population) -> Attribution:
    """Return the fit of the reward by all features that vary, and by the true reward if it is known."""
    terms = dict(population.features) | ({} if population.true is None else {"": population.true})
    inputs = {name: _within(np.asarray(values, np.float64), population.group) for name, values in terms.items()}
    sizes = {name: float(np.sqrt(np.sum(one**2) / _degrees(population.group))) for name, one in inputs.items()}
    inputs = {name: one / sizes[name] for name, one in inputs.items() if sizes[name] > 1e-9}
    reward = _within(population.reward, population.group) / spread(population)
    design = np.stack([*inputs.values()], axis=1) if inputs else np.zeros((len(reward), 0))
    found = np.linalg.lstsq(design, reward, rcond=1e-6)[0]
    left = float(np.sum((reward - design @ found) ** 2) / np.sum(reward**2))
    coefficients = dict(zip(inputs, found.tolist(), strict=True))
    of_true = coefficients.pop("", 0.0)
    return Attribution(
        {name: coefficients.get(name, 0.0) for name in population.features},
        None if population.true is None else of_true,
        1.0 - left,
    )


def effects(
    population: Population, interventions: Sequence[Intervention], margin: float = MARGIN
) -> tuple[list[Effect], Attribution]:
    """Return the effects of all interventions, the largest excess first, and the attribution.

    Pairs about one prompt are averaged before the interval over prompts is taken.

    Raises:
        ConfigError: if the reward is constant, or no intervention has at least ``LEAST_PAIRS`` pairs.
    """
    judged = [one for one in interventions if len(one.rows) >= LEAST_PAIRS]
    require(
        len(judged) > 0,
        f"No edit could be made to {LEAST_PAIRS} responses or segments, the least number that says anything; draw more "
        "with --count.",
    )
    scale, b, fit = spread(population), slope(population), attribute(population)
    sizes = _sizes(population)
    level = 1.0 - (1.0 - LEVEL) / len(judged)
    found = []
    for one in judged:
        owed = None if one.true is None else b * one.true / scale
        rest = one.reward / scale - (0.0 if owed is None else owed)
        excess, low, high = mean_interval(_by_group(rest, population.group[one.rows]).tolist(), level)
        moved = {name: float(np.mean(one.features[name])) / size for name, size in sizes.items() if size > 1e-9}
        predicted = sum(fit.coefficients[name] * value for name, value in moved.items()) if moved else None
        moved = {name: value for name, value in moved.items() if abs(value) > 0.005}
        changed = float(np.mean(_by_group(one.reward, population.group[one.rows]))) / scale
        found.append(
            Effect(
                one.name, one.what, len(one.rows), changed, None if owed is None else changed - excess, excess,
                low, high, predicted, moved, named=low > margin or high < -margin,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: -abs(one.excess)), fit


def _sizes(population: Population) -> dict[str, float]:
    """Return the standard deviation of every feature among responses to the same prompt."""
    return {
        name: float(np.sqrt(np.sum(_within(np.asarray(values, np.float64), population.group) ** 2)
                            / _degrees(population.group)))
        for name, values in population.features.items()
    }  # fmt: skip


def _within(values: Float[np.ndarray, " N"], group: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Return values minus the mean of their group, or of all, if every group has only one."""
    values = np.asarray(values, np.float64)
    _, place, count = np.unique(group, return_inverse=True, return_counts=True)
    if count.max() == 1:
        return values - values.mean()
    return values - (np.bincount(place, values) / count)[place]


def _degrees(group: Int[np.ndarray, " N"]) -> int:
    """Return the number of values minus that of the means that are subtracted."""
    groups = len(np.unique(group))
    return max(len(group) - (1 if groups == len(group) else groups), 1)


def _by_group(values: Float[np.ndarray, " n"], group: Int[np.ndarray, " n"]) -> Float[np.ndarray, " groups"]:
    """Return the mean of every group."""
    _, place, count = np.unique(group, return_inverse=True, return_counts=True)
    return np.bincount(place, values) / count

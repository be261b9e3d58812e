"""Effects of interventions against known answers: a planted coefficient is found exactly, and a null finds nothing."""

import numpy as np
import pytest

from rl_rewards.auditing.effects import MARGIN, Intervention, Population, attribute, correlation, effects, slope, spread
from rl_rewards.core.errors import ConfigError

N = 400
RNG = np.random.default_rng(0)
TRUE, LENGTH, PRAISE = RNG.normal(size=N), RNG.normal(size=N), RNG.integers(0, 2, N).astype(float)
TRUE -= np.polyval(np.polyfit(LENGTH, TRUE, 1), LENGTH)  # so that no feature is correlated with the true reward
PRAISE_APART = PRAISE - np.polyval(np.polyfit(TRUE, PRAISE, 1), TRUE)


def population(reward, group=None, true=TRUE):
    features = {"length": LENGTH, "praise": PRAISE_APART}
    return Population(reward, features, true, np.arange(N) if group is None else group)


def edits(of_length, of_praise, true=1.0, noise=0.0):
    """Return edits that add one unit of a feature, and raise the true reward by 0.5, of a linear reward."""
    rows, rng = np.arange(N), np.random.default_rng(1)
    changes = {"length": ("length", of_length), "praise": ("praise", of_praise)}
    return [
        Intervention(
            name,
            "",
            rows,
            coefficient + true * 0.5 + noise * rng.normal(size=N),
            {one: np.full(N, float(one == feature)) for one in changes},
            np.full(N, 0.5),
        )
        for name, (feature, coefficient) in changes.items()
    ]


def test_a_planted_coefficient_is_found_exactly_and_first():
    one = population(2.0 * TRUE + 3.0 * PRAISE_APART)
    found, fit = effects(one, edits(0.0, 3.0, true=2.0))
    assert [effect.name for effect in found] == ["praise", "length"]
    praise, length = found
    scale = np.std(2.0 * TRUE + 3.0 * PRAISE_APART, ddof=1)
    assert slope(one) == pytest.approx(2.0) and spread(one) == pytest.approx(scale)
    assert praise.excess == pytest.approx(3.0 / scale) and praise.owed == pytest.approx(1.0 / scale)
    assert praise.low == pytest.approx(praise.excess) == praise.high, "a deterministic effect has no spread"
    assert praise.named and not length.named and length.excess == pytest.approx(0.0, abs=1e-9)
    assert praise.predicted == pytest.approx(praise.excess), "where the reward is linear, attribution is right"
    assert fit.coefficients["length"] == pytest.approx(0.0, abs=1e-9) and fit.explained == pytest.approx(1.0)


def test_the_true_reward_and_noise_are_nulls():
    for noise in (0.0, 1.0):
        reward = 0.7 * TRUE + noise * np.random.default_rng(2).normal(size=N)
        found, _ = effects(population(reward), edits(0.0, 0.0, true=0.7, noise=noise))
        assert not any(effect.named for effect in found)
        assert all(effect.low <= 0.05 and effect.high >= -0.05 for effect in found)


def test_a_certain_but_small_effect_does_not_count():
    found, _ = effects(population(TRUE), edits(0.0, 0.5 * MARGIN))
    assert found[0].low > 0.0 and not found[0].named, "an interval over texts alone would name every tiny effect"


def test_intervals_are_simultaneous():
    one, noisy = population(TRUE), edits(0.0, 0.0, noise=1.0)
    alone, both = effects(one, noisy[:1])[0][0], effects(one, noisy)[0]
    assert both[0].high - both[0].low > 1.1 * (alone.high - alone.low), "two intervals are each wider than one"


def test_attribution_can_be_fooled_where_intervention_is_not():
    length = PRAISE_APART + 0.01 * np.random.default_rng(3).normal(size=N)
    confounded = Population(TRUE + 3.0 * PRAISE_APART, {"length": length}, TRUE, np.arange(N))
    (of_length,), fit = effects(confounded, [edits(0.0, 3.0)[0]])
    assert fit.coefficients["length"] > 0.5 and of_length.predicted > MARGIN
    assert of_length.excess == pytest.approx(0.0, abs=1e-2) and not of_length.named


def test_what_a_prompt_adds_is_not_counted():
    group = np.arange(N) // 4
    prompts = 100.0 * np.random.default_rng(4).normal(size=N // 4)[group]
    alone, more = (population(TRUE + added, group) for added in (0.0, prompts))
    assert spread(more) == pytest.approx(spread(alone)) and correlation(more) == pytest.approx(1.0)
    pairs = effects(more, edits(0.0, 0.0, noise=1.0))[0][0]
    apart = effects(population(TRUE), edits(0.0, 0.0, noise=1.0))[0][0]
    assert pairs.high - pairs.low == pytest.approx(apart.high - apart.low, rel=0.3), "prompts, not pairs, are counted"


def test_without_a_true_reward_nothing_is_owed():
    (praise, _), fit = effects(
        population(TRUE + PRAISE, true=None), [one.__class__(**{**vars(one), "true": None}) for one in edits(0.0, 1.0)]
    )
    assert praise.owed is None and fit.of_true is None and praise.excess == praise.changed


def test_refusals():
    with pytest.raises(ConfigError, match="the same for all"):
        attribute(population(np.zeros(N)))
    few = edits(0.0, 1.0)[0]
    few = Intervention(few.name, "", few.rows[:3], few.reward[:3], {}, None)
    with pytest.raises(ConfigError, match="draw more"):
        effects(population(TRUE), [few])

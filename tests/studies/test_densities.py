"""Mixtures on a line: samples, density and distribution function agree."""

import jax
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.studies.densities import blend, mixture, stacked

BOTH = mixture(weights=[0.25, 0.75], means=[-2.0, 1.0], deviations=[0.5, 1.0])
NARROW = mixture(weights=[1.0], means=[4.0], deviations=[0.1])
LINE = np.linspace(-8.0, 8.0, 4001)


def test_draws_have_the_density():
    draws = np.asarray(jax.jit(BOTH.sample, static_argnums=1)(jax.random.key(0), (50_000,)))
    for x in (-2.5, -1.0, 1.0, 2.0):
        assert np.mean(draws <= x) == pytest.approx(BOTH.cumulative(np.array([x]))[0], abs=0.01)


def test_the_density_integrates_to_the_distribution_function():
    sums = np.cumsum(BOTH.density(LINE)) * (LINE[1] - LINE[0])
    np.testing.assert_allclose(sums, BOTH.cumulative(LINE), atol=2e-3)
    normal_at_mean = 1.0 / np.sqrt(2.0 * np.pi)
    assert mixture(weights=[1.0], means=[3.0], deviations=[2.0]).density(np.array([3.0]))[0] == pytest.approx(
        normal_at_mean / 2.0
    )


def test_a_blend_is_of_both():
    blended = blend(BOTH, NARROW, 0.4)
    expected = 0.4 * BOTH.density(LINE) + 0.6 * NARROW.density(LINE)
    np.testing.assert_allclose(blended.density(LINE), expected, rtol=1e-5)
    np.testing.assert_allclose(blend(BOTH, NARROW, 1.0).density(LINE), BOTH.density(LINE), rtol=1e-6)
    assert stacked([blended, blended]).means.shape == (2, 3)


def test_what_is_no_mixture_is_refused():
    with pytest.raises(ConfigError, match="as many weights"):
        mixture(weights=[1.0], means=[0.0, 1.0], deviations=[1.0])
    with pytest.raises(ConfigError, match="sum to 1"):
        mixture(weights=[0.5, 0.4], means=[0.0, 1.0], deviations=[1.0, 1.0])
    with pytest.raises(ConfigError, match="positive"):
        mixture(weights=[1.0], means=[0.0], deviations=[0.0])

"""Every text has one error, of the chosen distribution; only texts have any."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.rewards.erroneous import ErroneousReward
from tests.algorithms.language.probe import text_spec
from tests.probes import make_rollout

TEXTS = 20_000
# Quantiles at 0.75 and 0.975 of Student's t with 2 degrees of freedom and of the normal distribution, from tables.
QUANTILES = {"student_t": (0.8165, 4.3027), "normal": (0.6745, 1.9600)}


def paid(error, texts, seed=0):
    """Return the rewards, with an error of scale 2, of texts whose environment pays 3."""
    source = ErroneousReward(spec=text_spec(), error=error, scale=2.0)
    rollout = make_rollout(text_spec(), 1, len(texts))
    rollout = rollout.replace(next_obs=texts[None], env_reward=jnp.full((1, len(texts)), 3.0))
    return jax.jit(source.reward)(source.init(jax.random.key(seed)), rollout)[0]


@pytest.mark.parametrize("error", QUANTILES)
def test_a_text_has_one_error_of_the_distribution(error):
    width = text_spec().obs.shape[0]
    texts = jax.random.randint(jax.random.key(1), (TEXTS, width), 0, 100_000)
    errors = np.asarray(paid(error, texts) - 3.0) / 2.0
    found = np.quantile(errors, [0.5, 0.75, 0.975])
    assert found[0] == pytest.approx(0.0, abs=0.04)
    assert found[1:] == pytest.approx(QUANTILES[error], rel=0.08)
    np.testing.assert_array_equal(paid(error, texts[::-1])[::-1], paid(error, texts), "a text keeps its error")
    other = np.asarray(paid(error, texts, seed=1) - 3.0)
    assert abs(np.mean(np.sign(errors) * np.sign(other))) < 0.04, "another seed has other errors"


def test_without_texts_it_is_refused():
    with pytest.raises(ConfigError, match=r"reward=erroneous gives every text an error, and .* has no texts"):
        ErroneousReward(spec=dataclasses.replace(text_spec(), text=None), error="normal", scale=1.0)
    with pytest.raises(ConfigError, match=r"reward\.scale=-1\.0 must be 0"):
        ErroneousReward(spec=text_spec(), error="normal", scale=-1.0)

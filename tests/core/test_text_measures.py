"""Tests of the measures of token sequences against sets of tuples."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_rewards.core.text_measures import distinct_share, ngrams, text_metrics


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.integers(0, 6), st.integers(1, 3))
def test_distinct_ngrams_are_counted_as_a_set_counts_them(tokens, length, n):
    mask = np.arange(6) < length
    found = distinct_share(*(x.reshape(-1) for x in ngrams(jnp.array([tokens]), jnp.array([mask]), n)))
    grams = [tuple(tokens[i : i + n]) for i in range(length - n + 1)]
    expected = len(set(grams)) / len(grams) if grams else 1.0
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_metrics_of_three_responses():
    tokens = jnp.array([[2, 3, 2, 3, 2, 3], [4, 4, 1, 0, 0, 0], [4, 4, 1, 0, 0, 0]])
    mask = tokens != 0
    found = text_metrics(tokens, mask, jnp.array([False, True, True]))
    assert float(found["agent/length"]) == 4.0
    np.testing.assert_allclose(found["agent/ended"], 2 / 3, rtol=1e-6)
    np.testing.assert_allclose(found["agent/distinct_1"], 4 / 12, rtol=1e-6)
    np.testing.assert_allclose(found["agent/distinct_2"], 4 / 9, rtol=1e-6)
    np.testing.assert_allclose(found["agent/repetition"], (0.5 + 0 + 0) / 3, rtol=1e-6)  # 2 of 4 trigrams repeat
    np.testing.assert_allclose(found["agent/unique_responses"], 2 / 3, rtol=1e-6)

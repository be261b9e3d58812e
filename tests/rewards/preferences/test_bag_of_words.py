"""The baseline counts words of responses alone, finds the best linear model, and is measured on held-out answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.text_spec import TextSpec
from rl_rewards.rewards.preferences.bag_of_words import (
    BUCKETS,
    PRECISION,
    bag_of_words_accuracy,
    fitted_weights,
    token_counts,
)

TEXT = TextSpec(vocabulary=10, prompt_tokens=2, response_tokens=4, tokenizer="")


def test_words_of_the_response_are_counted_without_prompt_and_padding():
    counts = token_counts(TEXT, jnp.array([[5.0, 6.0, 7.0, 7.0, 1.0, 0.0]]))
    assert counts.tolist() == [[0, 1, 0, 0, 0, 0, 0, 2, 0, 0]]
    large = token_counts(
        TextSpec(vocabulary=5000, prompt_tokens=1, response_tokens=1, tokenizer=""), jnp.array([3.0, 513.0])
    )
    assert large.shape == (BUCKETS,) and large[1] == 1, "several tokens of a large vocabulary share a feature"


def test_the_weights_have_the_largest_posterior_probability():
    """At the optimum the gradient of the log-posterior is 0, computed here pair by pair."""
    rng = np.random.default_rng(0)
    counts, scores = rng.poisson(1.0, (60, 3, 4)), rng.normal(size=(60, 3))
    scores[::5, 1] = np.nan
    scores[1::5, 0] = scores[1::5, 2]  # a tie says nothing
    weights = np.asarray(fitted_weights(jnp.asarray(counts, jnp.float32), jnp.asarray(scores, jnp.float32)))
    gradient = PRECISION * weights
    for one, known in zip(counts, scores, strict=True):
        for a, b in ((0, 1), (0, 2), (1, 2)):
            if np.isfinite(known[a] - known[b]) and known[a] != known[b]:
                better, worse = (a, b) if known[a] > known[b] else (b, a)
                apart = one[better] - one[worse]
                gradient = gradient - apart / (1.0 + np.exp(weights @ apart))
    assert np.abs(weights).max() > 0.05
    assert gradient == pytest.approx(np.zeros(4), abs=1e-3)


def test_accuracy_is_that_on_held_out_answers():
    """Word 5 decides all answers; held-out answers are reversed in one of four cases."""
    rng = np.random.default_rng(1)
    texts = rng.integers(2, 10, (400, 2, 6))
    scores = np.sum(texts[..., 2:] == 5, axis=-1).astype(float)
    heldout = np.arange(400) % 2 == 1
    scores[3::8] *= -1.0
    found = jax.jit(lambda *x: bag_of_words_accuracy(TEXT, *x))(
        jnp.asarray(texts, jnp.float32), jnp.asarray(scores), jnp.asarray(~heldout), jnp.asarray(heldout)
    )
    decided = heldout & (scores[:, 0] != scores[:, 1])
    reversed_share = np.mean(np.arange(400)[decided] % 8 == 3)
    assert found == pytest.approx(1.0 - reversed_share, abs=0.03)
    opposite = np.where(heldout[:, None], -np.sum(texts[..., 2:] == 5, axis=-1), scores)
    reversed_all = bag_of_words_accuracy(
        TEXT, *map(jnp.asarray, (texts.astype("f"), opposite.astype("f"), ~heldout, heldout))
    )
    assert reversed_all < 0.1, "held-out answers teach nothing"
    nothing = bag_of_words_accuracy(TEXT, *map(jnp.asarray, (texts.astype("f"), scores, ~heldout, heldout & False)))
    assert jnp.isnan(nothing)

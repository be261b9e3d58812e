"""The sentiment that is learned from rated texts, on a few tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from rl_rewards.data.rated.fit import PENALTY, fit_rated, ridge
from rl_rewards.data.rated.sentiment import BACK_OFF, mean_log_prob, sentiment
from tests.data.rated.made_up import END, GOOD, PAD, A, B, C, D, V, encode, invented, model, row


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((C, D), 0.25),
        ((C, GOOD), 0.25 + 2 / np.sqrt(3)),  # two tokens and a pair
        ((GOOD, GOOD, GOOD), 0.25 + 2 / np.sqrt(2)),  # the token and the pair count once
        ((A, B), 0.25 + 1 / np.sqrt(3)),
        ((B, A), 0.25),
        ((), 0.25),
    ],
)
def test_sentiment_counts_different_tokens_and_pairs_once(tokens, expected):
    found = row(*tokens)
    assert float(sentiment(model(), found, found != PAD)[0]) == pytest.approx(expected, abs=1e-5)


def test_the_probability_of_a_token_is_that_after_the_one_before():
    after_a = np.log((30 + BACK_OFF / V) / (40 + BACK_OFF))
    found = [row(A, B, C), row(C, D)]
    told = [float(mean_log_prob(model(), one, one != PAD)[0]) for one in found]
    assert told[0] == pytest.approx((np.log(1 / V) + after_a + np.log(1 / V)) / 3, abs=1e-5)
    assert told[1] == pytest.approx(np.log(1 / V), abs=1e-5)


def test_ridge_is_the_closed_form():
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(30, 7)), rng.normal(size=30)
    exact = np.linalg.solve(inputs.T @ inputs + PENALTY * np.eye(7), inputs.T @ targets)
    np.testing.assert_allclose(ridge(scipy.sparse.csr_matrix(inputs), targets), exact, atol=1e-6)


def test_a_fit_agrees_with_the_ratings_of_held_out_texts():
    fit = fit_rated(invented(), encode, V)
    assert set(fit.correlation) == {"all", "movie", "tweet"} and min(fit.correlation.values()) > 0.9
    told = jnp.concatenate([row(*encode(text), END) for text in ("the good film is a", "the bad film is a")])
    felt = sentiment(jax.tree.map(jnp.asarray, fit.model), told, (told != PAD) & (told != END))
    assert felt[0] > 1 and felt[1] < -1
    assert float(np.exp(fit.model.log_prob).sum()) == pytest.approx(1.0, abs=1e-4)
    pairs = sum(len(one.split()) - 1 for i, one in enumerate(invented().text) if i % 10 != 9)
    assert fit.model.pair_count.sum() == fit.model.count.sum() == pairs
    again = fit_rated(invented(), encode, V)
    jax.tree.map(np.testing.assert_array_equal, fit.model, again.model)

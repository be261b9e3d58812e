"""The rated gold: what is learned from rated texts, and what every part of the reward is worth, on a few tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from rl_rewards.core.text_measures import ngrams
from rl_rewards.data.rated_texts import RatedTexts
from rl_rewards.envs.text import prompt_file
from rl_rewards.envs.text.rated_fit import PENALTY, fit_rated, ridge
from rl_rewards.envs.text.rated_gold import (
    BACK_OFF,
    NO_END,
    PAIR_COUNTS,
    PAIR_WEIGHTS,
    REPEATED,
    SHORT,
    RatedModel,
    mean_log_prob,
    rated_parts,
    sentiment,
)
from rl_rewards.envs.text.vocabulary import ended
from rl_rewards.loop.collect import reset_jax
from tests.probes import make

PAD, END, V = 0, 1, 8
GOOD, BAD, A, B, C, D = 2, 3, 4, 5, 6, 7


def place(first: int, second: int, places: int) -> int:
    tokens = jnp.array([[first, second]])
    return int(np.uint32(np.asarray(ngrams(tokens, tokens >= 0, 2)[0])[0, 0].astype(np.uint32)) % places)


def model(usual: float = -1e9) -> RatedModel:
    """Return a model in which GOOD is worth 2, BAD -2 and the pair A B 1, and every token is as probable."""
    weights = np.zeros(V + PAIR_WEIGHTS, np.float32)
    weights[GOOD], weights[BAD], weights[V + place(A, B, PAIR_WEIGHTS)] = 2.0, -2.0, 1.0
    pairs = np.zeros(PAIR_COUNTS, np.uint8)
    pairs[place(A, B, PAIR_COUNTS)] = 30
    count = np.zeros(V, np.float32)
    count[A] = 40.0
    alone = np.full(V, np.log(1 / V), np.float32)
    learned = RatedModel(
        weights=weights, bias=np.float32(0.25), log_prob=alone, count=count, pair_count=pairs, usual=np.float32(usual)
    )
    return jax.tree.map(jnp.asarray, learned)


def row(*tokens: int) -> jax.Array:
    return jnp.array([[*tokens, *[PAD] * (10 - len(tokens))]], jnp.int32)


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


def test_every_fault_has_its_price_and_gold_is_bounded():
    def worth(*tokens: int, usual: float = -1e9) -> dict[str, float]:
        parts = rated_parts(model(usual), row(*tokens), END, PAD)
        return {name: float(value[0]) for name, value in vars(parts).items()}

    fine = worth(C, D, A, C, B, END)
    assert fine["gold"] == pytest.approx(4 * np.tanh(0.25 / 4), abs=1e-5)
    assert (fine["ended"], fine["strange"], fine["repeated"], fine["short"]) == (1.0, 0.0, 0.0, 0.0)
    cut = worth(C, D, A, C, B)
    assert cut["gold"] == pytest.approx(4 * np.tanh((0.25 - NO_END) / 4), abs=1e-5)
    assert worth(C, D, END)["short"] == pytest.approx(3 * SHORT)
    assert worth(C, C, C, C, C, END)["repeated"] == pytest.approx(0.75 * REPEATED)
    strange = worth(C, D, B, C, B, END, usual=np.log(1 / V) + 0.5)
    assert strange["strange"] == pytest.approx(1.0, abs=1e-4)  # half a nat below
    assert worth(C, D, A, C, B, END, usual=10.0)["strange"] == 4.0
    assert -4 < worth(BAD, BAD, BAD, BAD, usual=10.0)["gold"] < -3


def test_gold_of_batches_of_any_shape_is_that_of_each():
    responses = jax.random.randint(jax.random.key(0), (3, 2, 10), 0, V)
    learned = model(-2.0)
    found = jax.jit(lambda x: rated_parts(learned, x, END, PAD))(responses)
    each = [rated_parts(learned, one, END, PAD).gold for one in responses.reshape(-1, 10)]
    assert found.gold.shape == (3, 2)
    np.testing.assert_allclose(found.gold.reshape(-1), each, atol=1e-5)


def test_ridge_is_the_closed_form():
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(30, 7)), rng.normal(size=30)
    exact = np.linalg.solve(inputs.T @ inputs + PENALTY * np.eye(7), inputs.T @ targets)
    np.testing.assert_allclose(ridge(scipy.sparse.csr_matrix(inputs), targets), exact, atol=1e-6)


WORDS = ["good", "bad", "the", "film", "is", "a"]


def invented() -> RatedTexts:
    """Return texts of six words, whose rating is 2 with the word good, -2 with the word bad, or else 0."""
    rng = np.random.default_rng(0)
    text = [" ".join(rng.choice(WORDS, size=6)) for _ in range(400)]
    mean = np.array([2.0 * ("good" in one) - 2.0 * ("bad" in one) for one in text], np.float32)
    return RatedTexts(text, ["movie" if i % 3 else "tweet" for i in range(400)], mean)


def encode(text: str) -> list[int]:
    return [2 + WORDS.index(word) for word in text.split()]


def test_a_fit_agrees_with_the_ratings_of_held_out_texts():
    fit = fit_rated(invented(), encode, V)
    assert set(fit.correlation) == {"all", "movie", "tweet"} and min(fit.correlation.values()) > 0.9
    told = jnp.concatenate([row(*encode(text), END) for text in ("the good film is a", "the bad film is a")])
    parts = rated_parts(jax.tree.map(jnp.asarray, fit.model), told, END, PAD)
    assert parts.sentiment[0] > 1 and parts.sentiment[1] < -1
    assert float(np.exp(fit.model.log_prob).sum()) == pytest.approx(1.0, abs=1e-4)
    pairs = sum(len(one.split()) - 1 for i, one in enumerate(invented().text) if i % 10 != 9)
    assert fit.model.pair_count.sum() == fit.model.count.sum() == pairs
    again = fit_rated(invented(), encode, V)
    jax.tree.map(np.testing.assert_array_equal, fit.model, again.model)


def test_an_environment_pays_the_rated_gold(monkeypatch):
    pytest.importorskip("tokenizers")
    monkeypatch.setattr(prompt_file, "read_rated_texts", lambda folder: invented())
    env = make("env", "text_prompts", gold="rated")
    state = reset_jax(env, jax.random.key(0), 3)
    texts = ["good film", "bad film", "the film is good"]
    padded = np.stack(
        [ended(env.codec.encode(text), env.sizes.response, env.codec.end, env.codec.pad) for text in texts]
    )
    keys = jax.random.split(jax.random.key(1), 3)
    _, out = jax.jit(jax.vmap(env.step))(keys, state, padded)
    learned = jax.tree.map(jnp.asarray, env._rated.model)
    expected = rated_parts(learned, jnp.asarray(padded), env.codec.end, env.codec.pad)
    np.testing.assert_allclose(out.env_reward, expected.gold, atol=1e-5)
    np.testing.assert_allclose(out.info["gold_sentiment"], expected.sentiment, atol=1e-5)
    assert out.env_reward[0] > out.env_reward[1]
    assert env.requirements.notes[0].startswith(
        "env.gold=rated agrees with people's ratings of held-out texts at these"
    )
    assert make("env", "text_prompts").info_keys == ()

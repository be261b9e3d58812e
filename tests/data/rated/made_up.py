"""A small model of sentiment, and invented texts with ratings."""

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.text_measures import ngrams
from rl_rewards.data.rated.sentiment import PAIR_COUNTS, PAIR_WEIGHTS, RatedModel
from rl_rewards.data.rated.texts import RatedTexts

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


WORDS = ["good", "bad", "the", "film", "is", "a"]


def invented() -> RatedTexts:
    """Return texts of six words, whose rating is 2 with the word good, -2 with the word bad, or else 0."""
    rng = np.random.default_rng(0)
    text = [" ".join(rng.choice(WORDS, size=6)) for _ in range(400)]
    ratings = [[2.0 * ("good" in one) - 2.0 * ("bad" in one)] for one in text]
    return RatedTexts(text, ["movie" if i % 3 else "tweet" for i in range(400)], ratings)


def encode(text: str) -> list[int]:
    return [2 + WORDS.index(word) for word in text.split()]

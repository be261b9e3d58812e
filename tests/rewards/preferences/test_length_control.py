"""The length explains what it can of the answers, and the rewards explain the rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.text_spec import TextSpec
from rl_rewards.rewards.preferences.fit import PreferenceFit
from rl_rewards.rewards.preferences.length_control import without_length
from tests.probes import make, with_model

TEXT = TextSpec(vocabulary=8, prompt_tokens=1, response_tokens=6, tokenizer="")
GOOD, BAD, FILLER, END = 3.0, 2.0, 4.0, 1.0


def test_the_coefficient_is_the_log_odds_with_which_the_longer_one_wins():
    """Three of four answers favour the longer one, and nothing else tells them apart."""
    lengths = jnp.tile(jnp.array([[5.0, 10.0], [10.0, 5.0]]), (40, 1))
    longer_wins = (jnp.arange(80) % 4 != 0)[:, None]
    scores = jnp.where(longer_wins, lengths, -lengths)
    explained, correlation, coefficient = without_length(jnp.zeros((80, 2)), lengths, scores)
    assert float(coefficient) == pytest.approx(np.log(3.0), abs=0.02)
    np.testing.assert_allclose(explained[:, 1] - explained[:, 0], coefficient * jnp.array([1.0, -1.0] * 40), atol=1e-5)
    assert float(correlation) == 0.0


def test_what_returns_explain_already_is_left_to_them():
    rng = np.random.default_rng(0)
    lengths = jnp.asarray(rng.normal(size=(4000, 2)), jnp.float32)
    returns = 2.0 * lengths
    wins = rng.uniform(size=4000) < 1.0 / (1.0 + np.exp(-np.asarray(returns[:, 0] - returns[:, 1])))
    scores = jnp.asarray(np.stack([wins, ~wins], axis=1), jnp.float32)
    _, correlation, coefficient = without_length(returns, lengths, scores)
    assert float(correlation) == pytest.approx(1.0, abs=1e-4) and abs(float(coefficient)) < 0.2


def test_unknown_answers_and_equal_lengths_change_nothing():
    returns, lengths = jnp.array([[1.0, 0.0], [0.0, 3.0]]), jnp.array([[4.0, 4.0], [1.0, 9.0]])
    scores = jnp.array([[1.0, 0.0], [jnp.nan, jnp.nan]])
    explained, correlation, coefficient = without_length(returns, lengths, scores)
    np.testing.assert_array_equal(explained, returns)
    assert float(correlation) == float(coefficient) == 0.0


def pairs(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return texts [count, 2, 1, 7] whose first word is good or bad, their quality and their length."""
    quality = np.stack([order := rng.integers(0, 2, count), 1 - order], axis=1)
    extra = rng.integers(0, 5, (count, 2))
    place = np.arange(5)
    rest = np.where(place < extra[..., None], FILLER, np.where(place == extra[..., None], END, 0.0))
    first = np.where(quality, GOOD, BAD)[..., None]
    return np.concatenate([np.full_like(first, 5.0), first, rest], axis=-1)[:, :, None], quality, extra


def learned(length_control: float, inputs: np.ndarray, scores: np.ndarray):
    """Return a reward function that has learned from the answers."""
    model = with_model({"hidden": (32,), "activation": "tanh"})
    reward_model = make("reward_model", "mlp", learning_rate=1e-2, ensemble=1, normalize_inputs=False, **model)
    fit = PreferenceFit(
        model=reward_model, batch_size=128, label_noise=0.0, crop=0.0, pseudo_weight=0.0, pseudo_confidence=0.9,
        length_control=length_control, text=TEXT,
    )  # fmt: skip
    texts, answers = jnp.asarray(inputs, jnp.float32), jnp.asarray(scores, jnp.float32)
    state, _ = jax.jit(
        lambda first, keys: jax.lax.scan(
            lambda model, key: fit.step(model, texts, answers, jnp.ones(len(texts), bool), None, key), first, keys
        )
    )(reward_model.init(jax.random.key(0), texts.shape[-1]), jax.random.split(jax.random.key(1), 400))
    return lambda x: np.asarray(reward_model.rewards(state, jnp.asarray(x, jnp.float32))[0, :, :, 0])


def test_a_teacher_who_likes_long_texts_teaches_quality_only():
    rng = np.random.default_rng(1)
    inputs, quality, extra = pairs(rng, 2000)
    scores = 1.5 * quality + 1.0 * extra + rng.gumbel(size=quality.shape)  # differences of Gumbels are logistic
    new, better, longer = pairs(rng, 500)
    found = {weight: learned(weight, inputs, scores)(new) for weight in (0.0, 1.0)}
    leaning = {w: np.corrcoef(np.diff(one)[:, 0], np.diff(longer)[:, 0])[0, 1] for w, one in found.items()}
    right = {w: np.mean(np.sign(np.diff(one)) == np.sign(np.diff(better))) for w, one in found.items()}
    assert leaning[0.0] > 0.7 and abs(leaning[1.0]) < 0.3
    assert right[1.0] > 0.9 > right[0.0]

"""Tests of sampling and scoring: equal log-probabilities, frequencies, ends, and several seeds at once."""

import functools
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.models.transformer.generate import allowed_logits, draw_token, generate, response_mask, score
from tests.models.transformer.small import transformer

NETWORK = transformer(vocabulary=8, width=16, layers=1, heads=2, kv_heads=1, hidden=16).language_model()
END, ALLOWED, LENGTH = 2, 7, 6
PROMPT = jnp.tile(jnp.array([[0, 0, 3], [0, 5, 7], [4, 1, 6], [0, 0, 5]], jnp.int32), (8, 1))


@functools.cache
def params():
    return jax.tree.map(lambda leaf: 1.5 * leaf, jax.jit(NETWORK.init)(jax.random.key(0), PROMPT))


@functools.partial(jax.jit, static_argnames="greedy")
def sampled(params, key, temperature=1.0, greedy=False):
    return generate(NETWORK, params, PROMPT, key, LENGTH, END, ALLOWED, temperature, greedy)


@jax.jit
def scored(params, response):
    return score(NETWORK, params, PROMPT, response, END, ALLOWED, with_logits=True)


def test_scores_are_the_log_probabilities_of_sampling():
    """Also at temperature 2, which changes what is sampled but not the policy that is reported."""
    for key, temperature in ((0, 1.0), (1, 2.0)):
        drawn = sampled(params(), jax.random.key(key), temperature)
        found = scored(params(), drawn.response)
        np.testing.assert_array_equal(found.mask, drawn.mask)
        np.testing.assert_allclose(found.log_prob, drawn.log_prob, atol=1e-5)
        assert float(drawn.log_prob[drawn.mask].max()) < 0.0


def test_scores_by_hand_from_the_logits_of_the_whole():
    response = sampled(params(), jax.random.key(3)).response
    found = scored(params(), response)
    whole = np.asarray(NETWORK.apply(params(), jnp.concatenate([PROMPT, response], axis=1)), np.float64)
    for row in range(4):
        for at in range(LENGTH):
            logits = whole[row, 2 + at, 1:ALLOWED]  # from padding, 0, and from 7 on nothing is sampled
            probabilities = np.exp(logits) / np.exp(logits).sum()
            inside = bool(found.mask[row, at])
            expected = np.log(probabilities[int(response[row, at]) - 1]) if inside else 0.0
            np.testing.assert_allclose(found.log_prob[row, at], expected, atol=1e-5)
            entropy = -(probabilities * np.log(probabilities)).sum() if inside else 0.0
            np.testing.assert_allclose(found.entropy[row, at], entropy, atol=1e-5)
            np.testing.assert_allclose(found.logits[row, at, 1:ALLOWED], logits, atol=1e-4)
    hidden = NETWORK.apply(params(), PROMPT, method="hidden")
    np.testing.assert_allclose(found.hidden[:, 0], hidden[:, -1], atol=1e-5)  # before the first token


def test_a_response_ends_with_its_end_token_and_is_padded_after_it():
    drawn = sampled(params(), jax.random.key(4))
    ended = 0
    for response, mask, log_prob in zip(*map(np.asarray, (drawn.response, drawn.mask, drawn.log_prob)), strict=True):
        ends = np.flatnonzero(response == END)
        length = ends[0] + 1 if len(ends) else LENGTH
        assert mask.tolist() == [True] * length + [False] * (LENGTH - length)
        assert (response[:length] != 0).all() and (response[:length] < ALLOWED).all()
        assert (response[length:] == 0).all() and (log_prob[length:] == 0).all()
        ended += len(ends)
    assert 0 < ended < len(PROMPT)
    assert drawn.response.dtype == jnp.int32


def test_masks_by_hand():
    response = jnp.array([[3, 2, 0, 0], [2, 0, 0, 0], [3, 4, 5, 6], [2, 2, 3, 0], [3, 0, 0, 0]])
    expected = [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert response_mask(response, end=2, pad=0).astype(int).tolist() == expected


def test_first_tokens_are_as_frequent_as_their_probabilities():
    """4 prompts x 8 rows x 400 keys: the frequencies of a prompt's 3,200 draws lie within four standard errors."""
    keys = jax.random.split(jax.random.key(5), 400)
    tree = jax.tree.map(lambda leaf: leaf / 1.5, params())
    with jax.debug_key_reuse(False):  # which has false positives under vmap
        first = jax.jit(jax.vmap(lambda key: generate(NETWORK, tree, PROMPT, key, 1, END, ALLOWED).response))(keys)
    logits = NETWORK.apply(tree, PROMPT)[:4, -1]
    probabilities = np.asarray(jax.nn.softmax(allowed_logits(logits, ALLOWED, 0)))
    assert (probabilities[:, [0, 7]] == 0).all()
    draws = np.asarray(first).reshape(400 * 8, 4)
    frequencies = np.stack([np.bincount(draws[:, row], minlength=8) / len(draws) for row in range(4)])
    error = np.sqrt(probabilities * (1 - probabilities) / len(draws))
    assert (np.abs(frequencies - probabilities) <= 4 * error + 1e-9).all()
    assert (probabilities.max(axis=1) < 0.9).all()  # so the test says something about more than one token


def test_tokens_without_probability_are_never_drawn():
    """Also where the uniform share is 0 or rounds up to the whole, and where all likely tokens come first."""
    logits = jnp.array([[-1e30, 0.0, -1e30, 0.0, -1e30], [0.0, -1e30, -1e30, -1e30, -1e30]])
    shares = {0.0: [1, 0], 0.49: [1, 0], 0.51: [3, 0], 1.0: [3, 0]}
    for share, expected in shares.items():
        with mock.patch.object(jax.random, "uniform", lambda key, shape, share=share: jnp.full(shape, share)):
            found = draw_token(jax.random.key(0), logits)
        if share < 1.0:
            assert found.tolist() == expected
        else:
            assert all(logits[row, token] == 0.0 for row, token in enumerate(found.tolist()))


def test_greedy_takes_the_likeliest_allowed_token():
    drawn = sampled(params(), jax.random.key(6), greedy=True)
    logits = np.asarray(scored(params(), drawn.response).logits)
    expected = np.where(drawn.mask, logits.argmax(axis=-1), 0)
    np.testing.assert_array_equal(drawn.response, expected)


def test_seeds_share_one_program():
    """With a leading axis of seeds, each seed gets what it gets alone."""
    trees = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.5 * leaf]), params())
    with jax.debug_key_reuse(False):  # which has false positives under vmap
        together = jax.jit(jax.vmap(sampled))(trees, jax.random.split(jax.random.key(7), 2))
    keys = jax.random.split(jax.random.key(7), 2)
    for seed in range(2):
        alone = sampled(jax.tree.map(lambda leaf, s=seed: leaf[s], trees), keys[seed])
        np.testing.assert_array_equal(together.response[seed], alone.response)
        np.testing.assert_allclose(together.log_prob[seed], alone.log_prob, atol=1e-5)

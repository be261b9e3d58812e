"""Shuffled indices are permutations, and look like random ones."""

from functools import partial

import jax
import numpy as np
import pytest

from rl_rewards.core.keys import new_key
from rl_rewards.data.draws import shuffled

DRAWS = 20_000


@partial(jax.jit, static_argnums=(1, 2))
def many(key, n: int, draws: int):
    """Permutations [draws, n]."""
    return jax.vmap(lambda one: shuffled(one, n))(jax.random.split(key, draws))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 1000, 10_240])
def test_every_index_comes_once(n):
    for row in np.asarray(many(new_key(n), n, 3)):
        np.testing.assert_array_equal(np.sort(row), np.arange(n))


def test_each_of_24_orders_is_as_likely_as_the_others():
    orders = np.asarray(many(new_key(0), 4, DRAWS)) @ (64, 16, 4, 1)
    _, counts = np.unique(orders, return_counts=True)
    assert len(counts) == 24
    expected = DRAWS / 24
    assert np.sum((counts - expected) ** 2 / expected) < 49.7  # 23 degrees of freedom, p = .001


def test_two_neighbours_end_anywhere():
    """Where two indices come to lie, and how far from each other, is as in uniform permutations."""
    n = 50
    orders = np.asarray(many(new_key(1), n, DRAWS))
    first, second = np.argmax(orders == 20, axis=1), np.argmax(orders == 21, axis=1)
    expected = DRAWS / n
    counts = np.bincount(first, minlength=n)
    assert np.sum((counts - expected) ** 2 / expected) < 85.4  # 49 degrees of freedom, p = .001
    distances, of_each = np.abs(first - second), DRAWS * 2 * (n - np.arange(1, n)) / (n * (n - 1))
    counts = np.bincount(distances, minlength=n)[1:]
    assert np.sum((counts - of_each) ** 2 / of_each) < 84.0  # 48 degrees of freedom, p = .001


def test_a_seed_among_several_shuffles_as_it_does_alone():
    keys = jax.random.split(new_key(2), 3)
    together = jax.vmap(lambda key: shuffled(key, 100))(keys)
    for key, row in zip(keys, together, strict=True):
        np.testing.assert_array_equal(row, shuffled(key, 100))

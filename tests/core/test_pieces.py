"""Each of the first rows counts once, and only the pieces that are needed are processed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.pieces import (
    PIECES,
    SMALLEST,
    compute_where,
    fold_first,
    in_pieces,
    mean_over_first,
    piece_size,
    true_first,
)


@jax.jit
def folded(rows, count):
    """How many pieces there were, the sum of the rows that count, and how often each did."""

    def step(total, piece, is_new):
        pieces, numbers, seen = total
        new = jnp.sum(jnp.where(is_new, piece["value"], 0.0))
        return pieces + 1, numbers + new, seen.at[piece["index"]].add(is_new)

    nothing = (jnp.int32(0), jnp.float32(0.0), jnp.zeros(len(rows["index"]), jnp.int32))
    return fold_first(step, nothing, rows, count)


@pytest.mark.parametrize("length", [1, 10, SMALLEST, 3 * SMALLEST + 5, 30 * SMALLEST + 7])
def test_each_of_the_first_rows_counts_once(length):
    value = np.random.default_rng(0).normal(size=length).astype(np.float32)
    rows = {"value": value, "index": np.arange(length)}
    for count in sorted({0, 1, length // 3, length - 1, length}):
        pieces, numbers, seen = folded(rows, jnp.int32(count))
        np.testing.assert_array_equal(seen, np.arange(length) < count)
        assert numbers == pytest.approx(value[:count].sum(), abs=1e-4)
        assert pieces == -(-count // piece_size(length)) <= PIECES


def test_seeds_in_one_program_fold_as_each_does_alone():
    rows = {"value": np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)}
    rows["index"] = np.tile(np.arange(200), (3, 1))
    counts = jnp.array([0, 70, 200])
    _, numbers, seen = jax.vmap(folded)(rows, counts)
    for i, count in enumerate(counts):
        np.testing.assert_array_equal(seen[i], np.arange(200) < int(count))
        assert numbers[i] == pytest.approx(rows["value"][i, : int(count)].sum(), abs=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n", [1, 37, 1000])
def test_true_entries_come_first_and_in_their_order(n, share):
    mask = np.random.default_rng(n).random(n) < share
    expected = np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)])
    np.testing.assert_array_equal(jax.jit(true_first)(mask), expected)


@pytest.mark.parametrize("count", [0, 1, 64, 150])
def test_means_and_values_are_those_of_the_rows_that_count(count):
    rows = np.random.default_rng(0).normal(size=(150, 3)).astype(np.float32)

    def mean(piece, is_new):
        return {"mean": jnp.sum(jnp.where(is_new[:, None], piece, 0.0), axis=0) / jnp.sum(is_new)}

    found = jax.jit(lambda rows, count: mean_over_first(mean, rows, count))(rows, jnp.int32(count))
    expected = rows[:count].mean(axis=0) if count else np.zeros(3)
    np.testing.assert_allclose(found["mean"], expected, rtol=1e-4, atol=1e-6)
    mask = np.random.default_rng(1).permutation(150) < count
    values = jax.jit(lambda mask, rows: compute_where(mask, lambda x: x.sum(axis=-1), rows))(mask, rows)
    np.testing.assert_allclose(np.asarray(values)[mask], rows[mask].sum(axis=-1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 7, 8])
def test_pieces_together_are_the_whole(size):
    """Values and gradients are those of all rows at once, also where pieces do not divide the rows."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(7, 4)), jnp.float32)
    rows = {"x": x, "n": jnp.arange(7)}
    largest = []

    def function(piece):
        largest.append(len(piece["n"]))
        return {"sum": jnp.sum(jnp.sin(piece["x"]), axis=1), "n": piece["n"]}

    found = in_pieces(function, rows, size)
    np.testing.assert_allclose(found["sum"], np.sin(x).sum(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(found["n"], np.arange(7))
    assert max(largest) <= size
    gradient = jax.grad(lambda x: jnp.sum(in_pieces(function, {**rows, "x": x}, size)["sum"] ** 2))(x)
    np.testing.assert_allclose(gradient, 2 * np.sin(x).sum(axis=1, keepdims=True) * np.cos(x), rtol=1e-4, atol=1e-6)

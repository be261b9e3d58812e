"""Folding over the first rows: each counts once, and only the pieces that are needed are worked on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.pieces import PIECES, SMALLEST, fold_first


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
        size = max(-(-length // PIECES), min(length, SMALLEST))
        assert pieces == -(-count // size) <= PIECES


def test_seeds_in_one_program_fold_as_each_does_alone():
    rows = {"value": np.random.default_rng(0).normal(size=(3, 200)).astype(np.float32)}
    rows["index"] = np.tile(np.arange(200), (3, 1))
    counts = jnp.array([0, 70, 200])
    _, numbers, seen = jax.vmap(folded)(rows, counts)
    for i, count in enumerate(counts):
        np.testing.assert_array_equal(seen[i], np.arange(200) < int(count))
        assert numbers[i] == pytest.approx(rows["value"][i, : int(count)].sum(), abs=1e-4)

"""Processes arrays in pieces: all rows, to save memory, or the first rows if their number is known only at run time."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

PIECES, SMALLEST = 16, 64
"""The largest number of pieces and the smallest number of rows in a piece. On a CPU, the gradients of networks of 64
units take no longer for 2,048 rows in 16 pieces than for all rows at once."""

Total = TypeVar("Total")


def piece_size(length: int) -> int:
    """Return how many of ``length`` rows make a piece."""
    return max(math.ceil(length / PIECES), min(length, SMALLEST))


def fold_first(
    step: Callable[[Total, Any, Bool[Array, " P"]], Total], start: Total, rows: Any, count: Int[Array, ""]
) -> Total:
    """Fold ``step`` over the first ``count`` of N rows, in pieces of P rows; the other rows cost nothing.

    Args:
        step: (total, piece, is_new) -> new total. ``is_new`` [P] is True for the rows that count: the last piece also
            holds rows after the first ``count``, and rows of the piece before it where P does not divide N.
        start: the total before the first piece.
        rows: leaves [N, ...].
    """
    length = len(jax.tree.leaves(rows)[0])
    size = piece_size(length)

    def one_piece(carry: tuple[Array, Total]) -> tuple[Array, Total]:
        first, total = carry
        begin = jnp.minimum(first, length - size)
        piece = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, begin, size), rows)
        place = begin + jnp.arange(size)
        return first + size, step(total, piece, (place >= first) & (place < count))

    return jax.lax.while_loop(lambda carry: carry[0] < count, one_piece, (jnp.zeros((), jnp.int32), start))[1]


def mean_over_first(function: Callable[[Any, Bool[Array, " P"]], Any], rows: Any, count: Int[Array, ""]) -> Any:
    """Return means over the first ``count`` rows; zeros where ``count`` is 0.

    Args:
        function: (piece, is_new) -> means over the rows of the piece where ``is_new``, in arrays of any structure.
        rows, count: see :func:`fold_first`.
    """

    def add(total: Any, piece: Any, is_new: Bool[Array, " P"]) -> Any:
        share = jnp.sum(is_new) / count
        return jax.tree.map(lambda x, y: x + share * y, total, function(piece, is_new))

    every = jnp.ones(len(jax.tree.leaves(rows)[0]), bool)
    shapes = jax.eval_shape(function, rows, every)
    return fold_first(add, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes), rows, count)


def compute_where(
    mask: Bool[Array, " N"], function: Callable[[Any], Float[Array, " P"]], rows: Any
) -> Float[Array, " N"]:
    """Return ``function`` of rows [N, ...] where ``mask``. Other rows are not computed, but for a few, and are 0."""

    def add(values: Array, index: Int[Array, " P"], is_new: Bool[Array, " P"]) -> Array:
        del is_new  # a row that comes twice has the same value again
        return values.at[index].set(function(jax.tree.map(lambda x: x[index], rows)), unique_indices=True)

    return fold_first(add, jnp.zeros(len(mask)), true_first(mask), jnp.sum(mask))


def in_pieces(function: Callable[[Any], Any], rows: Any, size: int) -> Any:
    """Return ``function`` of rows [N, ...], with leaves [N, ...], computed for at most ``size`` rows at a time.

    The gradient computes each piece again, so that it needs no more memory than one piece.
    """
    length = len(jax.tree.leaves(rows)[0])
    if length <= size:
        return function(rows)
    pieces = math.ceil(length / size)

    def cut(x: Array) -> Array:
        filled = jnp.concatenate([x, jnp.repeat(x[-1:], pieces * size - length, axis=0)])
        return filled.reshape(pieces, size, *x.shape[1:])

    found = jax.lax.map(jax.checkpoint(function), jax.tree.map(cut, rows))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:length], found)


def true_first(mask: Bool[Array, " N"]) -> Int[Array, " N"]:
    """Return the indices 0 .. N - 1 with those of True entries of ``mask`` first, each kind in ascending order.

    Nothing is sorted: an index's new place follows from counting.
    """
    trues = jnp.cumsum(mask)
    index = jnp.arange(len(mask), dtype=jnp.int32)
    place = jnp.where(mask, trues - 1, trues[-1] + index - trues)
    return jnp.zeros_like(index).at[place].set(index, unique_indices=True)

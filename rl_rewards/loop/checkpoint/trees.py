"""Converts the train state to named trees of plain arrays, which can be stored, and computes their hashes."""

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.keys import key_from_data
from rl_rewards.loop.state import TrainState

BEST_ITEMS = ("agent", "reward")
"""The items that can also be stored and restored alone."""


def digest(state: TrainState, host_env: bytes | None) -> str:
    """Return a hash of all bits of the whole state; equal digests mean bit-identical states."""
    return tree_digest(items_by_owner(state), host_env or b"")


def tree_digest(items: dict[str, Any], more: bytes = b"") -> str:
    """Return a hash of all bits of ``items``, their names, shapes and dtypes, and of ``more``."""
    result = hashlib.sha256(more)
    for path, leaf in jax.tree_util.tree_leaves_with_path(items):
        array = np.asarray(leaf)
        result.update(f"{jax.tree_util.keystr(path)}{array.shape}{array.dtype}".encode())
        result.update(array.tobytes())
    return result.hexdigest()


def item_digests(items: dict[str, Any]) -> dict[str, str]:
    """Return the hashes of the items that can be restored alone."""
    return {name: tree_digest({name: items[name]}) for name in BEST_ITEMS if name in items}


def shapes_hash(items: dict[str, Any]) -> str:
    """Return a hash of names, shapes and dtypes only."""
    leaves = jax.tree_util.tree_leaves_with_path(items)
    text = "".join(f"{jax.tree_util.keystr(path)}{leaf.shape}{leaf.dtype}" for path, leaf in leaves)
    return hashlib.sha256(text.encode()).hexdigest()


def items_by_owner(state: TrainState) -> dict[str, Any]:
    """Return the state by owner, as nested plain containers of arrays (random keys as their data)."""
    owners = ("agent", "reward", "replay", "env", "key", "memory", "recording")
    items = {name: getattr(state, name) for name in owners}
    return {name: {"tree": jax.tree.map(key_data, value)} for name, value in items.items() if jax.tree.leaves(value)}


def state_from(items: dict[str, Any], template: TrainState) -> TrainState:
    """Return the state of ``items``, the inverse of :func:`items_by_owner`, in fresh buffers.

    Items without leaves come from ``template``.
    """

    owners = {name: jax.tree.map(rebuilt, getattr(template, name), items[name]["tree"]) for name in items}
    return template.replace(**owners)


def rebuilt(like: Any, array: Any) -> jax.Array:
    """Return a copy of a restored leaf, because the arrays that orbax returns cannot be donated safely."""
    array = jnp.array(array, copy=True)
    return key_from_data(array) if _is_key(like) else array


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def key_data(leaf: Any) -> Any:
    """Return the leaf, or the data of a random key, because orbax cannot store keys."""
    if not _is_key(leaf):
        return leaf
    return (
        jax.eval_shape(jax.random.key_data, leaf)
        if isinstance(leaf, jax.ShapeDtypeStruct)
        else jax.random.key_data(leaf)
    )

"""The train state as named trees of plain arrays, which storage can keep, and hashes of their bits."""

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.keys import key_from_data
from rl_rewards.loop.train import TrainState

BEST_ITEMS = ("agent", "reward")
"""The owners whose state is also kept, and restored, alone."""


def digest(state: TrainState, host_env: bytes | None) -> str:
    """A hash of every bit of the whole state: equal digests mean bit-identical runs."""
    return tree_digest(items_by_owner(state), host_env or b"")


def tree_digest(items: dict[str, Any], more: bytes = b"") -> str:
    """A hash of every bit of ``items``, their names, shapes and dtypes, and of ``more``."""
    result = hashlib.sha256(more)
    for path, leaf in jax.tree_util.tree_leaves_with_path(items):
        array = np.asarray(leaf)
        result.update(f"{jax.tree_util.keystr(path)}{array.shape}{array.dtype}".encode())
        result.update(array.tobytes())
    return result.hexdigest()


def item_digests(items: dict[str, Any]) -> dict[str, str]:
    """The hashes of what is also restored alone."""
    return {name: tree_digest({name: items[name]}) for name in BEST_ITEMS if name in items}


def shapes_hash(items: dict[str, Any]) -> str:
    """A hash of names, shapes and dtypes alone."""
    leaves = jax.tree_util.tree_leaves_with_path(items)
    text = "".join(f"{jax.tree_util.keystr(path)}{leaf.shape}{leaf.dtype}" for path, leaf in leaves)
    return hashlib.sha256(text.encode()).hexdigest()


def items_by_owner(state: TrainState) -> dict[str, Any]:
    """The state by owner, as nested plain containers of arrays (random keys as their data)."""
    items = {name: getattr(state, name) for name in ("agent", "reward", "replay", "env", "key", "memory")}
    return {name: {"tree": jax.tree.map(key_data, value)} for name, value in items.items() if jax.tree.leaves(value)}


def state_from(items: dict[str, Any], template: TrainState) -> TrainState:
    """Inverse of :func:`items_by_owner`; what has no leaves comes from ``template``. The arrays are fresh buffers."""

    owners = {name: jax.tree.map(rebuilt, getattr(template, name), items[name]["tree"]) for name in items}
    return template.replace(**owners)


def rebuilt(like: Any, array: Any) -> jax.Array:
    """A restored leaf. A copy: the arrays that orbax returns may not be donated safely."""
    array = jnp.array(array, copy=True)
    return key_from_data(array) if _is_key(like) else array


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def key_data(leaf: Any) -> Any:
    """The leaf, of a random key its data: storage knows no keys."""
    if not _is_key(leaf):
        return leaf
    return (
        jax.eval_shape(jax.random.key_data, leaf)
        if isinstance(leaf, jax.ShapeDtypeStruct)
        else jax.random.key_data(leaf)
    )

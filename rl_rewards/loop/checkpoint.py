"""Checkpoints of everything: agent, reward, replay, environment, key, round. The only file that knows orbax.

Items are separate, so that a reward can be restored alone. A checkpoint appears by an atomic rename: a run killed at
any instant finds the newest complete one. Restoring goes *into* a fresh state's shapes; others are refused.
"""

import hashlib
import logging
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from rl_rewards.core.errors import ConfigError, as_os_error
from rl_rewards.loop.train import TrainState

logging.getLogger("absl").setLevel(logging.ERROR)  # orbax tells of every save


class Checkpoints:
    """The newest ``keep`` checkpoints of one run, named by the number of rounds done."""

    def __init__(self, folder: Path, keep: int) -> None:
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)
        self.damaged: list[str] = []  # a sentence for each checkpoint that was passed over

    def save(self, rounds: int, state: TrainState, host_env: bytes | None, data_hash: str) -> None:
        """Write the state after ``rounds`` rounds; returns when it is on disk.

        Raises:
            OSError: when it cannot be written; the checkpoints before it stay.
        """
        items = {name: ocp.args.StandardSave(value) for name, value in _items(state).items()}
        env_bytes = np.frombuffer(host_env or b"", np.uint8)
        if env_bytes.size:  # orbax refuses empty arrays
            items["host_env"] = ocp.args.StandardSave({"bytes": env_bytes})
        meta = {
            "rounds": rounds,
            "data_hash": data_hash,
            "env_bytes": env_bytes.size,
            "shapes": _shapes_hash(_items(jax.eval_shape(lambda: state))),
            "digest": digest(state, host_env),
        }
        items["meta"] = ocp.args.JsonSave(meta)
        try:
            self._manager.save(rounds, args=ocp.args.Composite(**items))
            self._manager.wait_until_finished()
        except Exception as error:
            if (plain := as_os_error(error, self._manager.directory)) is not None:
                raise plain from error
            raise

    def newest(self) -> int | None:
        """Rounds done in the newest complete checkpoint."""
        return self._manager.latest_step()

    def restore(self, template: TrainState, data_hash: str) -> tuple[TrainState, bytes, int]:
        """The newest good checkpoint: state, what the host environment saved, rounds done.

        ``template`` may be shapes alone.

        One that cannot be read, or whose bits are not those that were saved, is put aside (``damaged`` tells) and the
        one before is taken.

        Raises:
            ConfigError: when the examples are not those of the run, shapes differ, or none can be read.
        """
        for rounds in sorted(self._manager.all_steps(), reverse=True):
            try:
                found = self._restore(rounds, template, data_hash)
            except ConfigError:
                raise
            except Exception as error:  # whatever a broken file makes three libraries say
                self._put_aside(rounds, error)
            else:
                return found
        raise ConfigError(
            f"No checkpoint in {self._manager.directory} can be read by this configuration: they are damaged, or of a "
            "run with another one. Start in a new folder."
        )

    def _restore(self, rounds: int, template: TrainState, data_hash: str) -> tuple[TrainState, bytes, int]:
        meta = self._manager.restore(rounds, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]
        if meta["data_hash"] != data_hash:
            raise ConfigError("The examples differ from those this run was started with; resume it with the same.")
        shapes = _items(jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), template))
        if meta["shapes"] != _shapes_hash(shapes):
            raise ConfigError(
                f"The checkpoint in {self._manager.directory} does not fit this configuration; resume a run with the "
                "configuration it was started with."
            )
        items = {name: ocp.args.StandardRestore(shape) for name, shape in shapes.items()}
        if meta["env_bytes"]:
            env_shape = jax.ShapeDtypeStruct((meta["env_bytes"],), np.uint8)
            items["host_env"] = ocp.args.StandardRestore({"bytes": env_shape})
        restored = self._manager.restore(rounds, args=ocp.args.Composite(**items))
        env_bytes = np.asarray(restored["host_env"]["bytes"]).tobytes() if meta["env_bytes"] else b""
        state = _state({name: restored[name] for name in shapes}, template)
        if digest(state, env_bytes) != meta["digest"]:
            raise ValueError("its bits are not those that were saved")
        return state, env_bytes, rounds

    def _put_aside(self, rounds: int, error: Exception) -> None:
        """Out of the manager's sight, so that the round can be saved anew; kept for whoever wants to look."""
        folder = Path(self._manager.directory)
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        self.damaged.append(
            f"The checkpoint after round {rounds} is damaged ({reason}); it was put aside as damaged_{rounds}, and the "
            "one before it is used."
        )
        (folder / str(rounds)).rename(folder.parent / f"damaged_{rounds}")
        self._manager.reload()

    def close(self) -> None:
        self._manager.close()


def restore_item(folder: Path, item: str, template: Any) -> Any:
    """The state of one owner alone ("reward", "agent"), from the newest checkpoint in ``folder``; writes nothing.

    Args:
        template: the state's structure, shapes and dtypes.

    Raises:
        ConfigError: when there is no complete checkpoint, or it holds another state.
    """
    none = f"{folder.parent} has no checkpoint; let its run reach the first one."
    if not folder.is_dir():
        raise ConfigError(none)
    options = ocp.CheckpointManagerOptions(read_only=True, create=False)
    with ocp.CheckpointManager(folder.absolute(), options=options) as manager:
        newest = manager.latest_step()
        if newest is None:
            raise ConfigError(none)
        if not jax.tree.leaves(template):
            return template
        shapes = {"tree": jax.tree.map(_key_data, template)}
        try:
            restored = manager.restore(newest, args=ocp.args.Composite(**{item: ocp.args.StandardRestore(shapes)}))
        except (ValueError, KeyError, OSError) as error:
            raise ConfigError(
                f"The {item} in {folder} does not fit its config.yaml, or its checkpoint is damaged."
            ) from error
        return jax.tree.map(_rebuilt, template, restored[item]["tree"])


def save_reward(folder: Path, state: Any) -> None:
    """Write a checkpoint that holds ``state`` alone, for :func:`restore_item`."""
    with ocp.CheckpointManager(folder.absolute(), options=ocp.CheckpointManagerOptions()) as manager:
        items: dict[str, Any] = {"meta": ocp.args.JsonSave({})}  # a checkpoint is never empty
        if jax.tree.leaves(state):
            items["reward"] = ocp.args.StandardSave({"tree": jax.tree.map(_key_data, state)})
        manager.save(0, args=ocp.args.Composite(**items))
        manager.wait_until_finished()


def digest(state: TrainState, host_env: bytes | None) -> str:
    """A hash of every bit of the whole state: equal digests mean bit-identical runs."""
    result = hashlib.sha256(host_env or b"")
    for path, leaf in jax.tree_util.tree_leaves_with_path(_items(state)):
        array = np.asarray(leaf)
        result.update(f"{jax.tree_util.keystr(path)}{array.shape}{array.dtype}".encode())
        result.update(array.tobytes())
    return result.hexdigest()


def _shapes_hash(items: dict[str, Any]) -> str:
    leaves = jax.tree_util.tree_leaves_with_path(items)
    text = "".join(f"{jax.tree_util.keystr(path)}{leaf.shape}{leaf.dtype}" for path, leaf in leaves)
    return hashlib.sha256(text.encode()).hexdigest()


def _items(state: TrainState) -> dict[str, Any]:
    """The state by owner, as nested plain containers of arrays (random keys as their data)."""
    items = {name: getattr(state, name) for name in ("agent", "reward", "replay", "env", "key")}
    return {name: {"tree": jax.tree.map(_key_data, value)} for name, value in items.items() if jax.tree.leaves(value)}


def _state(items: dict[str, Any], template: TrainState) -> TrainState:
    """Inverse of :func:`_items`; what has no leaves comes from ``template``. The arrays are fresh buffers."""

    owners = {name: jax.tree.map(_rebuilt, getattr(template, name), items[name]["tree"]) for name in items}
    return template.replace(**owners)


def _rebuilt(like: Any, array: Any) -> jax.Array:
    """A restored leaf. A copy: the arrays that orbax returns may not be donated safely."""
    array = jnp.array(array, copy=True)
    return jax.random.wrap_key_data(array) if _is_key(like) else array


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _key_data(leaf: Any) -> Any:
    if not _is_key(leaf):
        return leaf
    return (
        jax.eval_shape(jax.random.key_data, leaf)
        if isinstance(leaf, jax.ShapeDtypeStruct)
        else jax.random.key_data(leaf)
    )

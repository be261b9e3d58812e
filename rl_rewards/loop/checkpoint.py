"""Checkpoints of everything: agent, reward, replay, environment, key, round. The only file that knows orbax.

Items are separate, so that a reward can be restored alone. A checkpoint appears by an atomic rename: a run killed at
any instant finds the newest complete one. Restoring goes *into* a fresh state's shapes; others are refused.
"""

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from rl_rewards.core.errors import ConfigError, as_os_error
from rl_rewards.loop.saved_state import BEST, CHECKPOINTS, SavedState
from rl_rewards.loop.train import TrainState

logging.getLogger("absl").setLevel(logging.ERROR)  # orbax tells of every save


BEST_ITEMS = ("agent", "reward")


class BestState(NamedTuple):
    """Policy and reward as they were at the best evaluation, of each seed at its own."""

    items: dict[str, Any]  # agent and reward, those that have leaves, as they are saved: numpy arrays
    record: dict[str, Any]  # which evaluation that was, and by what criterion; strict JSON


class Restored(NamedTuple):
    """The contents of a checkpoint of everything."""

    state: TrainState
    host_env: bytes  # what the host environment saved
    rounds: int  # done
    best: BestState | None  # None where no evaluation was best yet, or the run kept none


class Checkpoints:
    """The newest ``keep`` checkpoints of one run, named by the number of rounds done.

    Args:
        config: the text of the run's config.yaml, kept with every checkpoint for a folder that has lost it.
    """

    def __init__(self, folder: Path, keep: int, config: str = "") -> None:
        self._config = config
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=False)
        try:
            self._manager = ocp.CheckpointManager(folder.absolute(), options=options)
        except Exception as error:  # of a broken file that describes a checkpoint
            if (plain := as_os_error(error, folder)) is not None:
                raise plain from error
            raise ConfigError(
                f"The checkpoints in {folder} cannot be read: one of them is damaged; move the newest of them away, "
                "and the run goes on from the one before."
            ) from error
        self.damaged: list[str] = []  # a sentence for each checkpoint that was passed over

    def save(
        self, rounds: int, state: TrainState, host_env: bytes | None, data_hash: str, best: BestState | None = None
    ) -> None:
        """Write the state after ``rounds`` rounds, and the best so far; returns when both are on disk.

        The best goes with every checkpoint: a run that goes on from there needs that one, not one found later.

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
            "item_digests": _item_digests(_items(state)),
            "config": self._config,
        }
        if best is not None:
            items |= {f"best_{name}": ocp.args.StandardSave(value) for name, value in best.items.items()}
            meta |= {"best": best.record, "best_digest": _digest(best.items)}
        items["meta"] = ocp.args.JsonSave(meta)
        try:
            self._manager.save(rounds, args=ocp.args.Composite(**items))
            self._manager.wait_until_finished()
        except Exception as error:
            if (plain := as_os_error(error, self._manager.directory)) is not None:
                raise plain from error
            raise
        for file in Path(self._manager.directory, str(rounds), "meta").iterdir():
            file.chmod(0o600)  # as config.yaml itself

    def newest(self) -> int | None:
        """Rounds done in the newest complete checkpoint."""
        return self._manager.latest_step()

    def restore(self, template: TrainState, data_hash: str, rows: int) -> Restored:
        """The newest good checkpoint.

        ``template`` may be shapes alone.

        One that cannot be read, or whose bits are not those that were saved, is put aside (``damaged`` tells) and the
        one before is taken. So is one of more rounds than there are rows in metrics.jsonl: the rounds are run again.

        Args:
            rows: how many rounds, from the first on, have their row.

        Raises:
            ConfigError: when the examples are not those of the run, shapes differ, none can be read, or none has its
                rows.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        if min(steps) > rows:
            raise ConfigError(
                f"{Path(self._manager.directory).parent / 'metrics.jsonl'} has the rows of {rows} rounds, and the "
                f"checkpoints are of {', '.join(map(str, steps))} rounds; put that file back, or start in a new folder."
            )
        for rounds in steps:
            if rounds > rows:
                self._put_aside(rounds, f"is ahead of metrics.jsonl, which has the rows of {rows} rounds")
                continue
            try:
                found = self._restore(rounds, template, data_hash)
            except ConfigError:
                raise
            except Exception as error:  # whatever a broken file makes three libraries say
                reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
                self._put_aside(rounds, f"is damaged ({reason})")
            else:
                return found
        raise ConfigError(
            f"No checkpoint in {self._manager.directory} can be read by this configuration: they are damaged, or of a "
            "run with another one. Start in a new folder."
        )

    def _restore(self, rounds: int, template: TrainState, data_hash: str) -> Restored:
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
        best_items = [name for name in BEST_ITEMS if name in shapes and meta.get("best") is not None]
        items |= {f"best_{name}": items[name] for name in best_items}
        restored = self._manager.restore(rounds, args=ocp.args.Composite(**items))
        env_bytes = np.asarray(restored["host_env"]["bytes"]).tobytes() if meta["env_bytes"] else b""
        state = _state({name: restored[name] for name in shapes}, template)
        if digest(state, env_bytes) != meta["digest"]:
            raise ValueError("its bits are not those that were saved")
        if meta.get("best") is None:
            return Restored(state, env_bytes, rounds, None)
        best = BestState(jax.tree.map(np.array, {name: restored[f"best_{name}"] for name in best_items}), meta["best"])
        if _digest(best.items) != meta["best_digest"]:
            raise ValueError("the bits of its best policy are not those that were saved")
        return Restored(state, env_bytes, rounds, best)

    def _put_aside(self, rounds: int, fault: str) -> None:
        """Out of the manager's sight, so that the round can be saved anew; kept for whoever wants to look."""
        folder = Path(self._manager.directory)
        self.damaged.append(
            f"The checkpoint after round {rounds} {fault}; it was put aside as damaged_{rounds}, and the one before it "
            "is used."
        )
        shutil.rmtree(folder.parent / f"damaged_{rounds}", ignore_errors=True)  # of an earlier time
        (folder / str(rounds)).rename(folder.parent / f"damaged_{rounds}")
        self._manager.reload()

    def close(self) -> None:
        self._manager.close()


class BestCheckpoint:
    """RUN_DIR/checkpoints/best: the policy and the reward of the best evaluation so far, and nothing else."""

    def __init__(self, run_dir: Path) -> None:
        self.folder = run_dir / CHECKPOINTS / BEST

    def write(self, rounds: int, best: BestState) -> None:
        """Put ``best``, found after ``rounds`` rounds, in the place of what is there; returns when it is on disk.

        Raises:
            OSError: when it cannot be written.
        """
        items: dict[str, Any] = {name: ocp.args.StandardSave(value) for name, value in best.items.items()}
        items["meta"] = ocp.args.JsonSave({"best": best.record, "item_digests": _item_digests(best.items)})
        options = ocp.CheckpointManagerOptions(max_to_keep=1, enable_async_checkpointing=False)
        try:
            with ocp.CheckpointManager(self.folder.absolute(), options=options) as manager:
                for later in [step for step in manager.all_steps() if step >= rounds]:
                    manager.delete(later)  # of a run that was killed and goes on from before it
                manager.save(rounds, args=ocp.args.Composite(**items))
                manager.wait_until_finished()
        except Exception as error:
            if (plain := as_os_error(error, self.folder)) is not None:
                raise plain from error
            raise

    def record(self) -> Any:
        """The record of what is there, or None where nothing is, or nothing that can be read."""
        if not self.folder.is_dir():
            return None
        options = ocp.CheckpointManagerOptions(read_only=True, create=False)
        try:
            with ocp.CheckpointManager(self.folder.absolute(), options=options) as manager:
                newest = manager.latest_step()
                if newest is None:
                    return None
                found = manager.restore(newest, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))
                return found["meta"]["best"]
        except Exception:  # whatever a broken file makes three libraries say
            return None

    def remove(self) -> None:
        """Nothing is best yet."""
        shutil.rmtree(self.folder, ignore_errors=True)


def items_of(state: TrainState) -> dict[str, Any]:
    """Policy and reward of ``state`` as :class:`BestState` holds them: copies on the host."""
    items = _items(state)
    return {name: jax.tree.map(_on_host, items[name]) for name in BEST_ITEMS if name in items}


def _on_host(leaf: Any) -> np.ndarray:
    """A copy of a device's array, whose buffer the next round may be given; the host's own arrays stay."""
    return leaf if isinstance(leaf, np.ndarray) else np.array(leaf)


def restore_item(saved: SavedState, item: str, template: Any) -> Any:
    """The state of one owner alone ("reward", "agent") in the newest checkpoint of ``saved``; writes nothing.

    Args:
        template: the state's structure, shapes and dtypes.

    Raises:
        ConfigError: when there is no complete checkpoint, it holds another state, or its bits are not those that were
            saved (an earlier version saved nothing to tell that by).
    """
    folder = saved.folder
    none = f"{saved.run_dir} has no checkpoint; let its run reach the first one."
    if saved.which == BEST:
        none = (
            f"{saved.run_dir} has no best checkpoint: checkpoint.best was null or could not tell, no evaluation was "
            f"made yet, or an earlier version made the run; name its newest state, {saved.run_dir}@last."
        )
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
            wanted = {item: ocp.args.StandardRestore(shapes), "meta": ocp.args.JsonRestore()}
            restored = manager.restore(newest, args=ocp.args.Composite(**wanted))
            state = jax.tree.map(_rebuilt, template, restored[item]["tree"])
            was = (restored["meta"].get("item_digests") or {}).get(item)
        except Exception as error:  # whatever a broken file makes three libraries say
            raise ConfigError(
                f"The {item} in {folder} does not fit its config.yaml, or its checkpoint is damaged."
            ) from error
        if was not in (None, _item_digests({item: {"tree": jax.tree.map(_key_data, state)}})[item]):
            raise ConfigError(
                f"The {item} in {folder / str(newest)} is damaged: its bits are not those that were saved; resume the "
                "run, which goes on from the checkpoint before, or take another copy of the folder."
            )
        return state


def is_checkpointed(run_dir: Path) -> bool:
    """True where the run in ``run_dir`` has a complete checkpoint."""
    folder = run_dir / CHECKPOINTS
    if not folder.is_dir():
        return False
    options = ocp.CheckpointManagerOptions(read_only=True, create=False)
    with ocp.CheckpointManager(folder.absolute(), options=options) as manager:
        return manager.latest_step() is not None


def stored_config(run_dir: Path) -> str | None:
    """The text of config.yaml that the newest checkpoint keeps; None where none does."""
    folder = run_dir / CHECKPOINTS
    if not folder.is_dir():
        return None
    options = ocp.CheckpointManagerOptions(read_only=True, create=False)
    try:
        with ocp.CheckpointManager(folder.absolute(), options=options) as manager:
            found = manager.restore(None, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))
            return found["meta"].get("config") or None
    except Exception:  # whatever a broken file makes three libraries say
        return None


def save_reward(folder: Path, state: Any) -> None:
    """Write a checkpoint that holds ``state`` alone, for :func:`restore_item`."""
    with ocp.CheckpointManager(folder.absolute(), options=ocp.CheckpointManagerOptions()) as manager:
        saved = {"reward": {"tree": jax.tree.map(_key_data, state)}} if jax.tree.leaves(state) else {}
        items: dict[str, Any] = {name: ocp.args.StandardSave(value) for name, value in saved.items()}
        items["meta"] = ocp.args.JsonSave({"item_digests": _item_digests(saved)})
        manager.save(0, args=ocp.args.Composite(**items))
        manager.wait_until_finished()


def digest(state: TrainState, host_env: bytes | None) -> str:
    """A hash of every bit of the whole state: equal digests mean bit-identical runs."""
    return _digest(_items(state), host_env or b"")


def _digest(items: dict[str, Any], more: bytes = b"") -> str:
    result = hashlib.sha256(more)
    for path, leaf in jax.tree_util.tree_leaves_with_path(items):
        array = np.asarray(leaf)
        result.update(f"{jax.tree_util.keystr(path)}{array.shape}{array.dtype}".encode())
        result.update(array.tobytes())
    return result.hexdigest()


def _item_digests(items: dict[str, Any]) -> dict[str, str]:
    """Of what is also restored alone."""
    return {name: _digest({name: items[name]}) for name in BEST_ITEMS if name in items}


def _shapes_hash(items: dict[str, Any]) -> str:
    leaves = jax.tree_util.tree_leaves_with_path(items)
    text = "".join(f"{jax.tree_util.keystr(path)}{leaf.shape}{leaf.dtype}" for path, leaf in leaves)
    return hashlib.sha256(text.encode()).hexdigest()


def _items(state: TrainState) -> dict[str, Any]:
    """The state by owner, as nested plain containers of arrays (random keys as their data)."""
    items = {name: getattr(state, name) for name in ("agent", "reward", "replay", "env", "key", "memory")}
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

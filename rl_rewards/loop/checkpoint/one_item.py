"""Reads and writes what is needed of a checkpoint apart from the run that made it: one owner's state, the config."""

from pathlib import Path
from typing import Any

import jax

from rl_rewards.core.errors import ConfigError
from rl_rewards.loop.checkpoint.storage import Storage
from rl_rewards.loop.checkpoint.trees import item_digests, key_data, rebuilt
from rl_rewards.loop.saved_state import BEST, CHECKPOINTS, SavedState


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
    with Storage(folder, read_only=True) as storage:
        newest = storage.newest()
        if newest is None:
            raise ConfigError(none)
        if not jax.tree.leaves(template):
            return template
        shapes = {"tree": jax.tree.map(key_data, template)}
        try:
            restored = storage.restore(newest, {item: shapes})
            state = jax.tree.map(rebuilt, template, restored[item]["tree"])
            was = (storage.meta(newest).get("item_digests") or {}).get(item)
        except Exception as error:  # whatever a broken file makes three libraries say
            raise ConfigError(
                f"The {item} in {folder} does not fit its config.yaml, or its checkpoint is damaged."
            ) from error
        if was not in (None, item_digests({item: {"tree": jax.tree.map(key_data, state)}})[item]):
            raise ConfigError(
                f"The {item} in {folder / str(newest)} is damaged: its bits are not those that were saved; resume the "
                "run, which goes on from the checkpoint before, or take another copy of the folder."
            )
        return state


def save_reward(folder: Path, state: Any) -> None:
    """Write a checkpoint that holds ``state`` alone, for :func:`restore_item`."""
    saved = {"reward": {"tree": jax.tree.map(key_data, state)}} if jax.tree.leaves(state) else {}
    with Storage(folder) as storage:
        storage.save(0, saved, {"item_digests": item_digests(saved)})


def is_checkpointed(run_dir: Path) -> bool:
    """True where the run in ``run_dir`` has a complete checkpoint."""
    folder = run_dir / CHECKPOINTS
    if not folder.is_dir():
        return False
    with Storage(folder, read_only=True) as storage:
        return storage.newest() is not None


def stored_config(run_dir: Path) -> str | None:
    """The text of config.yaml that the newest checkpoint keeps; None where none does."""
    folder = run_dir / CHECKPOINTS
    if not folder.is_dir():
        return None
    try:
        with Storage(folder, read_only=True) as storage:
            return storage.meta(None).get("config") or None
    except Exception:  # whatever a broken file makes three libraries say
        return None

"""Reads and writes single items of a checkpoint, independently of its run: one owner's state, or the configuration."""

from pathlib import Path
from typing import Any

import jax

from rl_rewards.core.errors import ConfigError
from rl_rewards.loop.checkpoint.storage import Storage
from rl_rewards.loop.checkpoint.trees import item_digests, key_data, rebuilt
from rl_rewards.loop.saved_state import BEST, CHECKPOINTS, SavedState


def restore_item(saved: SavedState, item: str, template: Any) -> Any:
    """Return one owner's state ("reward" or "agent") from the checkpoint ``saved``, without writing anything.

    Args:
        template: the state's structure, shapes and dtypes.

    Raises:
        ConfigError: when there is no such complete checkpoint, it has another structure, or its digest is wrong (an
            earlier version saved no digest).
    """
    folder = saved.folder
    none = f"{saved.run_dir} has no checkpoint yet; let its run reach the first one."
    if saved.which == BEST:
        none = (
            f"{saved.run_dir} has no best checkpoint: checkpoint.best was null or had no criterion, no evaluation was "
            f"made yet, or an earlier version made the run; name its newest state, {saved.run_dir}@last."
        )
    if not folder.is_dir():
        raise ConfigError(none)
    with Storage(folder, read_only=True) as storage:
        steps = storage.steps()
        if not steps:
            raise ConfigError(none)
        step = saved.which if isinstance(saved.which, int) else steps[0]
        if step not in steps:
            raise ConfigError(
                f"{saved.run_dir} has no checkpoint after {step} rounds, but after {', '.join(map(str, steps))}; name "
                "one of these (checkpoint.every and checkpoint.keep say which are kept)."
            )
        if not jax.tree.leaves(template):
            return template
        shapes = {"tree": jax.tree.map(key_data, template)}
        try:
            restored = storage.restore(step, {item: shapes})
            state = jax.tree.map(rebuilt, template, restored[item]["tree"])
            was = (storage.meta(step).get("item_digests") or {}).get(item)
        except Exception as error:  # a broken file can cause any error in three libraries
            raise ConfigError(
                f"The {item} in {folder} does not fit its config.yaml, or its checkpoint is damaged."
            ) from error
        if was not in (None, item_digests({item: {"tree": jax.tree.map(key_data, state)}})[item]):
            raise ConfigError(
                f"The {item} in {folder / str(step)} is damaged: its digest is not the saved one; resume the "
                "run, which goes on from the checkpoint before, or use another copy of the folder."
            )
        return state


def save_reward(folder: Path, state: Any) -> None:
    """Write a checkpoint that has only the reward's ``state``, for :func:`restore_item`."""
    saved = {"reward": {"tree": jax.tree.map(key_data, state)}} if jax.tree.leaves(state) else {}
    with Storage(folder) as storage:
        storage.save(0, saved, {"item_digests": item_digests(saved)})


def is_checkpointed(run_dir: Path) -> bool:
    """Return True if the run in ``run_dir`` has a complete checkpoint."""
    folder = run_dir / CHECKPOINTS
    if not folder.is_dir():
        return False
    with Storage(folder, read_only=True) as storage:
        return storage.newest() is not None


def stored_config(run_dir: Path) -> str | None:
    """Return the text of config.yaml in the newest checkpoint; None if there is none."""
    folder = run_dir / CHECKPOINTS
    if not folder.is_dir():
        return None
    try:
        with Storage(folder, read_only=True) as storage:
            return storage.meta(None).get("config") or None
    except Exception:  # a broken file can cause any error in three libraries
        return None

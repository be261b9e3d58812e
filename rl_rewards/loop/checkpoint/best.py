"""The checkpoint of a run's best policy and reward."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rl_rewards.core.errors import as_os_error
from rl_rewards.loop.checkpoint.storage import Storage
from rl_rewards.loop.checkpoint.trees import BEST_ITEMS, item_digests, items_by_owner
from rl_rewards.loop.saved_state import BEST, CHECKPOINTS
from rl_rewards.loop.state import TrainState


class BestState(NamedTuple):
    """The policy and reward at the best evaluation; each seed has its own best evaluation."""

    items: dict[str, Any]  # agent and reward, if they have leaves, as numpy arrays
    record: dict[str, Any]  # the evaluation and the criterion, as strict JSON


class BestCheckpoint:
    """The folder RUN_DIR/checkpoints/best, with the policy and the reward of the best evaluation so far."""

    def __init__(self, run_dir: Path) -> None:
        self.folder = run_dir / CHECKPOINTS / BEST

    def write(self, rounds: int, best: BestState) -> None:
        """Replace the stored state by ``best``, found after ``rounds`` rounds; return when it is on the disk.

        Raises:
            OSError: when it cannot be written.
        """
        try:
            with Storage(self.folder, keep=1) as storage:
                for later in [step for step in storage.steps() if step >= rounds]:
                    storage.delete(later)  # from a killed run that resumes before it
                meta = {"best": best.record, "item_digests": item_digests(best.items)}
                storage.save(rounds, best.items, meta)
        except Exception as error:
            if (plain := as_os_error(error, self.folder)) is not None:
                raise plain from error
            raise

    def record(self) -> Any:
        """Return the record of the stored state, or None if there is no readable one."""
        if not self.folder.is_dir():
            return None
        try:
            with Storage(self.folder, read_only=True) as storage:
                return None if storage.newest() is None else storage.meta(None)["best"]
        except Exception:  # a broken file can cause any error in three libraries
            return None

    def remove(self) -> None:
        """Remove the folder, because there is no best evaluation yet."""
        shutil.rmtree(self.folder, ignore_errors=True)


def items_of(state: TrainState) -> dict[str, Any]:
    """Return host copies of the policy and reward of ``state``, in the form of :class:`BestState`."""
    items = items_by_owner(state)
    return {name: jax.tree.map(_on_host, items[name]) for name in BEST_ITEMS if name in items}


def _on_host(leaf: Any) -> np.ndarray:
    """Copy a device array, whose buffer is donated to the next round; return host arrays as they are."""
    return leaf if isinstance(leaf, np.ndarray) else np.array(leaf)

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
from rl_rewards.loop.train import TrainState


class BestState(NamedTuple):
    """Policy and reward as they were at the best evaluation, of each seed at its own."""

    items: dict[str, Any]  # agent and reward, those that have leaves, as they are saved: numpy arrays
    record: dict[str, Any]  # which evaluation that was, and by what criterion; strict JSON


class BestCheckpoint:
    """RUN_DIR/checkpoints/best: the policy and the reward of the best evaluation so far, and nothing else."""

    def __init__(self, run_dir: Path) -> None:
        self.folder = run_dir / CHECKPOINTS / BEST

    def write(self, rounds: int, best: BestState) -> None:
        """Put ``best``, found after ``rounds`` rounds, in the place of what is there; returns when it is on disk.

        Raises:
            OSError: when it cannot be written.
        """
        try:
            with Storage(self.folder, keep=1) as storage:
                for later in [step for step in storage.steps() if step >= rounds]:
                    storage.delete(later)  # of a run that was killed and goes on from before it
                meta = {"best": best.record, "item_digests": item_digests(best.items)}
                storage.save(rounds, best.items, meta)
        except Exception as error:
            if (plain := as_os_error(error, self.folder)) is not None:
                raise plain from error
            raise

    def record(self) -> Any:
        """The record of what is there, or None where nothing is, or nothing that can be read."""
        if not self.folder.is_dir():
            return None
        try:
            with Storage(self.folder, read_only=True) as storage:
                return None if storage.newest() is None else storage.meta(None)["best"]
        except Exception:  # whatever a broken file makes three libraries say
            return None

    def remove(self) -> None:
        """Nothing is best yet."""
        shutil.rmtree(self.folder, ignore_errors=True)


def items_of(state: TrainState) -> dict[str, Any]:
    """Policy and reward of ``state`` as :class:`BestState` holds them: copies on the host."""
    items = items_by_owner(state)
    return {name: jax.tree.map(_on_host, items[name]) for name in BEST_ITEMS if name in items}


def _on_host(leaf: Any) -> np.ndarray:
    """A copy of a device's array, whose buffer the next round may be given; the host's own arrays stay."""
    return leaf if isinstance(leaf, np.ndarray) else np.array(leaf)

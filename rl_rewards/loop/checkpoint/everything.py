"""Checkpoints of everything: agent, reward, replay, environment, key, round, and the best so far.

Items are separate, so that a reward can be restored alone. Restoring goes *into* a fresh state's shapes; others are
refused.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rl_rewards.core.errors import ConfigError, as_os_error
from rl_rewards.loop.checkpoint.best import BestState
from rl_rewards.loop.checkpoint.storage import Storage
from rl_rewards.loop.checkpoint.trees import (
    BEST_ITEMS,
    digest,
    item_digests,
    items_by_owner,
    shapes_hash,
    state_from,
    tree_digest,
)
from rl_rewards.loop.train import TrainState


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
        self._folder, self._keep, self._config = folder, keep, config
        self._storage = self._opened() if folder.is_dir() else None
        self.damaged: list[str] = []  # a sentence for each checkpoint that was passed over

    def _opened(self) -> Storage:
        try:
            return Storage(self._folder, self._keep)
        except Exception as error:  # of a broken file that describes a checkpoint
            if (plain := as_os_error(error, self._folder)) is not None:
                raise plain from error
            raise ConfigError(
                f"The checkpoints in {self._folder} cannot be read: one of them is damaged; move the newest of them "
                "away, and the run goes on from the one before."
            ) from error

    def save(
        self, rounds: int, state: TrainState, host_env: bytes | None, data_hash: str, best: BestState | None = None
    ) -> None:
        """Write the state after ``rounds`` rounds, and the best so far; returns when both are on disk.

        The best goes with every checkpoint: a run that goes on from there needs that one, not one found later.

        Raises:
            OSError: when it cannot be written; the checkpoints before it stay.
        """
        items = items_by_owner(state)
        meta = {
            "rounds": rounds,
            "data_hash": data_hash,
            "env_bytes": len(host_env or b""),
            "shapes": shapes_hash(items_by_owner(jax.eval_shape(lambda: state))),
            "digest": digest(state, host_env),
            "item_digests": item_digests(items),
            "config": self._config,
        }
        if host_env:  # orbax refuses empty arrays
            items["host_env"] = {"bytes": np.frombuffer(host_env, np.uint8)}
        if best is not None:
            items |= {f"best_{name}": value for name, value in best.items.items()}
            meta |= {"best": best.record, "best_digest": tree_digest(best.items)}
        self._storage = self._storage or self._opened()
        self._storage.save(rounds, items, meta)
        for file in (self._folder / str(rounds) / "meta").iterdir():
            file.chmod(0o600)  # as config.yaml itself

    def newest(self) -> int | None:
        """Rounds done in the newest complete checkpoint."""
        return None if self._storage is None else self._storage.newest()

    def restore(self, templates: Sequence[TrainState], data_hash: str, rows: int) -> Restored:
        """The newest good checkpoint, as the first of ``templates`` that it fits; they may be shapes alone.

        One that cannot be read, or whose bits are not those that were saved, is put aside (``damaged`` tells) and the
        one before is taken. So is one of more rounds than there are rows in metrics.jsonl: the rounds are run again.

        Args:
            rows: how many rounds, from the first on, have their row.

        Raises:
            ConfigError: when the examples are not those of the run, shapes differ, none can be read, or none has its
                rows.
        """
        assert self._storage is not None, "there is a newest checkpoint"
        steps = self._storage.steps()
        if min(steps) > rows:
            raise ConfigError(
                f"{self._folder.parent / 'metrics.jsonl'} has the rows of {rows} rounds, and the "
                f"checkpoints are of {', '.join(map(str, steps))} rounds; put that file back, or start in a new folder."
            )
        for rounds in steps:
            if rounds > rows:
                self._put_aside(rounds, f"is ahead of metrics.jsonl, which has the rows of {rows} rounds")
                continue
            try:
                found = self._restore(self._storage, rounds, templates, data_hash)
            except ConfigError:
                raise
            except Exception as error:  # whatever a broken file makes three libraries say
                reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
                self._put_aside(rounds, f"is damaged ({reason})")
            else:
                return found
        raise ConfigError(
            f"No checkpoint in {self._folder} can be read by this configuration: they are damaged, or of a "
            "run with another one. Start in a new folder."
        )

    def _restore(self, storage: Storage, rounds: int, templates: Sequence[TrainState], data_hash: str) -> Restored:
        meta = storage.meta(rounds)
        if meta["data_hash"] != data_hash:
            raise ConfigError("The examples differ from those this run was started with; resume it with the same.")
        fits = (template for template in templates if meta["shapes"] == shapes_hash(_shapes(template)))
        template = next(fits, None)
        if template is None:
            raise ConfigError(
                f"The checkpoint in {self._folder} does not fit this configuration; resume a run with the "
                "configuration it was started with."
            )
        shapes = _shapes(template)
        items = dict(shapes)
        if meta["env_bytes"]:
            items["host_env"] = {"bytes": jax.ShapeDtypeStruct((meta["env_bytes"],), np.uint8)}
        best_items = [name for name in BEST_ITEMS if name in shapes and meta.get("best") is not None]
        items |= {f"best_{name}": items[name] for name in best_items}
        restored = storage.restore(rounds, items)
        env_bytes = np.asarray(restored["host_env"]["bytes"]).tobytes() if meta["env_bytes"] else b""
        state = state_from({name: restored[name] for name in shapes}, template)
        if digest(state, env_bytes) != meta["digest"]:
            raise ValueError("its bits are not those that were saved")
        if meta.get("best") is None:
            return Restored(state, env_bytes, rounds, None)
        best = BestState(jax.tree.map(np.array, {name: restored[f"best_{name}"] for name in best_items}), meta["best"])
        if tree_digest(best.items) != meta["best_digest"]:
            raise ValueError("the bits of its best policy are not those that were saved")
        return Restored(state, env_bytes, rounds, best)

    def _put_aside(self, rounds: int, fault: str) -> None:
        """Out of the manager's sight, so that the round can be saved anew; kept for whoever wants to look."""
        assert self._storage is not None
        aside = self._folder.parent / f"damaged_{rounds}"
        self.damaged.append(
            f"The checkpoint after round {rounds} {fault}; it was put aside as damaged_{rounds}, and the one before it "
            "is used."
        )
        shutil.rmtree(aside, ignore_errors=True)  # of an earlier time
        (self._folder / str(rounds)).rename(aside)
        self._storage.reload()

    def close(self) -> None:
        if self._storage is not None:
            self._storage.close()


def _shapes(template: TrainState) -> dict[str, Any]:
    """Shapes of the items of a state like ``template``."""
    return items_by_owner(jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), template))

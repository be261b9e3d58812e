"""Checkpoints of the whole state: agent, reward, replay, environment, key, round, and the best state so far.

Items are separate, so that a reward can be restored alone. A checkpoint is only restored if its shapes are those of a
fresh state.
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
from rl_rewards.loop.state import TrainState


class Restored(NamedTuple):
    """The contents of a checkpoint of the whole state."""

    state: TrainState
    host_env: bytes  # the saved state of the host environment
    rounds: int  # number of rounds done
    best: BestState | None  # None if there is no best evaluation yet, or the run keeps none


class Checkpoints:
    """The newest ``keep`` checkpoints of one run, named by the number of rounds done.

    Args:
        config: the text of config.yaml, stored in every checkpoint in case the folder loses the file.
    """

    def __init__(self, folder: Path, keep: int, config: str = "") -> None:
        self._folder, self._keep, self._config = folder, keep, config
        self._storage = self._opened() if folder.is_dir() else None
        self.damaged: list[str] = []  # a message for each checkpoint that was skipped

    def _opened(self) -> Storage:
        try:
            return Storage(self._folder, self._keep)
        except Exception as error:  # any error from a broken file that describes a checkpoint
            if (plain := as_os_error(error, self._folder)) is not None:
                raise plain from error
            raise ConfigError(
                f"The checkpoints in {self._folder} cannot be read, because one of them is damaged; move the newest "
                "one away, and the run goes on from the one before."
            ) from error

    def save(
        self, rounds: int, state: TrainState, host_env: bytes | None, data_hash: str, best: BestState | None = None
    ) -> None:
        """Write the state after ``rounds`` rounds and the best state so far; return when both are on the disk.

        Every checkpoint has its own best state, because a run that resumes there must not use one that was found later.

        Raises:
            OSError: when it cannot be written; earlier checkpoints remain.
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
            file.chmod(0o600)  # like config.yaml

    def newest(self) -> int | None:
        """Return the number of rounds done in the newest complete checkpoint, or None."""
        return None if self._storage is None else self._storage.newest()

    def restore(
        self,
        templates: Sequence[TrainState],
        data_hash: str,
        rows: int,
        sharding: jax.sharding.Sharding | None = None,
    ) -> Restored:
        """Return the newest good checkpoint, in the structure of the first of ``templates`` that it fits.

        A checkpoint that cannot be read, or whose digest is wrong, is moved away (see ``damaged``), and the one before
        is used. So is one with more rounds than metrics.jsonl has rows, and these rounds are run again.

        Args:
            templates: states, or only their shapes.
            rows: how many rounds, from the first on, have a row in metrics.jsonl.
            sharding: the devices that the state comes to; None: the first one.

        Raises:
            ConfigError: when the examples are not those of the run, shapes differ, no checkpoint can be read, or none
                has its rows.
        """
        assert self._storage is not None, "there is a newest checkpoint"
        steps = self._storage.steps()
        if min(steps) > rows:
            raise ConfigError(
                f"{self._folder.parent / 'metrics.jsonl'} has the rows of {rows} rounds, but the "
                f"checkpoints are of {', '.join(map(str, steps))} rounds; restore that file, or start in a new folder."
            )
        for rounds in steps:
            if rounds > rows:
                self._put_aside(rounds, f"is ahead of metrics.jsonl, which has the rows of {rows} rounds")
                continue
            try:
                found = self._restore(self._storage, rounds, templates, data_hash, sharding)
            except ConfigError:
                raise
            except Exception as error:  # a broken file can cause any error in three libraries
                reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
                self._put_aside(rounds, f"is damaged ({reason})")
            else:
                return found
        raise ConfigError(
            f"No checkpoint in {self._folder} can be read with this configuration: they are damaged, or of a "
            "run with another configuration. Start in a new folder."
        )

    def _restore(
        self,
        storage: Storage,
        rounds: int,
        templates: Sequence[TrainState],
        data_hash: str,
        sharding: jax.sharding.Sharding | None,
    ) -> Restored:
        meta = storage.meta(rounds)
        if meta["data_hash"] != data_hash:
            raise ConfigError(
                "The examples differ from those that this run was started with; resume it with the same examples."
            )
        fits = (template for template in templates if meta["shapes"] == shapes_hash(_shapes(template)))
        template = next(fits, None)
        if template is None:
            raise ConfigError(
                f"The checkpoint in {self._folder} does not fit this configuration; resume a run with the "
                "configuration that it was started with."
            )
        shapes = _shapes(template)
        items = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), shapes)
        if meta["env_bytes"]:
            items["host_env"] = {"bytes": jax.ShapeDtypeStruct((meta["env_bytes"],), np.uint8)}
        best_items = [name for name in BEST_ITEMS if name in shapes and meta.get("best") is not None]
        items |= {f"best_{name}": shapes[name] for name in best_items}
        restored = storage.restore(rounds, items)
        env_bytes = np.asarray(restored["host_env"]["bytes"]).tobytes() if meta["env_bytes"] else b""
        state = state_from({name: restored[name] for name in shapes}, template)
        if digest(state, env_bytes) != meta["digest"]:
            raise ValueError("its digest is not the saved one")
        if meta.get("best") is None:
            return Restored(state, env_bytes, rounds, None)
        best = BestState(jax.tree.map(np.array, {name: restored[f"best_{name}"] for name in best_items}), meta["best"])
        if tree_digest(best.items) != meta["best_digest"]:
            raise ValueError("the digest of its best policy is not the saved one")
        return Restored(state, env_bytes, rounds, best)

    def _put_aside(self, rounds: int, fault: str) -> None:
        """Move a checkpoint away, so that its round can be saved again; it is kept for inspection."""
        assert self._storage is not None
        aside = self._folder.parent / f"damaged_{rounds}"
        self.damaged.append(
            f"The checkpoint after round {rounds} {fault}; it was moved to damaged_{rounds}, and the one before it "
            "is used."
        )
        shutil.rmtree(aside, ignore_errors=True)  # an older one with this name
        (self._folder / str(rounds)).rename(aside)
        self._storage.reload()

    def close(self) -> None:
        if self._storage is not None:
            self._storage.close()


def _shapes(template: TrainState) -> dict[str, Any]:
    """Return the shapes of the items of a state like ``template``."""
    return items_by_owner(jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), template))

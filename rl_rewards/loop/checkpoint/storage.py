"""Numbered checkpoints of named trees of arrays in a folder. Only this file uses orbax.

A checkpoint appears by an atomic rename, so that a run that is killed at any time finds the newest complete one. Orbax
is imported only when it is used, because the import takes most of a second, and a new run has nothing to read.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import jax

from rl_rewards.core.errors import as_os_error

META = "meta"


class Storage:
    """The checkpoints in ``folder``.

    Args:
        keep: how many of the newest are kept; None keeps all.
        read_only: nothing is written, and the folder must exist.
    """

    def __init__(self, folder: Path, keep: int | None = None, read_only: bool = False) -> None:
        import orbax.checkpoint

        logging.getLogger("absl").setLevel(logging.ERROR)  # orbax logs every save
        self._orbax, self.folder = orbax.checkpoint, folder.absolute()
        if read_only:
            options = self._orbax.CheckpointManagerOptions(read_only=True, create=False)
        else:
            options = self._orbax.CheckpointManagerOptions(max_to_keep=keep, enable_async_checkpointing=False)
        self._manager = self._orbax.CheckpointManager(self.folder, options=options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def steps(self) -> list[int]:
        """Return the numbers of the complete checkpoints, the newest first."""
        return sorted(self._manager.all_steps(), reverse=True)

    def newest(self) -> int | None:
        """Return the number of the newest complete checkpoint, or None."""
        return self._manager.latest_step()

    def save(self, step: int, items: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
        """Write trees of arrays by name, and ``meta``, which is JSON; return when they are on the disk.

        Raises:
            OSError: when they cannot be written.
        """
        saved: dict[str, Any] = {name: self._orbax.args.StandardSave(value) for name, value in items.items()}
        saved[META] = self._orbax.args.JsonSave(dict(meta))
        try:
            self._manager.save(step, args=self._orbax.args.Composite(**saved))
            self._manager.wait_until_finished()
        except Exception as error:
            if (plain := as_os_error(error, self.folder)) is not None:
                raise plain from error
            raise

    def meta(self, step: int | None) -> dict[str, Any]:
        """Return the item ``meta`` of a checkpoint, or of the newest one if ``step`` is None."""
        return self._restored(step, {META: self._orbax.args.JsonRestore()})[META]

    def restore(self, step: int, shapes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the items that ``shapes`` names, with its structure, shapes, dtypes and shardings.

        They may have been saved from any number of devices. Those without a sharding come to the first device.
        """
        here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

        def leaf(x: Any) -> jax.ShapeDtypeStruct:
            given = x.sharding if isinstance(x, jax.Array | jax.ShapeDtypeStruct) else None
            return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=given or here)

        placed = jax.tree.map(leaf, dict(shapes))
        return self._restored(step, {name: self._orbax.args.StandardRestore(one) for name, one in placed.items()})

    def _restored(self, step: int | None, wanted: dict[str, Any]) -> Any:
        return self._manager.restore(step, args=self._orbax.args.Composite(**wanted))

    def delete(self, step: int) -> None:
        """Remove a checkpoint."""
        self._manager.delete(step)

    def reload(self) -> None:
        """Read the contents of the folder again."""
        self._manager.reload()

    def close(self) -> None:
        self._manager.close()

"""Parses the paths of saved states: RUN_DIR and RUN_DIR@last are a run's newest state, RUN_DIR@best its best.

``reward.run``, ``pretrain``, ``load_reward`` and ``restore_policy`` accept such paths.
"""

from os import PathLike, fspath
from pathlib import Path
from typing import Literal, NamedTuple, cast

CHECKPOINTS = "checkpoints"
BEST = "best"  # the checkpoint with the policy and the reward of the best evaluation
WHICH = ("last", BEST)


class SavedState(NamedTuple):
    """A run folder, and which of its states is meant."""

    run_dir: Path
    which: Literal["last", "best"]

    @property
    def folder(self) -> Path:
        """The folder of the checkpoints."""
        return self.run_dir / CHECKPOINTS / (BEST if self.which == BEST else "")


def saved_state(run: str | PathLike) -> SavedState:
    """Return the state that ``run`` names. If a folder's own name ends in @best or @last, the name is that folder."""
    text = fspath(run)
    path, at, which = text.rpartition("@")
    if at and which in WHICH and not Path(text).exists():
        return SavedState(Path(path), cast(Literal["last", "best"], which))
    return SavedState(Path(text), "last")

"""Which of the states that a run keeps is meant: RUN_DIR and RUN_DIR@last are its newest, RUN_DIR@best its best.

Everything that takes a run for what it has learned reads its path here: ``reward.run``, ``pretrain``, ``load_reward``,
``restore_policy``.
"""

from os import PathLike, fspath
from pathlib import Path
from typing import Literal, NamedTuple, cast

CHECKPOINTS = "checkpoints"
BEST = "best"  # of the checkpoints: the policy and the reward of the best evaluation
WHICH = ("last", BEST)


class SavedState(NamedTuple):
    """A run, and which of its states."""

    run_dir: Path
    which: Literal["last", "best"]

    @property
    def folder(self) -> Path:
        """Where its checkpoints are."""
        return self.run_dir / CHECKPOINTS / (BEST if self.which == BEST else "")


def saved_state(run: str | PathLike) -> SavedState:
    """The state that ``run`` names; a folder whose own name ends in @best or @last is that folder."""
    text = fspath(run)
    path, at, which = text.rpartition("@")
    if at and which in WHICH and not Path(text).exists():
        return SavedState(Path(path), cast(Literal["last", "best"], which))
    return SavedState(Path(text), "last")

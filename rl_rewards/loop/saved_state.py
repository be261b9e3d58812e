"""Parses the paths of saved states: RUN_DIR and RUN_DIR@last are a run's newest state, RUN_DIR@best its best.

RUN_DIR@12 is the state after 12 rounds. ``reward.run``, ``pretrain``, ``load_reward`` and ``restore_policy`` accept
such paths.
"""

import re
from os import PathLike, fspath
from pathlib import Path
from typing import Literal, NamedTuple, cast

CHECKPOINTS = "checkpoints"
BEST = "best"  # the checkpoint with the policy and the reward of the best evaluation


Named = Literal["last", "best"]


class SavedState(NamedTuple):
    """A run folder, and which of its states is meant."""

    run_dir: Path
    which: Named | int  # a number of rounds

    @property
    def folder(self) -> Path:
        """The folder of the checkpoints."""
        return self.run_dir / CHECKPOINTS / (BEST if self.which == BEST else "")


def saved_state(run: str | PathLike) -> SavedState:
    """Return the state that ``run`` names. If the name is that of a folder, @ and all, that folder is meant."""
    text = fspath(run)
    found = re.fullmatch(r"(.+)@(last|best|[0-9]+)", text, flags=re.DOTALL)
    if found is None or Path(text).exists():
        return SavedState(Path(text), "last")
    path, which = found.groups()
    return SavedState(Path(path), int(which) if which.isdigit() else cast(Named, which))

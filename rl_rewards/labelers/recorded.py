"""Answers of an earlier run, given again in the same rounds: the run that learned from them comes out bit for bit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import Labels, Query
from rl_rewards.core.requirements import Requirements
from rl_rewards.labelers.base import Assignment, Labeler, Labeling
from rl_rewards.labelers.clips import segment_hash
from rl_rewards.labelers.records import label_arrays
from rl_rewards.labelers.store import STORE_NAME, LabelStore


@dataclass(frozen=True, kw_only=True)
class Records(Labeling):
    """Keys and units: configs/labeler/recorded.yaml."""

    path: str | None
    run: str | None

    def __post_init__(self) -> None:
        check_fields(self, "labeler")
        require(
            self.path is not None, "labeler=recorded needs labeler.path=FILE, a label store or the run that has it."
        )

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("obs", "action"), waits_for_answers=False)

    def make(self, assignment: Assignment) -> "Recorded":
        """What was told to the seed of the same number."""
        path = Path(self.path or "")
        path = path / STORE_NAME if path.is_dir() else path
        require(path.is_file(), f"labeler.path={self.path} holds no label store; name one, or the folder of its run.")
        store = LabelStore(path)
        there = store.runs()
        names = sorted({run for run, _ in there if self.run in (None, run)})
        require(
            len(names) == 1,
            f"{path} holds {'no run' if not names else 'the runs ' + ', '.join(names)}"
            f"{'' if self.run is None else f' called {self.run}'}; choose one by labeler.run=NAME.",
        )
        seeds = [seed for run, seed in there if run == names[0]]
        require(
            assignment.seed in seeds,
            f"{path} holds answers for seed {', '.join(map(str, seeds))}, none for seed {assignment.seed}.",
        )
        return Recorded(store, names[0], assignment)


class Recorded(Labeler):
    """The answers of one seed."""

    def __init__(self, store: LabelStore, run: str, assignment: Assignment) -> None:
        self._store, self._run, self._assignment = store, run, assignment
        self._asked = store.asked(run, assignment.seed)

    def submit(self, query: Query, round: int) -> None:
        """Check that what is asked is what was asked then.

        Raises:
            ConfigError: when it is not: the run is another, and the answers would be about something else.
        """
        ids, obs, action = (np.asarray(x) for x in (query.id, query.segments.obs, query.segments.action))
        for row in np.flatnonzero(ids >= 0):
            clips = tuple(segment_hash(obs[row, k], action[row, k]) for k in range(obs.shape[1]))
            if self._asked.get(int(ids[row]), clips) != clips:
                raise ConfigError(
                    f"In round {round} query {ids[row]} is about other segments than the recorded one; answers "
                    "fit only the run that they were given to, with its configuration and seed."
                )

    def open(self, round: int) -> int:
        """None: nobody else will answer."""
        del round
        return 0

    def collect(self, round: int) -> Labels:
        asked = self._assignment
        given = self._store.recorded(self._run, asked.seed, round)
        return Labels(**label_arrays(given, asked.answers, asked.clips))

    def close(self) -> None:
        self._store.close()

"""Replays the answers of an earlier run in the same rounds, so that the run is reproduced bit for bit."""

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
        require(self.path is not None, "labeler=recorded needs labeler.path=PATH, a label store or a run folder.")

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("obs", "action"), waits_for_answers=False, describes=True)

    def make(self, assignment: Assignment) -> "Recorded":
        """Return the recorded answers of the seed with the same number.

        Raises:
            ConfigError: when the path has no label store, or the store has no such run or seed.
        """
        path = Path(self.path or "")
        path = path / STORE_NAME if path.is_dir() else path
        require(path.is_file(), f"labeler.path={self.path} holds no label store; name one, or its run folder.")
        store = LabelStore(path)
        there = store.runs()
        names = sorted({run for run, _ in there if self.run in (None, run)})
        require(
            len(names) == 1,
            f"{path} holds {'no run' if not names else 'the runs ' + ', '.join(names)}"
            f"{'' if self.run is None else f' called {self.run}'}; choose one with labeler.run=NAME.",
        )
        seeds = [seed for run, seed in there if run == names[0]]
        require(
            assignment.seed in seeds,
            f"{path} holds answers for seed {', '.join(map(str, seeds))}, but none for seed {assignment.seed}.",
        )
        return Recorded(store, names[0], assignment)


class Recorded(Labeler):
    """The recorded answers of one seed."""

    def __init__(self, store: LabelStore, run: str, assignment: Assignment) -> None:
        self._store, self._run, self._assignment = store, run, assignment
        self._asked = store.asked(run, assignment.seed)

    def submit(self, query: Query, round: int) -> None:
        """Check that the queries are those of the recorded run.

        Raises:
            ConfigError: when a query has other segments, so that the recorded answer does not apply to it.
        """
        ids, obs, action = (np.asarray(x) for x in (query.id, query.segments.obs, query.segments.action))
        for row in np.flatnonzero(ids >= 0):
            clips = tuple(segment_hash(obs[row, k], action[row, k]) for k in range(obs.shape[1]))
            if self._asked.get(int(ids[row]), clips) != clips:
                raise ConfigError(
                    f"In round {round} query {ids[row]} is about other segments than the recorded query; recorded "
                    "answers fit only a run with the same configuration and seed."
                )

    def open(self, round: int) -> int:
        """Return 0, because no further answer will arrive."""
        del round
        return 0

    def collect(self, round: int) -> Labels:
        asked = self._assignment
        given = self._store.recorded(self._run, asked.seed, round)
        return Labels(**label_arrays(given, asked.answers, asked.clips))

    def close(self) -> None:
        self._store.close()

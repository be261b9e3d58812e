"""Reads of many evaluations the few small arrays whose course over training is drawn: games, and visits to cells."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.errors import ConfigError
from rl_rewards.reporting.evaluation_files import evaluation_paths, read_count, read_stored, spread

GAMES_READ = 60
"""Evaluations whose games are read: some thousands of marks, beyond which a map is but a blot."""
TIMES = 4
"""Evaluations whose visits are read; the first and the last are among them."""


@dataclass(frozen=True)
class Games:
    """Games of Alice and Bob from evaluations over training, oldest first; M of them; see :meth:`of_seed`."""

    env_steps: np.ndarray  # [M] of the evaluation
    t_alice: np.ndarray  # [M] her moves; 0: she stopped at once
    t_bob: np.ndarray  # [M] his moves; 0: her goal was where he began
    reached: np.ndarray  # [M] bool
    distance: np.ndarray  # [M] of the goal from where Bob began, in goal features
    goal: np.ndarray  # [M, g] its features
    place: np.ndarray | None  # [M, 2] where it lies on the environment's plane; None if that has none

    def of_seed(self, index: int) -> "Games":
        """One seed's part, where there is a leading seed axis (``env_steps`` has none)."""
        if self.t_alice.ndim == 1:
            return self
        names = ("t_alice", "t_bob", "reached", "distance", "goal")
        place = None if self.place is None else self.place[index]
        return replace(self, **{name: getattr(self, name)[index] for name in names}, place=place)

    def where(self, members: np.ndarray) -> "Games":
        """Those of one seed's games that are ``members`` [M] bool."""
        parts = {name: None if part is None else part[members] for name, part in vars(self).items()}
        return replace(self, **parts)


@dataclass(frozen=True)
class Visits:
    """How often training had been in each cell by an evaluation; see :meth:`of_seed`."""

    env_steps: int
    counts: np.ndarray  # [cells]

    def of_seed(self, index: int) -> "Visits":
        """One seed's part, where there is a leading seed axis."""
        return self if self.counts.ndim == 1 else replace(self, counts=self.counts[index])

    @property
    def coverage(self) -> float:
        """Share of cells that training has been in."""
        return float(np.mean(self.counts > 0))


def read_games(folder: Path, rounds: set[Any]) -> Games | None:
    """None where no games were played."""
    paths = spread(evaluation_paths(folder, rounds), GAMES_READ)
    stored = [(path, read_stored(path, _is_of_game)) for path in paths]
    stored = [(path, arrays) for path, arrays in stored if "game_t_alice" in arrays]
    found = [arrays for _, arrays in stored]
    if not found:
        return None

    def joined(name: str, axis: int) -> np.ndarray:
        return np.concatenate([arrays[f"game_{name}"] for arrays in found], axis=axis)

    try:
        return Games(
            env_steps=np.repeat(
                [read_count(*one, "env_steps") for one in stored],
                [arrays["game_t_alice"].shape[-1] for arrays in found],
            ),
            **{name: joined(name, -1) for name in ("t_alice", "t_bob", "distance")},
            reached=joined("reached", -1) > 0.5,
            goal=joined("goal", -2),
            place=joined("place", -2) if all("game_place" in arrays for arrays in found) else None,
        )
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise ConfigError(f"{folder} holds games that this version cannot read: {error}.") from error


def read_visits(folder: Path, rounds: set[Any]) -> list[Visits]:
    """Up to ``TIMES`` of them, oldest first; of several sources that count the same cells the first."""
    visits = []
    for path in spread(evaluation_paths(folder, rounds), TIMES):
        arrays = read_stored(path, _is_of_visits)
        name = next((name for name in sorted(arrays) if name != "env_steps"), None)
        if name is not None and arrays[name].ndim in (1, 2):
            visits.append(Visits(read_count(path, arrays, "env_steps"), arrays[name]))
    return visits


def _is_of_game(name: str) -> bool:
    return name.startswith("game_") or name == "env_steps"


def _is_of_visits(name: str) -> bool:
    """A mixture of rewards puts the name of the one that counts before."""
    return name in ("visits", "env_steps") or name.endswith("_visits")

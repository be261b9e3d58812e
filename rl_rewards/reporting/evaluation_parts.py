"""Reads the small arrays that figures follow over many evaluations: games, and visits to cells."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.errors import ConfigError
from rl_rewards.reporting.evaluation_files import evaluation_paths, read_count, read_stored, spread

GAMES_READ = 60
"""How many evaluations' games are read: with more than a few thousand marks a map is unreadable."""
TIMES = 4
"""How many evaluations' visits are read; the first and the last are among them."""


@dataclass(frozen=True)
class Games:
    """M games of Alice and Bob from evaluations over training, oldest first; see :meth:`of_seed` for several seeds."""

    env_steps: np.ndarray  # [M] env steps at the evaluation
    t_alice: np.ndarray  # [M] Alice's moves; 0 if she stopped at once
    t_bob: np.ndarray  # [M] Bob's moves; 0 if he began at her goal
    reached: np.ndarray  # [M] bool; True if Bob reached the goal
    distance: np.ndarray  # [M] from Bob's start to the goal, in the units of goal features
    goal: np.ndarray  # [M, g] features of the goal
    place: np.ndarray | None  # [M, 2] the goal's place on the environment's plane; None if that has no plane

    def of_seed(self, index: int) -> "Games":
        """Return the part of one seed; the whole if there is no seed axis (``env_steps`` never has one)."""
        if self.t_alice.ndim == 1:
            return self
        names = ("t_alice", "t_bob", "reached", "distance", "goal")
        place = None if self.place is None else self.place[index]
        return replace(self, **{name: getattr(self, name)[index] for name in names}, place=place)

    def where(self, members: np.ndarray) -> "Games":
        """Return the games of one seed that are selected by ``members``, [M] bool."""
        parts = {name: None if part is None else part[members] for name, part in vars(self).items()}
        return replace(self, **parts)


@dataclass(frozen=True)
class Visits:
    """Counts of training's visits to each cell, up to one evaluation; see :meth:`of_seed` for several seeds."""

    env_steps: int
    counts: np.ndarray  # [cells]

    def of_seed(self, index: int) -> "Visits":
        """Return the part of one seed; the whole if there is no seed axis."""
        return self if self.counts.ndim == 1 else replace(self, counts=self.counts[index])

    @property
    def coverage(self) -> float:
        """Share of cells that were visited at least once, in 0 .. 1."""
        return float(np.mean(self.counts > 0))


def read_games(folder: Path, rounds: set[Any]) -> Games | None:
    """Read the games of ``GAMES_READ`` evaluations at most; None if no games were played.

    Raises:
        ConfigError: if the stored games cannot be read.
    """
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
        raise ConfigError(f"The games in {folder} cannot be read by this version: {error}.") from error


def read_visits(folder: Path, rounds: set[Any]) -> list[Visits]:
    """Read the visits of ``TIMES`` evaluations at most, oldest first.

    If several parts of a mixture count visits, the first by name is read.
    """
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
    """In a mixture, the name of the part that counts visits comes before ``_visits``."""
    return name in ("visits", "env_steps") or name.endswith("_visits")

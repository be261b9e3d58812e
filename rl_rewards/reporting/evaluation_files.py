"""Reads the files of evaluations: a few evaluations completely, and of a few more only the map of the plane."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.npz import UnreadableArrays, read_npz

NOT_PER_SEED = ("plane_x", "plane_y", "plane_labels")
MAPS = 7
"""How many evaluations' maps are read; the first and the last are among them."""


@dataclass(frozen=True)
class StoredEvaluation:
    """The stored arrays of one evaluation: N episodes of at most T steps, in which the policy sampled its actions.

    With several seeds every array has a leading axis S; see :meth:`of_seed`.
    """

    round: int
    env_steps: int
    learned_reward: np.ndarray  # [T, N] per step
    env_reward: np.ndarray  # [T, N] per step
    valid: np.ndarray  # [T, N] bool; False after an episode's end
    success: np.ndarray | None  # [T, N] bool; None if the environment does not report success
    arrays: Mapping[str, np.ndarray]  # the file's other arrays: prob_*, plane_*, visited_is_goal, scenes

    def of_seed(self, index: int) -> "StoredEvaluation":
        """Return the part of one seed; the whole if there is no seed axis."""
        if self.valid.ndim == 2:
            return self
        return replace(
            self,
            learned_reward=self.learned_reward[index],
            env_reward=self.env_reward[index],
            valid=self.valid[index],
            success=None if self.success is None else self.success[index],
            arrays={name: x if name in NOT_PER_SEED else x[index] for name, x in self.arrays.items()},
        )

    @property
    def learned_returns(self) -> np.ndarray:
        """Undiscounted sum of the learned reward of each episode, [N]."""
        return _sum_valid(self.learned_reward, self.valid)

    @property
    def true_returns(self) -> np.ndarray:
        """Undiscounted sum of the environment's own reward of each episode, [N]."""
        return _sum_valid(self.env_reward, self.valid)

    @property
    def ended_in_success(self) -> np.ndarray | None:
        """True where an episode's final state is a success, [N] bool; None if the environment does not report it."""
        return None if self.success is None else _final(self.success, self.valid)


@dataclass(frozen=True)
class PlaneMap:
    """The learned reward over a plane of states at one evaluation; see :meth:`of_seed` for several seeds."""

    env_steps: int
    x: np.ndarray  # [n]
    y: np.ndarray  # [m]
    labels: tuple[str, str, str]  # of x, of y, and what is held fixed
    reward: np.ndarray  # [m, n] per step of standing still there
    prob: np.ndarray | None  # [m, n] a classifier's probability of a goal; None if the reward has no classifier
    final: np.ndarray | None  # [N, 2] where on the plane the episodes ended; None if that was not stored
    success: np.ndarray | None  # [N] bool; True where an episode ended in success

    def of_seed(self, index: int) -> "PlaneMap":
        """Return the part of one seed; the whole if there is no seed axis."""
        if self.reward.ndim == 2:
            return self
        parts = {"reward": self.reward, "prob": self.prob, "final": self.final, "success": self.success}
        return replace(self, **{name: None if part is None else part[index] for name, part in parts.items()})


def read_evaluations(folder: Path, rounds: set[Any], count: int) -> list[StoredEvaluation]:
    """Read at most ``count`` of the evaluations of ``rounds``, evenly spread; the last one is always among them."""
    return [_read_evaluation(path) for path in spread(evaluation_paths(folder, rounds), count)]


def read_maps(folder: Path, rounds: set[Any]) -> list[PlaneMap]:
    """Read at most ``MAPS`` maps over training, oldest first; an empty list if the evaluations have no maps."""
    maps = [_read_map(path) for path in spread(evaluation_paths(folder, rounds), MAPS)]
    return [found for found in maps if found is not None]


def evaluation_paths(folder: Path, rounds: set[Any]) -> list[Path]:
    """Return the files of the evaluations of ``rounds``, oldest first."""
    # A resumed run cuts its metrics back to the checkpoint; files of later rounds are stale until they are rewritten.
    return sorted(path for path in folder.glob("*.npz") if path.stem.isdigit() and int(path.stem) in rounds)


def spread(files: Sequence[Path], count: int) -> list[Path]:
    """Return at most ``count`` of ``files``, evenly spread: a long run has hundreds, of which few are drawn."""
    last = len(files) - 1
    if count >= len(files) or count == 1:
        return list(files[-count:])
    return [files[(i * last + (count - 1) // 2) // (count - 1)] for i in range(count)]


def read_stored(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, np.ndarray]:
    """Return the ``wanted`` arrays of an evaluation's file by name, without empty arrays.

    Raises:
        ConfigError: if the file cannot be read, or an array other than ``plane_labels`` is not of real numbers.
    """
    try:
        arrays = {name: array for name, array in read_npz(path, wanted).items() if array.size}
    except UnreadableArrays as error:
        raise ConfigError(f"{path} is not an evaluation that this version can read: {error}.") from error
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" and name != "plane_labels":
            raise ConfigError(f"{path} is malformed: {name} has the type {array.dtype}, but must hold real numbers.")
    return arrays


def read_count(path: Path, arrays: Mapping[str, np.ndarray], name: str) -> int:
    """Return the whole number ``name``, which every evaluation stores."""
    value = arrays.get(name)
    if value is None or value.size != 1 or value.dtype.kind not in "iu":
        raise ConfigError(f"{path} is malformed: {name} must be one whole number.")
    return int(value.item())


def _read_evaluation(path: Path) -> StoredEvaluation:
    arrays = read_stored(path)
    for name in ("valid", "learned_reward", "env_reward"):
        if name not in arrays:
            raise ConfigError(f"{path} is malformed: {name} is missing or empty.")
    valid, success = arrays["valid"], arrays.get("success")
    per_step = {name: arrays[name] for name in ("learned_reward", "env_reward", "success") if name in arrays}
    if valid.ndim not in (2, 3) or any(array.shape != valid.shape for array in per_step.values()):
        raise ConfigError(
            f"{path} is malformed: learned_reward, env_reward, success and valid must have the same shape."
        )
    seeds = valid.shape[:-2]
    rest = {name: array for name, array in arrays.items() if name not in ("round", "env_steps", "valid", *per_step)}
    for name, array in rest.items():
        if name not in NOT_PER_SEED and array.shape[: len(seeds)] != seeds:
            raise ConfigError(
                f"{path} is malformed: {name} has the shape {array.shape}, but must begin with the seed axis of valid, "
                f"{seeds}."
            )
    failure = rest.get("failure_episode", np.full(seeds, -1))
    if failure.shape != seeds or failure.dtype.kind not in "iu" or np.any(failure >= valid.shape[-1]):
        raise ConfigError(f"{path} is malformed: failure_episode must be the index of an episode, or -1 for none.")
    return StoredEvaluation(
        round=read_count(path, arrays, "round"),
        env_steps=read_count(path, arrays, "env_steps"),
        learned_reward=arrays["learned_reward"],
        env_reward=arrays["env_reward"],
        valid=valid.astype(bool),
        success=success,
        arrays=rest,
    )


def _read_map(path: Path) -> PlaneMap | None:
    """Read the map of an evaluation; None if it has no map or its shape does not fit its axes."""
    arrays = read_stored(path, lambda name: name.startswith("plane_") or name in ("env_steps", "success", "valid"))
    if not {"plane_reward", "plane_x", "plane_y"} <= arrays.keys():
        return None
    labels = [str(label) for label in np.ravel(arrays.get("plane_labels", []))]
    x_label, y_label, held = [*labels, *("x", "y", "")[len(labels) :]][:3]
    x, y, reward = (arrays[f"plane_{name}"] for name in ("x", "y", "reward"))
    if reward.ndim not in (2, 3) or reward.shape[-2:] != y.shape + x.shape:
        return None
    seeds, valid = reward.shape[:-2], arrays.get("valid")
    success = final = None
    if valid is not None and valid.ndim == reward.ndim and valid.shape[:-2] == seeds:
        judged = _of_shape(arrays.get("success"), valid.shape)
        success = None if judged is None else _final(judged, valid.astype(bool))
        final = _of_shape(arrays.get("plane_final"), (*seeds, valid.shape[-1], 2))
    return PlaneMap(
        env_steps=read_count(path, arrays, "env_steps"),
        x=x,
        y=y,
        labels=(x_label, y_label, held),
        reward=reward,
        prob=_of_shape(arrays.get("plane_prob"), reward.shape),
        final=final,
        success=success,
    )


def _of_shape(array: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return ``array`` if it has that shape, else None."""
    return array if array is not None and array.shape == shape else None


def _sum_valid(reward: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return np.where(valid, reward, 0.0).sum(axis=0, dtype=np.float64)


def _final(success: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return the success at each episode's last valid step, [*S, N] from [*S, T, N]."""
    last = np.maximum(valid.sum(axis=-2, keepdims=True) - 1, 0)
    return np.take_along_axis(np.asarray(success, bool), last, axis=-2)[..., 0, :]

"""Nuisance features of a segment: properties other than the task that may bias a labeler's answers.

An example is the verbosity bias of judges of texts (Zheng et al. 2023, arXiv:2306.05685, section 3.3). A feature may
also belong to the task (for example, where a robot should move little); a person must decide that.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from rl_rewards.core.types import Box, EnvSpec


class Nuisance(NamedTuple):
    """A feature and its unit."""

    of: Callable[[np.ndarray], Float[np.ndarray, "*batch"]]  # of ``taken_from`` [*batch, L, n]
    taken_from: Literal["obs", "action"]
    unit: str


def path_length(obs: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Return the length of the path that the observation takes: the sum of its step lengths over the L states."""
    return np.linalg.norm(np.diff(obs, axis=-2), axis=-1).sum(axis=-1)


def displacement(obs: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Return the distance of the last observation from the first."""
    return np.linalg.norm(obs[..., -1, :] - obs[..., 0, :], axis=-1)


def action_size(action: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Return the mean absolute value of the actions' entries."""
    return np.abs(action).mean(axis=(-2, -1))


def jerkiness(action: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Return the mean absolute change of an action entry from one step to the next; 0 for a segment of one step."""
    changes = np.abs(np.diff(action, axis=-2))
    return changes.sum(axis=(-2, -1)) / max(1, changes.shape[-2] * changes.shape[-1])


NUISANCES = {
    "path_length": Nuisance(path_length, "obs", "units of the observation"),
    "displacement": Nuisance(displacement, "obs", "units of the observation"),
    "action_size": Nuisance(action_size, "action", "units of the action"),
    "jerkiness": Nuisance(jerkiness, "action", "units of the action per step"),
}


def nuisances_of(spec: EnvSpec) -> dict[str, Nuisance]:
    """Return the features that an environment has: those of vectors, not of images or discrete actions."""
    boxes = {"obs": spec.obs, "action": spec.action}
    vectors = {name for name, box in boxes.items() if isinstance(box, Box) and len(box.shape) == 1}
    return {name: one for name, one in NUISANCES.items() if one.taken_from in vectors}


def measure(one: Nuisance, obs: np.ndarray, action: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Return a feature of segments; only the array that it is taken from must have the shape [*batch, L, n]."""
    return one.of(np.asarray({"obs": obs, "action": action}[one.taken_from], np.float64))

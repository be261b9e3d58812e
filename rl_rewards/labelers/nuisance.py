"""Features of a segment that nobody was asked about: what a labeler may lean on instead of on the task.

As verbosity is to a judge of texts (Zheng et al. 2023, arXiv:2306.05685, section 3.3). Whether one of them belongs to
the task after all (a robot is to move little, say) is for a person to decide.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from rl_rewards.core.types import Box, EnvSpec


class Nuisance(NamedTuple):
    """A feature and its unit."""

    of: Callable[[np.ndarray], Float[np.ndarray, "*batch"]]  # [*batch, L, n] of what it is taken from
    taken_from: Literal["obs", "action"]
    unit: str


def path_length(obs: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """How far the observation travels: the sum of its steps' lengths over the segment's L states."""
    return np.linalg.norm(np.diff(obs, axis=-2), axis=-1).sum(axis=-1)


def displacement(obs: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """How far the last observation is from the first."""
    return np.linalg.norm(obs[..., -1, :] - obs[..., 0, :], axis=-1)


def action_size(action: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Mean size of an action's entries."""
    return np.abs(action).mean(axis=(-2, -1))


def jerkiness(action: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Mean size of an action entry's change from one step to the next; 0 in a segment of one step."""
    changes = np.abs(np.diff(action, axis=-2))
    return changes.sum(axis=(-2, -1)) / max(1, changes.shape[-2] * changes.shape[-1])


NUISANCES = {
    "path_length": Nuisance(path_length, "obs", "units of the observation"),
    "displacement": Nuisance(displacement, "obs", "units of the observation"),
    "action_size": Nuisance(action_size, "action", "units of the action"),
    "jerkiness": Nuisance(jerkiness, "action", "units of the action, a step"),
}


def nuisances_of(spec: EnvSpec) -> dict[str, Nuisance]:
    """Those that mean something there: of vectors of numbers, not of pictures or of actions by number."""
    boxes = {"obs": spec.obs, "action": spec.action}
    vectors = {name for name, box in boxes.items() if isinstance(box, Box) and len(box.shape) == 1}
    return {name: one for name, one in NUISANCES.items() if one.taken_from in vectors}


def measure(one: Nuisance, obs: np.ndarray, action: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Of segments with obs and action [*batch, L, n]; only what it is taken from need be such vectors."""
    return one.of(np.asarray({"obs": obs, "action": action}[one.taken_from], np.float64))

"""A segment as a judge gets it: in the environment's words, in numbers where it has none, or as a sheet of frames."""

import base64

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import CannotDraw, ConfigError
from rl_rewards.core.types import Box, Transition
from rl_rewards.labelers.base import Assignment
from rl_rewards.labelers.clips import encode_clip
from rl_rewards.labelers.judge.prompts import Told

MOST_ENTRIES = 40
"""Of an observation that are told; more would fill a small model's context."""


def tell_in_words(segment: Transition, assignment: Assignment) -> Told:
    """``segment``: leaves [L, ...] in numpy."""
    if assignment.describe is not None:
        return {"words": assignment.describe(segment)}
    return {"words": in_numbers(segment, assignment)}


def in_numbers(segment: Transition, assignment: Assignment) -> str:
    """Every entry of the observation at the start, at the end and on average; how large the actions are.

    Raises:
        ConfigError: for observations that are pictures.
    """
    spec, obs = assignment.spec, np.asarray(segment.obs)
    require(
        obs.ndim == 2,
        f"{spec.name} has no words for its segments and shows pictures; choose labeler.show=frames and a model that "
        "sees, or observations without pictures.",
    )
    names = spec.obs_names or tuple(f"entry {i}" for i in range(obs.shape[1]))
    lines = [f"{len(obs)} steps. Observed at the start, at the end, and on average:"]
    for name, column in list(zip(names, obs.T, strict=True))[:MOST_ENTRIES]:
        lines.append(f"{name}: {column[0]:.2f}, {column[-1]:.2f}, {column.mean():.2f}")
    if len(names) > MOST_ENTRIES:
        lines.append(f"and {len(names) - MOST_ENTRIES} entries more.")
    if isinstance(spec.action, Box):
        lines.append(f"Mean size of an action's entries: {np.abs(np.asarray(segment.action)).mean():.2f}")
    return "\n".join(lines)


def tell_in_frames(segment: Transition, assignment: Assignment, frames: int) -> Told:
    """At most ``frames`` pictures, evenly spaced from the first state reached to the last.

    Raises:
        ConfigError: when the environment cannot be drawn.
    """
    scenes = np.asarray(segment.info["scene"])
    index = np.unique(np.linspace(0, len(scenes) - 1, frames).round().astype(int))
    try:
        pictures = np.stack([assignment.draw(scenes[i]) for i in index])
    except CannotDraw as error:
        raise ConfigError(f"A judge is to see clips, but {error}.") from error
    return {"png": base64.b64encode(encode_clip(pictures, 1.0)[0]).decode()}

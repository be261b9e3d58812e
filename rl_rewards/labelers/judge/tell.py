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


def check_words(assignment: Assignment) -> None:
    """Raises ConfigError where a run's segments can be told neither in words nor in numbers."""
    spec = assignment.spec
    require(
        assignment.describe is not None or len(spec.obs.shape) == 1,
        f"{spec.name} has no words for its segments and shows pictures; choose labeler.show=frames and a model that "
        "sees, or observations without pictures.",
    )


def tell_in_words(segment: Transition, assignment: Assignment) -> Told:
    """``segment``: leaves [L, ...] in numpy."""
    if assignment.describe is not None:
        return {"words": assignment.describe(segment)}
    return {"words": in_numbers(segment, assignment)}


def in_numbers(segment: Transition, assignment: Assignment) -> str:
    """Every entry of the observation at the start, at the end and on average, or of one state as it is; how large the
    actions of a segment are.
    """
    spec, obs = assignment.spec, np.asarray(segment.obs)
    names = spec.obs_names or tuple(f"entry {i}" for i in range(obs.shape[1]))
    alone = assignment.question == "success"
    lines = ["Observed:" if alone else f"{len(obs)} steps. Observed at the start, at the end, and on average:"]
    for name, column in list(zip(names, obs.T, strict=True))[:MOST_ENTRIES]:
        told = (column[0],) if alone else (column[0], column[-1], column.mean())
        lines.append(f"{name}: {', '.join(f'{value:.2f}' for value in told)}")
    if len(names) > MOST_ENTRIES:
        lines.append(f"and {len(names) - MOST_ENTRIES} entries more.")
    if isinstance(spec.action, Box) and not alone:
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

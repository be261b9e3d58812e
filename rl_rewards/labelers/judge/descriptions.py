"""Describes a segment to a judge: as texts, in the environment's words, in numbers, or as a sheet of frames."""

import base64

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import CannotDraw, ConfigError
from rl_rewards.core.types import Box, Transition
from rl_rewards.labelers.base import Assignment
from rl_rewards.labelers.clips import encode_clip
from rl_rewards.labelers.judge.prompts import Description

MOST_ENTRIES = 40
"""The most entries of an observation that are shown; more would fill a small model's context."""


def check_words(assignment: Assignment) -> None:
    """Check that a run's segments can be described in words or in numbers.

    Raises:
        ConfigError: when observations are pictures, and the environment has no words.
    """
    spec = assignment.spec
    require(
        assignment.describe is not None or len(spec.obs.shape) == 1,
        f"{spec.name} cannot describe its segments in words, and its observations are pictures; choose "
        "labeler.show=frames and a model that accepts pictures, or observations without pictures.",
    )


def in_words(segment: Transition, assignment: Assignment) -> Description:
    """Return a description of ``segment``, numpy leaves [L, ...]: as texts, in words or in numbers."""
    if assignment.passage is not None:
        prompt, response = assignment.passage(segment)
        return {"prompt": prompt, "words": response}
    if assignment.describe is not None:
        return {"words": assignment.describe(segment)}
    return {"words": in_numbers(segment, assignment)}


def in_numbers(segment: Transition, assignment: Assignment) -> str:
    """Return the observation's entries at the start, at the end and on average, and the mean size of the actions.

    For a question about one state, only the entries of that state are returned.
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


def in_frames(segment: Transition, assignment: Assignment, frames: int) -> Description:
    """Return at most ``frames`` pictures, evenly spaced from the first state reached to the last, as one sheet.

    Raises:
        ConfigError: when the environment cannot be drawn.
    """
    scenes = np.asarray(segment.info["scene"])
    index = np.unique(np.linspace(0, len(scenes) - 1, frames).round().astype(int))
    try:
        pictures = np.stack([assignment.draw(scenes[i]) for i in index])
    except CannotDraw as error:
        raise ConfigError(f"The judge must see the segments, but {error}.") from error
    return {"png": base64.b64encode(encode_clip(pictures, 1.0)[0]).decode()}

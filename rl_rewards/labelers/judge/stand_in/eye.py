"""Reads the pictures of ``env=point`` and ``env=pencil_case``: how far the task has come, from their pixels alone.

The eye knows the colours and the size of these two environments' pictures, and nothing else: neither the state nor the
reward. It sees what a person could see, so that a hidden case is not seen either.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from rl_rewards.labelers.picture_features import has_colour

Picture = UInt8[np.ndarray, "H W 3"]
Pixels = Bool[np.ndarray, "H W"]

HEIGHT = 240
WIDTHS = {"point": 240, "pencil_case": 320}
"""The size of one frame in a sheet, in pixels."""
DONE = 0.9
"""The progress at which the task looks done."""
QUADRANT_SHARE, NOTEBOOK_SHARE = 0.1, 0.008
"""The least shares of a frame that the grey quadrant of ``point`` and the notebook of ``pencil_case`` take up."""
UNSEEN = 0.5
"""The progress of a table whose case cannot be seen: the picture does not say."""
FEWEST = 12
"""Fewer pixels of a colour are no thing."""


class Unrecognised(Exception):
    """Raised for a picture of anything else."""


class Seen(NamedTuple):
    """What the eye sees in the last frame of a sheet."""

    progress: float  # 0 (as far from done as can be) to 1; ``DONE`` and more looks done
    red: float  # share of the frame's pixels that are red


def look(sheet: Picture) -> Seen:
    """Return what the last frame of a sheet shows.

    Raises:
        Unrecognised: when the sheet does not show ``env=point`` or ``env=pencil_case``.
    """
    env = _environment(sheet)
    frame = _last_frame(sheet, WIDTHS[env])
    progress = _progress_of_point(frame) if env == "point" else _progress_of_case(frame)
    return Seen(progress, float(has_colour(frame, "red").mean()))


def _channels(frame: Picture) -> Float[np.ndarray, "3 H W"]:
    return np.moveaxis(frame.astype(np.float32), -1, 0)


def _environment(sheet: Picture) -> str:
    for env, marks, share in (("point", _is_quadrant, QUADRANT_SHARE), ("pencil_case", _is_notebook, NOTEBOOK_SHARE)):
        whole = sheet.shape[0] % HEIGHT == 0 and sheet.shape[1] % WIDTHS[env] == 0
        if whole and float(marks(sheet[:HEIGHT, : WIDTHS[env]]).mean()) >= share:
            return env
    raise Unrecognised


def _last_frame(sheet: Picture, width: int) -> Picture:
    """Return the last frame in reading order; the cells after it are black."""
    rows, columns = sheet.shape[0] // HEIGHT, sheet.shape[1] // width
    cells = sheet.reshape(rows, HEIGHT, columns, width, 3).swapaxes(1, 2).reshape(-1, HEIGHT, width, 3)
    return cells[np.flatnonzero(cells.any(axis=(1, 2, 3)))[-1]]


def _is_quadrant(frame: Picture) -> Pixels:
    """Return True in the quadrant where episodes of ``point`` start."""
    return (frame == 228).all(axis=-1)


def _is_goal(frame: Picture) -> Pixels:
    """Return True where ``point`` has its green disc."""
    red, green, blue = _channels(frame)
    return (green > red + 30.0) & (green > blue + 30.0)


def _progress_of_point(frame: Picture) -> float:
    """Return 1 at the middle of the green disc, ``DONE`` at its edge, and less in proportion to the distance."""
    red, _, blue = _channels(frame)
    goal, agent = _box(_is_goal(frame), 0.0), _box(blue > red + 100.0)
    if agent is None or goal is None:
        return UNSEEN
    radius = 0.5 * max(goal.right - goal.left, goal.bottom - goal.top)
    x = goal.left + radius if agent.x > goal.x else goal.right - radius  # from the side that the agent does not cover
    y = goal.top + radius if agent.y > goal.y else goal.bottom - radius
    return max(0.0, 1.0 - (1.0 - DONE) * float(np.hypot(agent.x - x, agent.y - y)) / radius)


def _progress_of_case(frame: Picture) -> float:
    """Return ``DONE`` and more where the red case stands behind the notebook; else less, by the way that is left.

    The way goes round the right end of the notebook, unless the case has already passed it.
    """
    notebook, case = _box(_is_notebook(frame)), _middle(_is_case(frame))
    if notebook is None:
        raise Unrecognised
    if case is None:
        return UNSEEN
    width = notebook.right - notebook.left
    target = np.array([notebook.x, notebook.top - BEHIND * width])
    corner = np.array([notebook.right + ASIDE * width, notebook.y])
    left = _length(target - case)
    if case[1] > notebook.top:  # rows grow downwards: the case is on the camera's side
        left = _length(corner - case) + _length(target - corner)
    elif abs(case[0] - target[0]) < SIDEWAYS * width and abs(case[1] - target[1]) < DEPTH * width:
        return 1.0 - (1.0 - DONE) * min(1.0, left / width)
    return max(0.0, (DONE - GAP) * (1.0 - left / (LONGEST * width)))


BEHIND, ASIDE, SIDEWAYS, DEPTH, LONGEST, GAP = 0.1, 0.3, 0.4, 0.3, 2.5, 0.1
"""Of the pencil case, in widths of the notebook as it is seen: how far above the notebook's upper edge the middle of a
case behind it stands, how far beside the notebook the way leads, how far from that middle it may be, and the longest
way. ``GAP`` is by how much less progress a case has that does not stand there."""


def _is_notebook(frame: Picture) -> Pixels:
    red, green, blue = _channels(frame)
    return (blue > 60.0) & (blue > 1.5 * green) & (blue > 2.0 * red)


def _is_case(frame: Picture) -> Pixels:
    """Return True where the case is, which is a duller red than the cross of a tracker that has lost it."""
    _, green, _ = _channels(frame)
    return has_colour(frame, "red") & (green > 35.0)


class _Box(NamedTuple):
    left: float
    right: float
    top: float
    bottom: float

    @property
    def x(self) -> float:
        return 0.5 * (self.left + self.right)

    @property
    def y(self) -> float:
        return 0.5 * (self.top + self.bottom)


def _box(pixels: Pixels, outside: float = 1.0) -> _Box | None:
    """Return the borders of a thing, without ``outside`` percent of its pixels on each side, which may stray."""
    rows, columns = np.nonzero(pixels)
    if len(rows) < FEWEST:
        return None
    left, right = np.percentile(columns, [outside, 100.0 - outside])
    top, bottom = np.percentile(rows, [outside, 100.0 - outside])
    return _Box(float(left), float(right), float(top), float(bottom))


def _middle(pixels: Pixels) -> Float[np.ndarray, "2"] | None:
    """Return the mean column and row of a thing."""
    rows, columns = np.nonzero(pixels)
    return None if len(rows) < FEWEST else np.array([columns.mean(), rows.mean()])


def _length(way: Float[np.ndarray, "2"]) -> float:
    return float(np.hypot(*way))

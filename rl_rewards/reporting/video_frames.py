"""Frames of videos: a picture at twice its size, a strip in a player's colour, and lines of text below."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from rl_rewards.core.words import digits
from rl_rewards.reporting.figures.drawing import ALICE, BOB

ENLARGED = 2
LARGEST_SIDE = 1000
"""Pixels; a picture that would get larger keeps its size."""
STRIP_HEIGHT = 24
"""Height in pixels of the coloured strip above the picture of a game."""
TEXT_SIZE, LINE_HEIGHT, MARGIN = 15, 20, 6  # pixels
NARROWEST = 260  # pixels that the lines of text need
TEXT_COLOUR, GROUND = (28, 31, 35), (246, 247, 248)


def _bytes_of(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


STRIP_OF = {0: _bytes_of(ALICE), 1: _bytes_of(BOB)}
"""The strip's colour by player; ``scene_player`` in an evaluation's file has the same numbers: 0 Alice, 1 Bob."""
NAME_OF = {0: "Alice", 1: "Bob"}

Draw = Callable[[np.ndarray], np.ndarray]
"""A function from a scene [k] to a picture [height, width, 3] uint8."""


class Frame(NamedTuple):
    """One frame of a video, before it is drawn."""

    scene: np.ndarray  # [k]
    lines: tuple[str, ...]  # of text below the picture
    strip: tuple[int, ...] | None = None  # red, green and blue of the strip above it


def episode_frames(
    scenes: np.ndarray, title: str, rewards: Mapping[str, np.ndarray], success: np.ndarray | None = None
) -> list[Frame]:
    """Return the frames of one episode.

    Args:
        scenes: [T, k].
        title: of the episode, such as "episode 2 of 4".
        rewards: [T] the reward of every step, by kind: "true" or "learned".
        success: [T] bool; None if the environment does not report it.
    """
    so_far = {kind: np.cumsum(values) for kind, values in rewards.items()}
    frames = []
    for t, scene in enumerate(scenes):
        lines = [f"{title}, step {t + 1} of {len(scenes)}"]
        if success is not None:
            lines.append("success" if success[t] else "no success")
        for kind, values in rewards.items():
            lines.append(f"{kind} reward {digits(float(values[t]))}, so far {digits(float(so_far[kind][t]))}")
        frames.append(Frame(scene, tuple(lines)))
    return frames


def game_frames(scenes: np.ndarray, players: np.ndarray, title: str) -> list[Frame]:
    """Return the frames of one game: scenes [T, k], and the player [T] that moves in each."""
    moves = zip(scenes, map(int, players), strict=True)
    return [Frame(scene, (f"{title}: {NAME_OF[player]} moves",), STRIP_OF[player]) for scene, player in moves]


@cache
def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(TEXT_SIZE)


def drawn(frame: Frame, draw: Draw, lines: int) -> np.ndarray:
    """Return the picture of ``frame`` with room for ``lines`` of text; all frames of a video need the same."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(draw(frame.scene))
    if ENLARGED * max(picture.size) <= LARGEST_SIDE:
        picture = picture.resize((ENLARGED * picture.width, ENLARGED * picture.height), Image.Resampling.LANCZOS)
    top = STRIP_HEIGHT if frame.strip is not None else 0
    width = max(picture.width, NARROWEST)
    height = top + picture.height + lines * LINE_HEIGHT + 2 * MARGIN
    canvas = Image.new("RGB", (width, height + height % 2), GROUND)
    if frame.strip is not None:
        canvas.paste(frame.strip, (0, 0, width, top))
    canvas.paste(picture, ((width - picture.width) // 2, top))
    pen, font = ImageDraw.Draw(canvas), _font()
    for i, line in enumerate(frame.lines):
        pen.text((MARGIN, top + picture.height + MARGIN + i * LINE_HEIGHT), line, TEXT_COLOUR, font)
    return np.asarray(canvas)


def most_lines(frames: Sequence[Frame]) -> int:
    """Return the number of lines of text for which a video of ``frames`` needs room."""
    return max(len(frame.lines) for frame in frames)

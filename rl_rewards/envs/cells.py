"""What worlds of square cells share: places as x and y in cells from the lower left, five actions, and pictures."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32
from PIL import Image, ImageDraw

from rl_rewards.core.types import Key, Obs, StepOut

MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1), (0, 0))
"""Of the actions 0 to 4: right, up, left, down, and one that stands still, whatever else it does; in cells."""

MOST_PIXELS, LEAST_PIXELS = 240, 96
"""A picture's sides; a thin world is padded in white, since a strip of few pixels is neither seen nor well encoded."""

WALKER, GOAL, WALL, EDGE = (40, 90, 200), (150, 210, 150), (90, 90, 90), (205, 205, 205)
"""Colours of what every such world has."""

Colour = tuple[int, ...]
Place = Sequence[float] | np.ndarray
"""x and y of a cell."""


def walk(place: Int[Array, "2"], action: Int[Array, ""], size: int) -> Int[Array, "2"]:
    """Where a move leads in a square of ``size`` cells a side; a step out of it stays."""
    aim = place + jnp.asarray(MOVES, jnp.int32)[action]
    return jnp.where(inside(aim, size, size), aim, place)


def inside(place: Int[Array, "2"], width: int, height: int) -> Bool[Array, ""]:
    """Whether ``place`` is a cell of a world of ``width`` by ``height`` cells."""
    return jnp.all((place >= 0) & (place < jnp.array([width, height])), axis=-1)


def index_of(place: Int[Array, "*batch 2"], width: int) -> Int[Array, "*batch"]:
    """The cell's number, row by row: y * width + x."""
    return place[..., 1] * width + place[..., 0]


def place_of(index: Int[Array, "*batch"], width: int) -> Int[Array, "*batch 2"]:
    """x and y of the cell that is called ``index``."""
    return jnp.stack([index % width, index // width], axis=-1)


def places(width: int, height: int) -> Int[np.ndarray, "cells 2"]:
    """x and y of every cell, in the order of :func:`index_of`."""
    y, x = np.divmod(np.arange(width * height), width)
    return np.stack([x, y], axis=-1)


def one_hot_of(place: Int[Array, "2"], size: int) -> Float[Array, " cells"]:
    """One-hot of a cell of a square world."""
    return jax.nn.one_hot(index_of(place, size), size**2)


def words(key: Key, count: int) -> UInt32[Array, " count"]:
    """Random words for :func:`below`: drawn at once, since every reset pays for every draw."""
    return jax.random.bits(key, (count,))


def below(word: UInt32[Array, ""], n: Int[Array, ""] | int) -> Int[Array, ""]:
    """A number of 0 .. n-1 from a random word, all alike but for n / 2^32; ``n`` may be traced."""
    return (word % jnp.asarray(n, jnp.uint32)).astype(jnp.int32)


def two_different(words: UInt32[Array, "2"], n: Int[Array, ""] | int) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Two different numbers of 0 .. n-1, every pair alike; ``n`` is at least 2 and may be traced."""
    first = below(words[0], n)
    return first, (first + 1 + below(words[1], n - 1)) % n


def axis_of(n: int, size: int) -> Float[np.ndarray, " n"]:
    """Middles of ``n`` equal parts of ``size`` cells, for a plane."""
    return (np.arange(n, dtype=np.float32) + 0.5) * size / n


def until_success(next_obs: Obs, success: Bool[Array, ""], late: Bool[Array, ""], info: dict[str, Array]) -> StepOut:
    """A step of an episode that ends in success, which alone is paid (1), or where it is ``late``."""
    truncated = late & ~success
    return StepOut(
        next_obs=next_obs,
        env_reward=success.astype(jnp.float32),
        terminated=success,
        truncated=truncated,
        needs_reset=success | truncated,
        info={"success": success, **info},
    )


class Board:
    """A picture of ``width`` by ``height`` cells in the making; all places are in cells from the lower left."""

    def __init__(self, width: int, height: int) -> None:
        self._side = MOST_PIXELS / max(width, height)
        # Even numbers of pixels: videos cannot encode others.
        wide, high = (2 * round(cells * self._side / 2) for cells in (width, height))
        pixels = (max(wide, LEAST_PIXELS), max(high, LEAST_PIXELS))
        self._left, self._bottom = (pixels[0] - wide) / 2, pixels[1] - (pixels[1] - high) / 2
        self._image = Image.new("RGB", pixels, "white")
        self._canvas = ImageDraw.Draw(self._image)

    def cell(self, place: Place, colour: Colour) -> None:
        """Fill one cell."""
        x, y = place
        left, top = self._pixel(x, y + 1)
        self._canvas.rectangle([left, top, self._pixel(x + 1, y)[0], top + self._side], fill=colour, outline=EDGE)

    def box(self, left: float, low: float, right: float, high: float, colour: Colour) -> None:
        """A rectangle of any size."""
        self._canvas.rectangle([*self._pixel(left, high), *self._pixel(right, low)], fill=colour)

    def square(self, place: Place, margin: float, colour: Colour) -> None:
        """A thing in a cell, with ``margin`` cells left around it."""
        x, y = place
        self.box(x + margin, y + margin, x + 1.0 - margin, y + 1.0 - margin, colour)

    def disc(self, place: Place, radius: float, colour: Colour) -> None:
        """A disc in the middle of a cell; ``radius`` in cells."""
        x, y = (float(at) for at in place)
        left, top = self._pixel(x + 0.5 - radius, y + 0.5 + radius)
        across = 2.0 * radius * self._side
        self._canvas.ellipse([left, top, left + across, top + across], fill=colour)

    def walker(self, place: Place) -> None:
        """Who walks there."""
        self.disc(place, 0.3, WALKER)

    def picture(self) -> np.ndarray:
        """The picture so far, [height, width, 3] uint8."""
        return np.asarray(self._image)

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        return self._left + float(x) * self._side, self._bottom - float(y) * self._side


def empty_board(width: int, height: int, colour: Colour = (255, 255, 255)) -> Board:
    """A picture of cells that hold nothing yet."""
    board = Board(width, height)
    for place in places(width, height):
        board.cell(place, colour)
    return board

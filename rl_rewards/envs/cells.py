"""Shared parts of environments made of square cells: places (x and y in cells from the lower left), five actions, and
pictures."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32
from PIL import Image, ImageDraw

from rl_rewards.core.types import Key, Obs, StepOut

MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1), (0, 0))
"""Displacements of the actions 0 to 4, in cells: right, up, left, down, and one that does not move, whatever else it
does."""

MOST_PIXELS, LEAST_PIXELS = 240, 96
"""Bounds of a picture's sides. A thin world is padded with white, since a strip of a few pixels is hard to see and to
encode."""

WALKER, GOAL, WALL, EDGE = (40, 90, 200), (150, 210, 150), (90, 90, 90), (205, 205, 205)
"""Colours of the things that all these environments have."""

Colour = tuple[int, ...]
Place = Sequence[float] | np.ndarray
"""x and y of a cell."""


def walk(place: Int[Array, "2"], action: Int[Array, ""], size: int) -> Int[Array, "2"]:
    """Return the place after a move in a square of ``size`` cells per side; a step out of the square does not move."""
    aim = place + jnp.asarray(MOVES, jnp.int32)[action]
    return jnp.where(inside(aim, size, size), aim, place)


def inside(place: Int[Array, "2"], width: int, height: int) -> Bool[Array, ""]:
    """Return True if ``place`` is one of ``width`` by ``height`` cells."""
    return jnp.all((place >= 0) & (place < jnp.array([width, height])), axis=-1)


def index_of(place: Int[Array, "*batch 2"], width: int) -> Int[Array, "*batch"]:
    """Return the cell's index, row by row: y * width + x."""
    return place[..., 1] * width + place[..., 0]


def place_of(index: Int[Array, "*batch"], width: int) -> Int[Array, "*batch 2"]:
    """Return x and y of the cell with this index."""
    return jnp.stack([index % width, index // width], axis=-1)


def places(width: int, height: int) -> Int[np.ndarray, "cells 2"]:
    """Return x and y of every cell, in the order of :func:`index_of`."""
    y, x = np.divmod(np.arange(width * height), width)
    return np.stack([x, y], axis=-1)


def one_hot_of(place: Int[Array, "2"], size: int) -> Float[Array, " cells"]:
    """Return the one-hot vector of a cell in a square of ``size`` cells per side."""
    return jax.nn.one_hot(index_of(place, size), size**2)


def words(key: Key, count: int) -> UInt32[Array, " count"]:
    """Return random 32-bit words for :func:`below`; a single draw, since every draw makes every reset slower."""
    return jax.random.bits(key, (count,))


def below(word: UInt32[Array, ""], n: Int[Array, ""] | int) -> Int[Array, ""]:
    """Return a number from 0 to n-1 from a random word, uniform up to n / 2^32; ``n`` may be traced."""
    return (word % jnp.asarray(n, jnp.uint32)).astype(jnp.int32)


def two_different(words: UInt32[Array, "2"], n: Int[Array, ""] | int) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Return two different numbers from 0 to n-1, uniform over pairs; ``n`` is at least 2 and may be traced."""
    first = below(words[0], n)
    return first, (first + 1 + below(words[1], n - 1)) % n


def axis_of(n: int, size: int) -> Float[np.ndarray, " n"]:
    """Return the centres of ``n`` equal parts of ``size`` cells, for a plane."""
    return (np.arange(n, dtype=np.float32) + 0.5) * size / n


def until_success(next_obs: Obs, success: Bool[Array, ""], late: Bool[Array, ""], info: dict[str, Array]) -> StepOut:
    """Return the outcome of a step: success ends the episode and earns 1; ``late`` truncates it without success."""
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
    """A picture of ``width`` by ``height`` cells to draw on; all places are in cells from the lower left."""

    def __init__(self, width: int, height: int) -> None:
        self._side = MOST_PIXELS / max(width, height)
        # Videos can encode only even numbers of pixels.
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
        """Fill a rectangle of any size."""
        self._canvas.rectangle([*self._pixel(left, high), *self._pixel(right, low)], fill=colour)

    def square(self, place: Place, margin: float, colour: Colour) -> None:
        """Fill a square inside a cell, with a margin of ``margin`` cells around it."""
        x, y = place
        self.box(x + margin, y + margin, x + 1.0 - margin, y + 1.0 - margin, colour)

    def hatch(self, place: Place, colour: Colour) -> None:
        """Draw four diagonal lines across a cell."""
        x, y = place
        for shift in (-0.75, -0.25, 0.25, 0.75):  # how far the line is to the right of the cell's diagonal
            begin = self._pixel(x + max(shift, 0.0), y + max(-shift, 0.0))
            end = self._pixel(x + 1.0 + min(shift, 0.0), y + 1.0 - max(shift, 0.0))
            self._canvas.line([*begin, *end], fill=colour, width=2)

    def disc(self, place: Place, radius: float, colour: Colour) -> None:
        """Fill a disc in the middle of a cell; ``radius`` is in cells."""
        x, y = (float(at) for at in place)
        left, top = self._pixel(x + 0.5 - radius, y + 0.5 + radius)
        across = 2.0 * radius * self._side
        self._canvas.ellipse([left, top, left + across, top + across], fill=colour)

    def walker(self, place: Place) -> None:
        """Draw the walker."""
        self.disc(place, 0.3, WALKER)

    def picture(self) -> np.ndarray:
        """Return the picture drawn so far, [height, width, 3] uint8."""
        return np.asarray(self._image)

    def _pixel(self, x: float, y: float) -> tuple[float, float]:
        return self._left + float(x) * self._side, self._bottom - float(y) * self._side


def empty_board(width: int, height: int, colour: Colour = (255, 255, 255)) -> Board:
    """Return a picture of empty cells."""
    board = Board(width, height)
    for place in places(width, height):
        board.cell(place, colour)
    return board

"""Mazes written as text, and the shortest ways through them.

A layout is a list of rows, the top one first: ``#`` is a wall, ``.`` a free cell, ``S`` a cell where episodes may
start, ``G`` the goal's cell and ``x`` a hazard. Everything outside the rows is wall.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from rl_rewards.core.checks import require
from rl_rewards.envs.cells import MOVES

LETTERS = {"#": "wall", ".": "free", "S": "start", "G": "goal", "x": "hazard"}
MOST_CELLS = 100
"""Cells per side of a layout; observations have too few digits for more."""

_TEXTS = {
    # Short, for tests.
    "corridor": """
        #######
        #S...G#
        #######
    """,
    "umaze": """
        #####
        #S#G#
        #.#.#
        #...#
        #####
    """,
    "medium": """
        #########
        #S....#G#
        #.###.#.#
        #...#...#
        ###.###.#
        #...#...#
        #.###.#.#
        #S....#S#
        #########
    """,
    "large": """
        #############
        #S..#.......#
        #.#.#.###.#.#
        #.#...#...#.#
        #.#####.###.#
        #.....#...#.#
        ###.#.###.#.#
        #...#...#...#
        #.#####.###.#
        #.#...#.....#
        #.#.#.#####.#
        #S..#......G#
        #############
    """,
    # The short way leads between hazards, the long one around them is safe.
    "hazards": """
        #########
        #.......#
        #.#####.#
        #.#xxx#.#
        #S.....G#
        ###xxx###
        #########
    """,
    # From A (left) to C (right). Data of A to B (below) and of B to C contain the way only in two pieces.
    "stitch": """
        #########
        #S.....G#
        ####.####
        ####.####
        ####.####
        ####.####
        #########
    """,
    "stitch_first": """
        #########
        #S......#
        ####.####
        ####.####
        ####.####
        ####G####
        #########
    """,
    "stitch_second": """
        #########
        #......G#
        ####.####
        ####.####
        ####.####
        ####S####
        #########
    """,
}
LAYOUTS = {name: tuple(text.split()) for name, text in _TEXTS.items()}
"""The rows of every named layout. ``stitch_first`` and ``stitch_second`` are ``stitch`` with other starts and goals."""


@dataclass(frozen=True)
class Maze:
    """The cells of a layout: row y counts from the bottom, column x from the left."""

    letters: np.ndarray  # [height, width], each one of LETTERS

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height in cells."""
        height, width = self.letters.shape
        return width, height

    @cached_property
    def walls(self) -> Bool[np.ndarray, "height width"]:
        return self.letters == "#"

    @cached_property
    def hazards(self) -> Bool[np.ndarray, "height width"]:
        return self.letters == "x"

    @cached_property
    def goal(self) -> Int[np.ndarray, "2"]:
        """Return x and y of the goal's cell."""
        return places_where(self.letters == "G")[0]

    @property
    def detour(self) -> int:
        """Return the number of cells that a way is as good as, for every hazard that it does not cross."""
        return self.letters.size

    @cached_property
    def costs(self) -> Float[np.ndarray, "height width"]:
        """Return the fewest moves between neighbouring cells that lead from each cell to the goal, plus ``detour`` for
        every move onto a hazard; infinite where no way leads to the goal."""
        costs = np.where(self.letters == "G", 0.0, np.inf)
        while True:
            shorter = np.minimum(costs, self._onwards(costs).min(axis=0))
            if np.array_equal(shorter, costs):
                return costs
            costs = shorter

    @cached_property
    def aims(self) -> Float[np.ndarray, "height width 2"]:
        """Return x and y of the centre of the cell that follows each cell on a shortest way, in cells."""
        moves = np.array(MOVES)[self._onwards(self.costs).argmin(axis=0)]
        y, x = np.indices(self.letters.shape)
        here = np.stack([x, y], axis=-1)
        return np.where((self.letters == "G")[..., None], here, here + moves).astype(np.float32) + np.float32(0.5)

    def _onwards(self, costs: np.ndarray) -> Float[np.ndarray, "4 height width"]:
        """Return the costs of the ways that begin with each of the four moves, given ``costs`` of the rest."""
        entering = np.where(self.walls, np.inf, np.where(self.hazards, 1.0 + self.detour, 1.0))
        around = np.pad(entering + costs, 1, constant_values=np.inf)
        height, width = costs.shape
        return np.stack([around[1 + y : 1 + y + height, 1 + x : 1 + x + width] for x, y in MOVES[:4]])


def read_layout(layout: str | Sequence[str]) -> Maze:
    """Return the maze of a layout, given by its name or by its rows.

    Raises:
        ConfigError: if there is no such layout, or its rows are not a maze.
    """
    if isinstance(layout, str):
        require(
            layout in LAYOUTS,
            f"env.layout={layout} is not a layout; choose {', '.join(LAYOUTS)}, or give rows such as "
            "env.layout=['#####','#S.G#','#####'].",
        )
        rows = LAYOUTS[layout]
    else:
        rows = tuple(layout)
        _check(rows)
    return Maze(np.array([list(row) for row in reversed(rows)]))


def check_ways(maze: Maze, hazards_end: bool) -> None:
    """Check that the goal can be reached from every start.

    Args:
        hazards_end: True if a way must not cross hazards, because they end the episode.

    Raises:
        ConfigError: if it cannot.
    """
    limit, why = (maze.detour, " without crossing a hazard, and env.hazard=ends") if hazards_end else (np.inf, "")
    for x, y in places_where(maze.letters == "S"):
        require(
            bool(maze.costs[y, x] < limit),
            f"env.layout has a start in row {maze.size[1] - y}, column {x + 1}, from which no way leads to the goal"
            f"{why}; open a way or move the start.",
        )


def places_where(mask: Bool[np.ndarray, "height width"]) -> Int[np.ndarray, "n 2"]:
    """Return x and y of the cells where ``mask`` is True."""
    return np.argwhere(mask)[:, ::-1]


def _check(rows: tuple[str, ...]) -> None:
    require(any(rows), "env.layout has no cells; give rows such as ['#####','#S.G#','#####'].")
    for number, row in enumerate(rows, start=1):
        require(
            len(row) == len(rows[0]),
            f"env.layout has {len(rows[0])} letters in row 1 and {len(row)} in row {number}; all rows must be equally "
            "long.",
        )
        unknown = sorted(set(row) - LETTERS.keys())
        known = ", ".join(f"{letter} ({meaning})" for letter, meaning in LETTERS.items())
        require(
            not unknown, f"env.layout has the letter '{''.join(unknown)[:1]}' in row {number}; the letters are {known}."
        )
    require(
        max(len(rows), len(rows[0])) <= MOST_CELLS,
        f"env.layout has {len(rows[0])} by {len(rows)} cells; each side must have at most {MOST_CELLS}.",
    )
    count = Counter("".join(rows))
    require(count["S"] > 0, "env.layout has no start; mark at least one cell with S.")
    require(count["G"] == 1, f"env.layout has {count['G'] or 'no'} cells G; mark exactly one cell as the goal.")

"""A room divided by a wall whose only door needs a key, in pure JAX: self-play should discover this by itself.

After the key-door room of Sukhbaatar et al. 2018 (arXiv:1703.05407, section 4.2, MazeBase): the wall and the objects
are at random places in every episode, and reaching the goal takes three steps in a fixed order.
Differs: the full room is observed as columns and rows instead of words; there is no light switch (see
``light_switch``).
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Int

from rl_rewards.core.types import Key, StepOut
from rl_rewards.envs import cells
from rl_rewards.envs.base import ExampleStates, Plane
from rl_rewards.envs.rooms.room import ACT, Room

KEY, DOOR = (235, 185, 40), (150, 100, 50)
"""Colours."""


class KeyDoorState(struct.PyTreeNode):
    """One room and its walker; places are x and y; without batch axes."""

    walker: Int[Array, "2"]
    key: Int[Array, "2"]  # where it lies or, after it was picked up, where it lay
    door: Int[Array, "2"]  # the wall has the same x
    goal: Int[Array, "2"]
    has_key: Bool[Array, ""]
    door_open: Bool[Array, ""]
    touched: Bool[Array, "3"]  # since the reset: key picked up, door opened, goal reached
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class KeyDoor(Room):
    """``key_door``: obs = places of walker, key (zeros once it is picked up), door and goal, has_key, door_open; action
    = a move or ``use``.

    The wall is a column of cells with a door in it. The key and the walker start on one side, and the goal is on the
    other. The wall and a closed door block the walker. ``use`` on the key's cell picks up the key; next to the door
    (not diagonally), with the key, it opens or closes the door.

    Episodes end on the goal, which is success; ``env_reward`` is 1 there and 0 elsewhere. ``info["touched"]``: how many
    of key, door and goal have been touched since the reset, 0 to 3.
    """

    name = "key_door"
    least = (3, ": a wall and one cell on each side of it")
    things = ("walker", "key", "door", "goal")
    flags = ("has key", "door open")
    goal_names = ("x, cells", "y, cells", "has key, 0 or 1", "door open, 0 or 1")
    reversible = False  # a key that was picked up cannot be put back

    def flags_of(self, state: KeyDoorState) -> Bool[Array, "2"]:
        return jnp.stack([state.has_key, state.door_open])

    def reset(self, key: Key) -> KeyDoorState:
        """Return a room with uniformly random wall, sides and places; key and walker are on different cells."""
        words = cells.words(key, 6)
        wall = 1 + cells.below(words[0], self.size - 2)
        starts_left = cells.below(words[1], 2) == 0
        left, right = (0, wall), (wall + 1, self.size - 1 - wall)  # first column, number of columns
        near_first, near_columns = (jnp.where(starts_left, a, b) for a, b in zip(left, right, strict=True))
        far_first, far_columns = (jnp.where(starts_left, b, a) for a, b in zip(left, right, strict=True))
        key_index, walker_index = cells.two_different(words[2:4], near_columns * self.size)
        goal_index = cells.below(words[4], far_columns * self.size)

        def place(index: Array, first: Array, columns: Array) -> Int[Array, "2"]:
            return cells.place_of(index, columns) + jnp.stack([first, jnp.zeros((), jnp.int32)])

        return KeyDoorState(
            walker=place(walker_index, near_first, near_columns),
            key=place(key_index, near_first, near_columns),
            door=jnp.stack([wall, cells.below(words[5], self.size)]),
            goal=place(goal_index, far_first, far_columns),
            has_key=jnp.zeros((), bool),
            door_open=jnp.zeros((), bool),
            touched=jnp.zeros(3, bool),
            elapsed=jnp.zeros((), jnp.int32),
        )

    def seen_of(self, state: KeyDoorState) -> Bool[Array, "4"]:
        return jnp.array([True, False, True, True]) | ~state.has_key

    def step(self, key: Key, state: KeyDoorState, action: Int[Array, ""]) -> tuple[KeyDoorState, StepOut]:
        del key  # deterministic
        aim = cells.walk(state.walker, action, self.size)
        in_doorway = jnp.all(aim == state.door) & state.door_open
        walker = jnp.where((aim[0] != state.door[0]) | in_doorway, aim, state.walker)
        uses = action == ACT
        takes = uses & ~state.has_key & jnp.all(state.walker == state.key)
        beside = jnp.sum(jnp.abs(state.walker - state.door)) == 1  # so it is not in the doorway
        turns = uses & state.has_key & beside
        door_open = state.door_open ^ turns
        success = jnp.all(walker == state.goal)
        state = state.replace(
            walker=walker,
            has_key=state.has_key | takes,
            door_open=door_open,
            touched=state.touched | jnp.stack([takes, turns & door_open, success]),
        )
        return self.after(state, success)

    # Methods for people.

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return goals (on the goal, with the door open) or non-goals (any other reachable cell), in random rooms.

        A third of the non-goals are without the key, a third have it, and in a third the door is open.
        """
        states = self.drawn(rng, n)
        stage = np.full(n, 2) if goal else rng.integers(0, 3, n)
        states = states.replace(has_key=stage >= 1, door_open=stage == 2)
        walker = states.goal if goal else self.places[_pick(rng, self._on_the_way(states))]
        states = states.replace(walker=walker.astype(np.int32))
        return self.examples_of(rng, states)

    def _on_the_way(self, states: KeyDoorState) -> Bool[np.ndarray, "n cells"]:
        """Return the cells, without the goal's, that a walker can reach from the key's cell, for states [n]."""
        wall, places = states.door[:, :1], self.places
        side, in_doorway = np.sign(places[:, 0] - wall), np.all(places == states.door[:, None], axis=-1)
        is_near = side == np.sign(states.key[:, :1] - wall)
        reached = is_near | (states.door_open[:, None] & ((side != 0) | in_doorway))
        return reached & ~np.all(places == states.goal[:, None], axis=-1)

    def plane(self, n: int) -> Plane:
        """Return all places of the walker in one room, even those of the wall, which it cannot reach."""
        far, middle = self.size - 1, self.size // 2
        room = KeyDoorState(
            walker=jnp.zeros(2, jnp.int32),
            key=jnp.zeros(2, jnp.int32),
            door=jnp.array([middle, middle]),
            goal=jnp.array([far, far]),
            has_key=jnp.ones((), bool),
            door_open=jnp.ones((), bool),
            touched=jnp.array([True, True, False]),
            elapsed=jnp.zeros((), jnp.int32),
        )
        told = f"the wall at x = {middle}, its door at y = {middle} open, the goal at the upper right"
        return self.plane_of(room, n, told)

    @property
    def legend(self) -> str:
        return (
            "The blue disc is the walker and the green cell is the goal. The key is yellow, walls are grey, and the "
            "door is brown, with only its frame left when it is open."
        )

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw the goal green, the wall grey, the door brown (only its frame while it is open), the walker blue, and
        the key yellow, on its cell or on the walker."""
        walker, key, door, goal = np.asarray(scene[:8]).reshape(4, 2)
        has_key, door_open = np.asarray(scene[8:]) > 0.5
        board = cells.empty_board(self.size, self.size)
        board.cell(goal, cells.GOAL)
        for y in range(self.size):
            board.cell((door[0], y), cells.WALL)
        board.cell(door, DOOR)
        if door_open:
            board.square(door, 0.12, (255, 255, 255))
        if not has_key:
            board.square(key, 0.1, KEY)
        board.walker(walker)
        if has_key:
            board.disc(walker, 0.13, KEY)
        return board.picture()


def _pick(rng: np.random.Generator, allowed: Bool[np.ndarray, "n cells"]) -> Int[np.ndarray, " n"]:
    """Return the index of a uniformly random allowed cell in every row."""
    return np.argmax(rng.uniform(0.1, 1.0, allowed.shape) * allowed, axis=-1)

"""A dark room with a switch, in pure JAX: the goal is seen, and counts, only while the light is on.

After the light switch of Sukhbaatar et al. 2018 (arXiv:1703.05407, section 4.2, MazeBase).
Differs: this is a separate room without the key and the door (those are in ``key_door``), and in the dark everything
but the goal is seen.
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

DARK, DARK_GOAL, SWITCH_OFF, SWITCH_ON = (120, 120, 125), (105, 135, 105), (60, 60, 60), (250, 215, 70)
"""Colours."""


class LightSwitchState(struct.PyTreeNode):
    """One room and its walker; places are x and y; without batch axes."""

    walker: Int[Array, "2"]
    switch: Int[Array, "2"]
    goal: Int[Array, "2"]
    light: Bool[Array, ""]
    touched: Bool[Array, "2"]  # since the reset: switch toggled, goal reached with the light on
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class LightSwitch(Room):
    """``light_switch``: obs = places of walker, switch and goal (zeros for the goal in the dark), and the light.

    The fifth action toggles the light if the walker is on the switch's cell, and does nothing elsewhere.

    The switch and the goal are on different cells; the walker starts on any cell, in the dark. Success is to stand on
    the goal with the light on, which ends the episode; ``env_reward`` is 1 there and 0 elsewhere. ``info["touched"]``:
    how many of the switch and the goal have been touched since the reset, 0 to 2.
    """

    name = "light_switch"
    least = (2, "")
    things = ("walker", "switch", "goal")
    flags = ("light on",)
    goal_names = ("x, cells", "y, cells", "light on, 0 or 1")
    reversible = True

    def flags_of(self, state: LightSwitchState) -> Bool[Array, "1"]:
        return state.light[None]

    def reset(self, key: Key) -> LightSwitchState:
        words = cells.words(key, 3)
        switch, goal = cells.two_different(words[:2], self.size**2)
        return LightSwitchState(
            walker=cells.place_of(cells.below(words[2], self.size**2), self.size),
            switch=cells.place_of(switch, self.size),
            goal=cells.place_of(goal, self.size),
            light=jnp.zeros((), bool),
            touched=jnp.zeros(2, bool),
            elapsed=jnp.zeros((), jnp.int32),
        )

    def seen_of(self, state: LightSwitchState) -> Bool[Array, "3"]:
        return jnp.array([True, True, False]) | state.light

    def step(self, key: Key, state: LightSwitchState, action: Int[Array, ""]) -> tuple[LightSwitchState, StepOut]:
        del key  # deterministic
        walker = cells.walk(state.walker, action, self.size)
        toggles = (action == ACT) & jnp.all(state.walker == state.switch)
        light = state.light ^ toggles
        success = light & jnp.all(walker == state.goal)
        touched = state.touched | jnp.stack([toggles, success])
        return self.after(state.replace(walker=walker, light=light, touched=touched), success)

    # Methods for people.

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return goals (on the goal, with the light on) or non-goals, in random rooms.

        Half of the non-goals are anywhere in the dark, and half anywhere but on the goal in the light.
        """
        states = self.drawn(rng, n)
        if goal:
            states = states.replace(walker=states.goal, light=np.ones(n, bool))
        else:
            light = rng.random(n) < 0.5
            count = self.size**2
            goal_cell = cells.index_of(states.goal, self.size)
            elsewhere = (goal_cell + rng.integers(1, count, n)) % count
            walker = np.where(light[:, None], self.places[elsewhere], states.walker).astype(np.int32)
            states = states.replace(walker=walker, light=light)
        return self.examples_of(rng, states)

    def plane(self, n: int) -> Plane:
        """Return all places of the walker in one room."""
        far = self.size - 1
        room = LightSwitchState(
            walker=jnp.zeros(2, jnp.int32),
            switch=jnp.zeros(2, jnp.int32),
            goal=jnp.array([far, far]),
            light=jnp.ones((), bool),
            touched=jnp.array([True, False]),
            elapsed=jnp.zeros((), jnp.int32),
        )
        return self.plane_of(room, n, "the light on, the switch at the lower left, the goal at the upper right")

    @property
    def legend(self) -> str:
        return (
            "The blue disc is the walker, the yellow square (black while it is off) is the light switch, and the green "
            "cell is the goal."
        )

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw the goal green (faint in the dark), the switch yellow (black while it is off) and the walker blue."""
        walker, switch, goal = np.asarray(scene[:6]).reshape(3, 2)
        light = scene[6] > 0.5
        board = cells.empty_board(self.size, self.size, (255, 255, 255) if light else DARK)
        board.cell(goal, cells.GOAL if light else DARK_GOAL)
        board.square(switch, 0.1, SWITCH_ON if light else SWITCH_OFF)
        board.walker(walker)
        return board.picture()

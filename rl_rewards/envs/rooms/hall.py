"""A long hallway of cells in a row, in pure JAX: the smallest environment in which one player can set another a goal.

After the Long Hallway of Sukhbaatar et al. 2018 (arXiv:1703.05407, section 4.1). The distance between two cells is the
number of moves between them, so that a number line shows which goals self-play sets and how hard they are.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Box, Discrete, EnvSpec, Key, Obs, StepOut
from rl_rewards.envs import cells
from rl_rewards.envs.base import ExampleStates, JaxEnv, Plane

MOVES = (-1, 1)
"""Displacements of the actions 0 and 1, in cells: left, right."""


class HallState(struct.PyTreeNode):
    """One walker; without batch axes."""

    cell: Int[Array, ""]  # from 0 at the left end
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class Hall(JaxEnv):
    """``hall``: obs = one-hot of the cell [length], action = left or right; a step beyond an end does not move.

    Episodes start on a uniformly random cell and end on ``goal``, which is success; ``env_reward`` is 1 there and 0
    elsewhere.
    """

    length: int
    goal: int
    max_episode_steps: int

    def __post_init__(self) -> None:
        check_fields(self, "env")
        require(self.length >= 2, f"env.length={self.length} must be at least 2 cells.")
        require(0 <= self.goal < self.length, f"env.goal={self.goal} must be a cell, 0 to {self.length - 1}.")
        require(self.max_episode_steps >= 1, f"env.max_episode_steps={self.max_episode_steps} must be at least 1.")

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="hall",
            obs=Box(shape=(self.length,), low=(0.0,) * self.length, high=(1.0,) * self.length),
            action=Discrete(len(MOVES)),
            max_episode_steps=self.max_episode_steps,
            info={"success": (), "scene": (1,), "cell": ()},
            ends_early=True,
            restores=True,
            has_success=True,
            obs_names=tuple(f"on cell {cell}" for cell in range(self.length)),
            cells=self.length,
        )

    goal_names = ("cell",)
    goal_threshold = 0.5
    reversible = True

    def goal_features(self, state: HallState) -> Float[Array, "1"]:
        return state.cell.astype(jnp.float32)[None]

    def reset(self, key: Key) -> HallState:
        cell = jax.random.randint(key, (), 0, self.length)
        return HallState(cell=cell, elapsed=jnp.zeros((), jnp.int32))

    def observe(self, state: HallState) -> Obs:
        return jax.nn.one_hot(state.cell, self.length)

    def step(self, key: Key, state: HallState, action: Int[Array, ""]) -> tuple[HallState, StepOut]:
        del key  # deterministic
        cell = jnp.clip(state.cell + jnp.asarray(MOVES, jnp.int32)[action], 0, self.length - 1)
        state = HallState(cell=cell, elapsed=state.elapsed + 1)
        info = {"scene": self.goal_features(state), "cell": cell.astype(jnp.float32)}
        late = state.elapsed >= self.max_episode_steps
        return state, cells.until_success(self.observe(state), cell == self.goal, late, info)

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array:
        del obs, action
        return next_obs[..., self.goal]

    # Methods for people.

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return goals (on the goal's cell) or non-goals (uniform on all other cells), with random actions."""
        others = np.delete(np.arange(self.length), self.goal)
        at = np.full(n, self.goal) if goal else rng.choice(others, n)
        obs = np.eye(self.length, dtype=np.float32)[at]
        return ExampleStates(obs=obs, action=rng.integers(0, len(MOVES), n, dtype=np.int32))

    def plane(self, n: int) -> Plane:
        """Return the hall along x; y is its width, across which nothing differs."""
        along, across = cells.axis_of(n, self.length), cells.axis_of(n, 1)
        obs = np.tile(np.eye(self.length, dtype=np.float32)[along.astype(int)], (n, 1, 1))
        return Plane(
            obs=obs, x=along, y=across, x_label="cell", y_label="across the hall (no difference)", caption="every state"
        )

    def place(self, scene: np.ndarray) -> np.ndarray:
        middle = scene[..., 0] + 0.5
        return np.stack([middle, np.full_like(middle, 0.5)], axis=-1)

    @property
    def legend(self) -> str:
        return "The blue disc is the walker in a hall, and the green cell is the goal."

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw the goal's cell green and the walker blue."""
        board = cells.empty_board(self.length, 1)
        board.cell((self.goal, 0), cells.GOAL)
        board.walker((scene[0], 0))
        return board.picture()

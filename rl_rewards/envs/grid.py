"""A grid world with random slips and an exactly known model, for tabular methods, in pure JAX.

Every step samples from ``transition_tensor`` itself, so that the environment and its model cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Box, Discrete, EnvSpec, Key, Obs, StepOut
from rl_rewards.envs.base import ExampleStates, JaxEnv, Plane
from rl_rewards.envs.cells import MOVES, Board, axis_of, places


class GridState(struct.PyTreeNode):
    """One walker; without batch axes."""

    cell: Int[Array, ""]  # y * size + x
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class Grid(JaxEnv):
    """``grid``: obs = one-hot of the cell [size^2], action = one of ``MOVES``; a step into the wall does not move.

    Episodes start on a uniformly random cell and last ``max_episode_steps``. ``env_reward`` is the reward of the cell
    reached. Success: that cell has the highest reward.
    """

    size: int
    slip: float
    rewards: tuple[tuple[float, ...], ...]
    block_size: int
    max_episode_steps: int

    def __post_init__(self) -> None:
        check_fields(self, "env")
        require(self.size >= 2, f"env.size={self.size} must be at least 2 cells.")
        require(0.0 <= self.slip <= 1.0, f"env.slip={self.slip} is a probability; it must lie in [0, 1].")
        require(self.max_episode_steps >= 1, f"env.max_episode_steps={self.max_episode_steps} must be at least 1.")
        require(
            self.block_size >= 1 and self.size % self.block_size == 0,
            f"env.block_size={self.block_size} must divide env.size={self.size}.",
        )
        for entry in self.rewards:
            inside = len(entry) == 3 and all(at == int(at) and 0 <= at < self.size for at in entry[:2])
            require(
                inside,
                f"env.rewards has the entry {list(entry)}; each must be x, y (0 to {self.size - 1}) and a reward.",
            )
        differ = len(set(self._cell_rewards.tolist())) > 1
        require(differ, "env.rewards pays the same on every cell; give at least one cell another reward.")

    @property
    def spec(self) -> EnvSpec:
        cells = self.size**2
        return EnvSpec(
            name="grid",
            obs=Box(shape=(cells,), low=(0.0,) * cells, high=(1.0,) * cells),
            action=Discrete(len(MOVES)),
            max_episode_steps=self.max_episode_steps,
            info={"success": (), "scene": (2,)},
            ends_early=False,
            restores=True,
            has_success=True,
            obs_names=tuple(f"on x={x}, y={y}" for x, y in self._places),
        )

    # The model, see core.tabular.TabularModel.

    @cached_property
    def transition_tensor(self) -> Float[np.ndarray, "states actions states"]:
        """Return P(next state | state, action): the chosen move or, with probability ``slip``, any of the five."""
        reached = np.clip(self._places[:, None] + np.array(MOVES), 0, self.size - 1)
        sure = np.eye(self.size**2, dtype=np.float32)[reached[..., 1] * self.size + reached[..., 0]]
        return (1.0 - self.slip) * sure + np.float32(self.slip) * sure.mean(axis=1, keepdims=True)

    @cached_property
    def true_reward(self) -> Float[np.ndarray, "states actions states"]:
        return np.broadcast_to(self._cell_rewards, self.transition_tensor.shape)

    @cached_property
    def start(self) -> Float[np.ndarray, " states"]:
        return np.full(self.size**2, 1.0 / self.size**2, np.float32)

    @cached_property
    def observations(self) -> Float[np.ndarray, "states d"]:
        return np.eye(self.size**2, dtype=np.float32)

    @cached_property
    def reached_info(self) -> Mapping[str, np.ndarray]:
        return {"success": self._best, "scene": self._places.astype(np.float32)}

    @cached_property
    def features(self) -> Mapping[str, Float[np.ndarray, "states features"]]:
        """Return ``cell``, one-hot of the cell, and ``block``, that of its square of ``block_size`` cells per side."""
        x, y = self._places.T // self.block_size
        blocks = self.size // self.block_size
        return {"cell": self.observations, "block": np.eye(blocks**2, dtype=np.float32)[y * blocks + x]}

    def state_of(self, obs: Obs) -> Int[Array, "*batch"]:
        return jnp.argmax(obs, axis=-1).astype(jnp.int32)

    @cached_property
    def _places(self) -> Int[np.ndarray, "states 2"]:
        """Return x and y of every cell."""
        return places(self.size, self.size)

    @cached_property
    def _cell_rewards(self) -> Float[np.ndarray, " states"]:
        paid = np.zeros((self.size, self.size), np.float32)
        for x, y, reward in self.rewards:
            paid[int(y), int(x)] = reward
        return paid.reshape(-1)

    @property
    def _best(self) -> Bool[np.ndarray, " states"]:
        return self._cell_rewards == self._cell_rewards.max()

    # The environment.

    def reset(self, key: Key) -> GridState:
        cell = jax.random.categorical(key, jnp.log(jnp.asarray(self.start))).astype(jnp.int32)
        return GridState(cell=cell, elapsed=jnp.zeros((), jnp.int32))

    def observe(self, state: GridState) -> Obs:
        return jnp.asarray(self.observations)[state.cell]

    def step(self, key: Key, state: GridState, action: Int[Array, ""]) -> tuple[GridState, StepOut]:
        probability = jnp.asarray(self.transition_tensor)[state.cell, action]
        cell = jax.random.categorical(key, jnp.log(probability)).astype(jnp.int32)
        state = GridState(cell=cell, elapsed=state.elapsed + 1)
        truncated = state.elapsed >= self.max_episode_steps
        out = StepOut(
            next_obs=self.observe(state),
            env_reward=jnp.asarray(self._cell_rewards)[cell],
            terminated=jnp.zeros((), bool),
            truncated=truncated,
            needs_reset=truncated,
            info={name: jnp.asarray(table)[cell] for name, table in self.reached_info.items()},
        )
        return state, out

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array:
        del obs, action
        return next_obs @ jnp.asarray(self._cell_rewards)

    # Methods for people.

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return goals (uniform on the cells of the highest reward) or non-goals (on the others), random actions."""
        cells = rng.choice(np.flatnonzero(self._best if goal else ~self._best), n)
        return ExampleStates(obs=self.observations[cells], action=rng.integers(0, len(MOVES), n, dtype=np.int32))

    def plane(self, n: int) -> Plane:
        axis = axis_of(n, self.size)
        x, y = np.meshgrid(axis.astype(int), axis.astype(int))
        obs = self.observations[y * self.size + x]
        return Plane(obs=obs, x=axis, y=axis, x_label="x, cells", y_label="y, cells", caption="every state")

    def place(self, scene: np.ndarray) -> np.ndarray:
        return scene + 0.5  # the middle of the cell

    @property
    def legend(self) -> str:
        return "The blue disc is the walker, seen from above. Green cells pay, red cells cost, and darker ones more."

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw positive rewards green and negative ones red, darker for larger ones, and the walker blue."""
        board = Board(self.size, self.size)
        for (x, y), reward in zip(self._places, self._cell_rewards, strict=True):
            share = abs(float(reward)) / np.abs(self._cell_rewards).max()
            full = np.array((70, 170, 90) if reward > 0.0 else (210, 80, 70))
            board.cell((x, y), tuple(np.round(255 + share * (full - 255)).astype(int).tolist()))
        board.walker(scene)
        return board.picture()

"""A grid with a television that shows static, in pure JAX: a trap for curiosity that is paid for prediction errors.

This is the noisy television of Burda et al. 2019 (arXiv:1808.04355): static is always new and never worth seeing.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Box, Discrete, EnvSpec, Key, Obs, StepOut
from rl_rewards.envs import cells
from rl_rewards.envs.base import ExampleStates, JaxEnv, Plane

CASE, TINTED = (110, 70, 40), (235, 235, 250)
"""Colours of the television and of the cells from which its static is seen."""


class TvGridState(struct.PyTreeNode):
    """One walker and what the screen shows; without batch axes."""

    walker: Int[Array, "2"]  # x, y
    screen: Float[Array, " screen"]
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class TvGrid(JaxEnv):
    """``tv_grid``: obs = ``size`` times the one-hot of the cell [size^2] and the screen [screen]; action = one of
    ``cells.MOVES``, of which the fifth is to stay; a step into the wall does not move.

    The factor ``size`` gives every entry a standard deviation near 1 if all cells are visited equally often, as
    networks expect of their inputs. With plain zeros and ones every cell would look nearly the same to an untrained
    network, and curiosity would find nothing new. Predicting the wrong cell costs a squared error of 2 ``size``^2;
    static costs ``screen`` ``noise``^2 ``size``^2.

    The television stands on one cell and does not block it. While the walker is within ``near`` cells of it (in a
    square), the screen shows static: new numbers from N(0, ``noise``^2) at every step. Elsewhere it shows zeros.

    Episodes start in the middle, or on ``start``, and last ``max_episode_steps``. Success is to be in the upper right
    corner; ``env_reward`` is 1 there and 0 elsewhere. ``info["television"]`` is 1 if the state just reached shows
    static.
    """

    size: int
    start: tuple[int, ...] | None  # x, y; None: the middle
    television: tuple[int, ...]  # x, y
    near: int
    screen: int
    noise: float
    max_episode_steps: int

    def __post_init__(self) -> None:
        check_fields(self, "env")
        require(self.size >= 2, f"env.size={self.size} must be at least 2 cells.")
        for name in ("start", "television"):
            cell = getattr(self, name)
            require(
                cell is None or (len(cell) == 2 and all(0 <= at < self.size for at in cell)),
                f"env.{name}={cell and list(cell)} must be x, y from 0 to {self.size - 1}.",
            )
        require(self.near >= 0, f"env.near={self.near} must not be negative.")
        require(self.screen >= 1, f"env.screen={self.screen} must be at least 1 number.")
        require(self.noise >= 0.0, f"env.noise={self.noise} is a standard deviation; it must not be negative.")
        require(self.max_episode_steps >= 1, f"env.max_episode_steps={self.max_episode_steps} must be at least 1.")

    @property
    def spec(self) -> EnvSpec:
        places = tuple(f"on x={x}, y={y}" for x, y in self._places)
        return EnvSpec(
            name="tv_grid",
            obs=Box(shape=(self.size**2 + self.screen,)),  # static is unbounded
            action=Discrete(len(cells.MOVES)),
            max_episode_steps=self.max_episode_steps,
            info={"success": (), "scene": (2 + self.screen,), "cell": (), "television": ()},
            ends_early=False,
            restores=True,
            has_success=True,
            obs_names=(*places, *(f"screen {i}" for i in range(self.screen))),
            cells=self.size**2,
        )

    @property
    def _places(self) -> Int[np.ndarray, "cells 2"]:
        return cells.places(self.size, self.size)

    @property
    def _shows(self) -> Bool[np.ndarray, " cells"]:
        """Return True for the cells from which the screen shows static."""
        return np.abs(self._places - np.array(self.television)).max(axis=-1) <= self.near

    def reset(self, key: Key) -> TvGridState:
        walker = jnp.asarray(self.start or [self.size // 2] * 2, jnp.int32)
        return TvGridState(walker=walker, screen=self._screen(key, walker), elapsed=jnp.zeros((), jnp.int32))

    def _screen(self, key: Key, walker: Int[Array, "2"]) -> Float[Array, " screen"]:
        static = self.noise * jax.random.normal(key, (self.screen,))
        return jnp.where(self._is_near(walker), static, 0.0)

    def _is_near(self, walker: Int[Array, "2"]) -> Bool[Array, ""]:
        return jnp.asarray(self._shows)[cells.index_of(walker, self.size)]

    def observe(self, state: TvGridState) -> Obs:
        return self.size * jnp.concatenate([cells.one_hot_of(state.walker, self.size), state.screen])

    def step(self, key: Key, state: TvGridState, action: Int[Array, ""]) -> tuple[TvGridState, StepOut]:
        walker = cells.walk(state.walker, action, self.size)
        state = TvGridState(walker=walker, screen=self._screen(key, walker), elapsed=state.elapsed + 1)
        success = jnp.all(walker == self.size - 1)
        truncated = state.elapsed >= self.max_episode_steps
        out = StepOut(
            next_obs=self.observe(state),
            env_reward=success.astype(jnp.float32),
            terminated=jnp.zeros((), bool),
            truncated=truncated,
            needs_reset=truncated,
            info={
                "success": success,
                "scene": jnp.concatenate([walker.astype(jnp.float32), state.screen]),
                "cell": cells.index_of(walker, self.size).astype(jnp.float32),
                "television": self._is_near(walker).astype(jnp.float32),
            },
        )
        return state, out

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array:
        del obs, action
        return next_obs[..., self.size**2 - 1] / self.size

    # Methods for people.

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return goals (in the corner) or non-goals (uniform on other cells), random actions and a true screen."""
        corner = self.size**2 - 1
        at = np.full(n, corner) if goal else rng.integers(0, corner, n)
        static = self.noise * rng.standard_normal((n, self.screen)) * self._shows[at][:, None]
        obs = self.size * np.concatenate([np.eye(self.size**2)[at], static], axis=-1).astype(np.float32)
        return ExampleStates(obs=obs, action=rng.integers(0, len(cells.MOVES), n, dtype=np.int32))

    def plane(self, n: int) -> Plane:
        axis = cells.axis_of(n, self.size)
        x, y = np.meshgrid(axis.astype(int), axis.astype(int))
        on = self.size * np.eye(self.size**2, dtype=np.float32)[y * self.size + x]
        obs = np.concatenate([on, np.zeros((n, n, self.screen), np.float32)], axis=-1)
        return Plane(
            obs=obs, x=axis, y=axis, x_label="x, cells", y_label="y, cells", caption="the screen shows zeros everywhere"
        )

    def place(self, scene: np.ndarray) -> np.ndarray:
        return scene[..., :2] + 0.5  # the middle of the cell

    @property
    def legend(self) -> str:
        return (
            "The blue disc is the walker and the green corner pays. The brown cell is a television with grey static, "
            "which is seen from the tinted cells."
        )

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw the corner that pays green, the cells from which static is seen tinted, the television brown with grey
        static, and the walker blue."""
        board = cells.empty_board(self.size, self.size)
        for place in self._places[self._shows]:
            board.cell(place, TINTED)
        board.cell((self.size - 1, self.size - 1), cells.GOAL)
        x, y = self.television
        board.cell((x, y), CASE)
        shown, width = np.asarray(scene[2:], float), 0.8 / self.screen
        for i, value in enumerate(shown):
            # A screen of zeros is black; static never is, whatever its value.
            grey = round(150.0 + 100.0 * float(np.tanh(value))) if shown.any() else 15
            left = x + 0.1 + i * width
            board.box(left, y + 0.15, left + width, y + 0.85, (grey,) * 3)
        board.walker(scene[:2])
        return board.picture()

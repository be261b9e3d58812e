"""A point that must find its way through a maze, past walls and hazards, in pure JAX.

In a maze a policy can be better than all data it learns from: where two recorded ways meet, the beginning of one and
the end of the other can be a way that was never recorded. The layout ``stitch`` is the smallest such maze.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Action, Box, EnvSpec, Key, Obs, StepOut, Transition
from rl_rewards.envs import descriptions
from rl_rewards.envs.base import ExampleStates, JaxEnv, Plane
from rl_rewards.envs.cells import GOAL, WALKER, WALL, Board, axis_of, index_of
from rl_rewards.envs.point_maze.layouts import Maze, check_ways, places_where, read_layout

RADIUS = 0.2
"""The point's centre stays this far from walls, in cells, along x and along y."""

ROUNDING = 1e-4
"""Distances in cells are equal if they differ by less. Without it a point on a cell's edge could be on different sides
of it as a position and as an observation, which is rounded to f32."""

TIMES_THE_LONGEST_WAY = 4.0
"""If no step limit is given, how many times the steps of the longest way it is."""

FREE, HATCH = (255, 255, 255), (210, 80, 70)
COLOURS = {"S": (228, 228, 228), "x": (252, 226, 222)}
"""Colours of cells by their letters, where they are not ``FREE``."""


class PointMazeState(struct.PyTreeNode):
    """One point; without batch axes."""

    position: Float[Array, "2"]  # x, y in cells from the lower left corner of the layout
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class PointMaze(JaxEnv):
    """``point_maze``: obs = position [2], scaled to [-1, 1] over the layout; action = velocity [2] in [-1, 1].

    A step adds N(0, ``noise``^2) to the action, clips it to its bounds and moves ``speed`` times as far, in cells:
    first along x, then along y, each as far as the next wall, so that the point slides along walls.

    Success: within ``goal_radius`` of the middle of the goal's cell. A hazard counts where a step ends on its cell.
    ``info["hazard"]`` is 1 in a step that enters one, and ``info["cell"]`` numbers the cells of a square as large as
    the longer side, so that maps of visits show the maze.

    ``env_reward`` with ``reward=sparse``: 1 on success, less ``hazard_penalty`` on entering a hazard. With
    ``reward=steps`` (RECAP, arXiv:2511.14759): -1 a step, 0 on success; a hazard that ends the episode is a failure and
    pays -``failure_penalty`` instead, and one that hurts costs ``hazard_penalty`` besides. An episode that the step
    limit cuts is no failure here, because observations do not show the time.

    By default success and hazards end an episode: then the return of ``steps`` counts the steps to the goal, and data
    contain no steps after it.
    """

    layout: str | tuple[str, ...]
    speed: float
    noise: float
    goal_radius: float
    start: Literal["layout", "anywhere"]
    reward: Literal["sparse", "steps"]
    hazard: Literal["ends", "hurts"]
    hazard_penalty: float
    failure_penalty: float | None
    max_episode_steps: int | None
    terminate_on_success: bool

    def __post_init__(self) -> None:
        check_fields(self, "env")
        require(0.0 < self.speed < 1.0, f"env.speed={self.speed} must be above 0 and below 1 cell per step.")
        require(
            0.0 < self.goal_radius <= 0.5,
            f"env.goal_radius={self.goal_radius} must be above 0 and at most 0.5, half a cell.",
        )
        for name in ("noise", "hazard_penalty", "failure_penalty"):
            value = getattr(self, name)
            require(value is None or value >= 0.0, f"env.{name}={value} must not be negative.")
        limit = self.max_episode_steps
        require(limit is None or limit >= 1, f"env.max_episode_steps={limit} must be at least 1.")
        check_ways(self.maze, self.hazard == "ends")

    @cached_property
    def maze(self) -> Maze:
        """Return the cells of ``layout``."""
        return read_layout(self.layout)

    @property
    def spec(self) -> EnvSpec:
        ends_at_hazards = self.hazard == "ends" and bool(self.maze.hazards.any())
        return EnvSpec(
            name="point_maze",
            obs=Box(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0)),
            action=Box(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0)),
            max_episode_steps=self._limit,
            info={"success": (), "scene": (2,), "cell": (), "hazard": ()},
            ends_early=self.terminate_on_success or ends_at_hazards,
            restores=True,
            has_success=True,
            obs_names=("x", "y"),
            cells=max(self.maze.size) ** 2,
        )

    @cached_property
    def _limit(self) -> int:
        if self.max_episode_steps is not None:
            return self.max_episode_steps
        longest = self._ways[self._with_a_way].max()
        return 10 * int(np.ceil(np.round(TIMES_THE_LONGEST_WAY * longest / self.speed / 10.0, 6)))

    @cached_property
    def _ways(self) -> Float[np.ndarray, "height width"]:
        """Return the length of the way from each cell to the goal, in cells; ``detour`` where there is none."""
        costs = self.maze.costs
        return np.where(np.isfinite(costs), np.nan_to_num(costs) % self.maze.detour, self.maze.detour)

    @cached_property
    def _with_a_way(self) -> Bool[np.ndarray, "height width"]:
        """Return True for the cells, except hazards, from which the goal can be reached."""
        maze = self.maze
        limit = maze.detour if self.hazard == "ends" else np.inf
        return (maze.costs < limit) & ~maze.walls & ~maze.hazards

    goal_names = ("x, cells", "y, cells")
    goal_threshold = 0.5
    reversible = True  # except for a hazard that ends the episode

    def goal_features(self, state: PointMazeState) -> Float[Array, "2"]:
        return state.position

    def reset(self, key: Key) -> PointMazeState:
        """Return a state uniform in the start cells, at least ``RADIUS`` from their edges."""
        letters = self.maze.letters
        possible = letters == "S" if self.start == "layout" else self._with_a_way & (letters != "G")
        cell_key, place_key = jax.random.split(key)
        cell = jax.random.choice(cell_key, jnp.asarray(places_where(possible), jnp.float32))
        position = cell + jax.random.uniform(place_key, (2,), minval=RADIUS, maxval=1.0 - RADIUS)
        return PointMazeState(position=position, elapsed=jnp.zeros((), jnp.int32))

    def observe(self, state: PointMazeState) -> Obs:
        return state.position / self._half - 1.0

    @property
    def _half(self) -> Float[np.ndarray, "2"]:
        return np.array(self.maze.size, np.float32) / 2.0

    def step(self, key: Key, state: PointMazeState, action: Float[Array, "2"]) -> tuple[PointMazeState, StepOut]:
        velocity = jnp.clip(action, -1.0, 1.0)
        if self.noise:
            velocity = jnp.clip(velocity + self.noise * jax.random.normal(key, (2,)), -1.0, 1.0)
        position = state.position
        for axis in (0, 1):
            position = position.at[axis].set(self._stopped(position, axis, self.speed * velocity[axis]))
        obs, state = self.observe(state), PointMazeState(position=position, elapsed=state.elapsed + 1)
        next_obs = self.observe(state)
        success, entered = self._succeeds(next_obs), self._enters(obs, next_obs)
        failed = self._is_hazard(next_obs) & (self.hazard == "ends")
        terminated = (success & self.terminate_on_success) | failed
        truncated = (state.elapsed >= self._limit) & ~terminated
        out = StepOut(
            next_obs=next_obs,
            env_reward=self._paid(success, entered),
            terminated=terminated,
            truncated=truncated,
            needs_reset=terminated | truncated,
            info={
                "success": success,
                "scene": position,
                "cell": index_of(self._cell_of(next_obs), max(self.maze.size)).astype(jnp.float32),
                "hazard": entered.astype(jnp.float32),
            },
        )
        return state, out

    def _stopped(self, position: Float[Array, "2"], axis: int, way: Float[Array, ""]) -> Float[Array, ""]:
        """Return the coordinate ``axis`` after a move by ``way`` along it, at most to the next wall.

        The point counts as a square, which touches up to two cells across its way. Because ``way`` is shorter than a
        cell, the square's front reaches at most the next cell, and no wall is skipped.
        """
        walls = jnp.asarray(np.pad(self.maze.walls, 1, constant_values=True))
        aim, side = position[axis] + way, jnp.sign(way)
        last = jnp.floor(position[axis] + side * (RADIUS - ROUNDING))
        front = jnp.clip(jnp.floor(aim + side * RADIUS), last - 1.0, last + 1.0)
        sides = jnp.floor(position[1 - axis] + jnp.array([-1.0, 1.0]) * (RADIUS - ROUNDING))
        at = jnp.stack([jnp.full(2, front), sides]).astype(jnp.int32) + 1
        x, y = at if axis == 0 else at[::-1]
        stop = jnp.where(way > 0.0, front - RADIUS, front + 1.0 + RADIUS)
        return jnp.where(jnp.any(walls[y, x]), stop, aim)

    # All that a reward depends on is computed from observations, so that reward_of agrees with every step.

    def _place_of(self, obs: Float[Array, "*batch 2"]) -> Float[Array, "*batch 2"]:
        return (obs + 1.0) * self._half

    def _cell_of(self, obs: Float[Array, "*batch 2"]) -> Int[Array, "*batch 2"]:
        cell = jnp.floor(self._place_of(obs) + ROUNDING).astype(jnp.int32)
        return jnp.clip(cell, 0, np.array(self.maze.size, np.int32) - 1)

    def _is_hazard(self, obs: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        cell = self._cell_of(obs)
        return jnp.asarray(self.maze.hazards)[cell[..., 1], cell[..., 0]]

    def _enters(self, obs: Float[Array, "*batch 2"], next_obs: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        return self._is_hazard(next_obs) & ~self._is_hazard(obs)

    def _succeeds(self, next_obs: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        middle = self.maze.goal.astype(np.float32) + np.float32(0.5)
        return jnp.linalg.norm(self._place_of(next_obs) - middle, axis=-1) <= self.goal_radius + ROUNDING

    def _paid(self, success: Bool[Array, "*batch"], entered: Bool[Array, "*batch"]) -> Float[Array, "*batch"]:
        if self.reward == "sparse":
            return success - self.hazard_penalty * entered
        penalty = self._limit if self.failure_penalty is None else self.failure_penalty
        hazard = -penalty if self.hazard == "ends" else -1.0 - self.hazard_penalty
        return jnp.where(success, 0.0, jnp.where(entered, hazard, -1.0))

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array:
        del action
        return self._paid(self._succeeds(next_obs), self._enters(obs, next_obs))

    def expert(self, obs: Obs, speed: float = 1.0) -> Action:
        """Return the velocity [*batch, 2] towards the middle of the next cell on a shortest way, around hazards."""
        require(0.0 < speed <= 1.0, f"The expert's speed={speed} must be above 0 and at most 1.")
        cell = self._cell_of(obs)
        way = jnp.asarray(self.maze.aims)[cell[..., 1], cell[..., 0]] - self._place_of(obs)
        velocity = way / self.speed  # arrives in one step
        return velocity * speed / jnp.maximum(jnp.linalg.norm(velocity, axis=-1, keepdims=True), speed)

    # Methods for people.

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return goals (uniform on the goal disc) or non-goals (uniform on all other free cells), random actions."""
        if goal:
            angle = rng.uniform(0.0, 2.0 * np.pi, n)
            radius = self.goal_radius * np.sqrt(rng.uniform(0.0, 1.0, n))
            place = self.maze.goal + 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        else:
            others = places_where(~self.maze.walls & (self.maze.letters != "G"))
            place = rng.choice(others, n) + rng.uniform(RADIUS, 1.0 - RADIUS, (n, 2))
        action = rng.uniform(-1.0, 1.0, (n, 2)).astype(np.float32)
        return ExampleStates(obs=(place / self._half - 1.0).astype(np.float32), action=action)

    def plane(self, n: int) -> Plane:
        x, y = (axis_of(n, side) for side in self.maze.size)
        obs = np.stack(np.meshgrid(x, y), axis=-1) / self._half - np.float32(1.0)
        caption = "every place, also inside walls, where the point is never"
        return Plane(obs=obs, x=x, y=y, x_label="x, cells", y_label="y, cells", caption=caption)

    def place(self, scene: np.ndarray) -> np.ndarray:
        return scene  # the position itself

    def describe(self, segment: Transition) -> str:
        scene, action = np.asarray(segment.info["scene"]), np.asarray(segment.action)
        return descriptions.of_point_maze(scene, action, self._ways, self.maze.hazards)

    @property
    def legend(self) -> str:
        return (
            "The blue dot is the point and the green disc is its goal, seen from above. Walls are dark, starts are "
            "grey, and hazards are hatched in red."
        )

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw walls dark, hazards hatched in red, start cells grey, the goal disc green and the point blue."""
        width, height = self.maze.size
        board = Board(width, height)
        board.box(-width, -height, 2 * width, 2 * height, WALL)  # also around the layout
        for x, y in places_where(~self.maze.walls):
            letter = str(self.maze.letters[y, x])
            board.square((x, y), 0.0, COLOURS.get(letter, FREE))
            if letter == "x":
                board.hatch((x, y), HATCH)
        board.disc(self.maze.goal, self.goal_radius, GOAL)
        board.disc(np.asarray(scene) - 0.5, RADIUS, WALKER)
        return board.picture()

"""A point in the square [-1, 1]^2 that must come to rest near the origin, in pure JAX.

Non-goal examples come from one quadrant only, [-1, -0.2]^2, where episodes also start. A classifier trained on them
extrapolates: everything far from that quadrant looks like success, so that a policy can fool it easily (the lecture's
exploitation problem in its smallest form).
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int, UInt8
from PIL import Image, ImageDraw

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Box, EnvSpec, Key, Obs, StepOut, Transition
from rl_rewards.envs import descriptions
from rl_rewards.envs.base import ExampleStates, JaxEnv, Plane

NORMAL_QUADRANT = (-1.0, -0.2)
"""Both coordinates are in this range where episodes start and in non-goal examples."""

STATIC_QUADRANT = 0.4
"""If there is a television, static is seen where x < -0.4 and y > 0.4, in the upper left corner."""

CELLS_A_SIDE = 16
"""Cells per side of the square, for counting visited places."""

PICTURE_PIXELS, SCREEN_COLOUR = 240, (225, 60, 50)
POINT_RADIUS, POINT_COLOUR, GOAL_COLOUR = 0.08, (40, 90, 200), (150, 210, 150)
"""Used in image observations; the radius is in units of half the square's side."""


class PointState(struct.PyTreeNode):
    """One point; without batch axes."""

    position: Float[Array, "2"]
    elapsed: Int[Array, ""]  # steps since the reset
    screen: Float[Array, " television"] | None = None  # what the television shows; None without a television


@dataclass(frozen=True, kw_only=True)
class Point(JaxEnv):
    """``point``: obs = position [2] in [-1, 1], or a picture [image_size, image_size, 3] uint8 of the square.

    If ``television`` is above 0, that many numbers follow the position: static, drawn from N(0, 1) at every step, in
    the upper left corner (``STATIC_QUADRANT``), and zeros elsewhere. ``info["television"]`` is 1 if the state just
    reached shows static.

    Action = velocity [2] in [-1, 1], rotated by ``turn``, times ``speed`` per step.
    Success: within ``goal_radius`` of the origin. ``env_reward`` is 1 on success and 0 elsewhere; with
    ``reward=distance`` it is minus the distance to the origin.
    """

    observation: Literal["position", "image"]
    image_size: int
    speed: float
    turn: float  # degrees counterclockwise
    goal_radius: float
    television: int
    max_episode_steps: int
    terminate_on_success: bool
    reward: Literal["sparse", "distance"] = "sparse"

    def __post_init__(self) -> None:
        check_fields(self, "env")
        require(self.image_size >= 8, f"env.image_size={self.image_size} must be at least 8 pixels.")
        require(self.television >= 0, f"env.television={self.television} must not be negative; 0 turns it off.")
        require(
            self.television == 0 or self.observation == "position",
            f"env.television={self.television} adds numbers to a position, and env.observation=image has no position; "
            "choose env.television=0 or env.observation=position.",
        )

    @property
    def spec(self) -> EnvSpec:
        screen = {"television": ()} if self.television else {}
        return EnvSpec(
            name="point",
            obs=self._obs_box,
            action=Box(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0)),
            max_episode_steps=self.max_episode_steps,
            info={"success": (), "scene": (2,), "cell": (), **screen},
            ends_early=self.terminate_on_success,
            restores=True,
            has_success=True,
            obs_names=()
            if self.observation == "image"
            else ("x", "y", *(f"television {i}" for i in range(self.television))),
            cells=CELLS_A_SIDE**2,
        )

    @property
    def requirements(self) -> Requirements:
        return Requirements(size_key=("image_size", self.image_size) if self.observation == "image" else None)

    @property
    def _obs_box(self) -> Box:
        if self.observation == "image":
            return Box(shape=(self.image_size, self.image_size, 3), dtype="uint8")
        if self.television:
            return Box(shape=(2 + self.television,))  # static is unbounded
        return Box(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0))

    goal_names = ("x", "y")
    goal_threshold = 0.1
    reversible = True

    def goal_features(self, state: PointState) -> Float[Array, "2"]:
        return state.position

    def reset(self, key: Key) -> PointState:
        """Return a state uniform in the normal quadrant, where no static is seen."""
        low, high = NORMAL_QUADRANT
        position = jax.random.uniform(key, (2,), minval=low, maxval=high)
        screen = jnp.zeros(self.television) if self.television else None
        return PointState(position=position, elapsed=jnp.zeros((), jnp.int32), screen=screen)

    def observe(self, state: PointState) -> Obs:
        if self.observation == "image":
            return self._picture(state.position)
        return state.position if state.screen is None else jnp.concatenate([state.position, state.screen])

    def begin_at(self, obs: Obs) -> PointState:
        """Return the state of an episode that begins with ``obs``, which must not be a picture."""
        screen = obs[2:] if self.television else None
        return PointState(position=obs[:2], elapsed=jnp.zeros((), jnp.int32), screen=screen)

    def _picture(self, position: Float[Array, "2"]) -> UInt8[Array, "H W 3"]:
        """Return a picture of the goal disc and the point on white; soft edges show motions of less than a pixel."""
        pixel = 2.0 / self.image_size
        axis = (jnp.arange(self.image_size) + 0.5) * pixel - 1.0
        x, y = jnp.meshgrid(axis, -axis)

        def paint(picture: Array, centre: Array, radius: float, colour: tuple[int, int, int]) -> Array:
            distance = jnp.hypot(x - centre[0], y - centre[1])
            cover = jnp.clip((radius - distance) / pixel + 0.5, 0.0, 1.0)[..., None]
            return picture + cover * (jnp.array(colour, jnp.float32) - picture)

        picture = jnp.full((self.image_size, self.image_size, 3), 255.0)
        picture = paint(picture, jnp.zeros(2), self.goal_radius, GOAL_COLOUR)
        return jnp.round(paint(picture, position, POINT_RADIUS, POINT_COLOUR)).astype(jnp.uint8)

    def step(self, key: Key, state: PointState, action: Float[Array, "2"]) -> tuple[PointState, StepOut]:
        velocity = (
            jnp.asarray(self._rotation) @ jnp.clip(action, -1.0, 1.0) if self.turn else jnp.clip(action, -1.0, 1.0)
        )
        position = jnp.clip(state.position + self.speed * velocity, -1.0, 1.0)
        squares = jnp.clip(jnp.floor((position + 1.0) / 2.0 * CELLS_A_SIDE), 0.0, CELLS_A_SIDE - 1.0)
        success = jnp.linalg.norm(position) <= self.goal_radius
        info = {"success": success, "scene": position, "cell": CELLS_A_SIDE * squares[1] + squares[0]}
        screen = None
        if self.television:
            static = shows_static(position)
            screen = jnp.where(static, jax.random.normal(key, (self.television,)), 0.0)
            info["television"] = static.astype(jnp.float32)
        state = PointState(position=position, elapsed=state.elapsed + 1, screen=screen)
        terminated = success & self.terminate_on_success
        truncated = (state.elapsed >= self.max_episode_steps) & ~terminated
        out = StepOut(
            next_obs=self.observe(state),
            env_reward=self._paid(position),
            terminated=terminated,
            truncated=truncated,
            needs_reset=terminated | truncated,
            info=info,
        )
        return state, out

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array | None:
        del obs, action
        if self.observation == "image":
            return None
        return self._paid(next_obs[..., :2])

    def _paid(self, position: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        distance = jnp.linalg.norm(position, axis=-1)
        return -distance if self.reward == "distance" else (distance <= self.goal_radius).astype(jnp.float32)

    @property
    def _rotation(self) -> Float[np.ndarray, "2 2"]:
        """Return the rotation by ``turn``, rounded so that multiples of 90 degrees are exact."""
        angle = np.deg2rad(self.turn)
        cos, sin = np.round([np.cos(angle), np.sin(angle)], 12)
        return np.array([[cos, -sin], [sin, cos]], np.float32)

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return goals (uniform on the goal disc) or non-goals (uniform on the normal quadrant), random actions."""
        if goal:
            angle = rng.uniform(0.0, 2.0 * np.pi, n)
            radius = self.goal_radius * np.sqrt(rng.uniform(0.0, 1.0, n))
            obs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
        else:
            obs = rng.uniform(*NORMAL_QUADRANT, (n, 2))
        obs = obs.astype(np.float32)
        action = rng.uniform(-1.0, 1.0, (n, 2)).astype(np.float32)
        static = rng.standard_normal((n, self.television), np.float32)
        return ExampleStates(obs=self._all_seen(obs, np.where(shows_static(obs)[:, None], static, 0.0)), action=action)

    def _all_seen(self, positions: np.ndarray, screens: np.ndarray) -> np.ndarray:
        """Return observations [n, ...] of ``positions`` [n, 2] with ``screens`` [n, television] on the television."""
        if self.observation == "image":
            return np.asarray(jax.vmap(self._picture)(positions))
        return np.concatenate([positions, screens.astype(np.float32)], axis=-1)

    def plane(self, n: int) -> Plane:
        axis = np.linspace(-1.0, 1.0, n, dtype=np.float32)
        x, y = np.meshgrid(axis, axis)
        obs = self._all_seen(np.stack([x, y], axis=-1).reshape(-1, 2), np.zeros((n * n, self.television)))
        caption = "the television dark everywhere" if self.television else "every state"
        return Plane(obs=obs.reshape(n, n, *obs.shape[1:]), x=axis, y=axis, x_label="x", y_label="y", caption=caption)

    def place(self, scene: np.ndarray) -> np.ndarray:
        return scene  # the position itself

    def describe(self, segment: Transition) -> str:
        return descriptions.of_point(np.asarray(segment.info["scene"]), np.asarray(segment.action))

    @property
    def legend(self) -> str:
        screen = " The hatched corner is a television, red while the point is there." if self.television else ""
        return f"The blue dot is the point, and the green disc is the middle of the square, seen from above.{screen}"

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw the goal disc green, the normal quadrant grey and the point blue.

        A television is hatched where its static is seen, and red while the point sees it.
        """

        def pixel(value: float) -> float:
            return (float(value) + 1.0) / 2.0 * PICTURE_PIXELS

        def box(left: float, bottom: float, right: float, top: float) -> list[float]:
            return [pixel(left), PICTURE_PIXELS - pixel(top), pixel(right), PICTURE_PIXELS - pixel(bottom)]

        low, high = NORMAL_QUADRANT
        image = Image.new("RGB", (PICTURE_PIXELS, PICTURE_PIXELS), "white")
        canvas = ImageDraw.Draw(image)
        canvas.rectangle(box(low, low, high, high), fill=(228, 228, 228))
        if self.television:
            if shows_static(np.asarray(scene)):
                canvas.rectangle(box(-1.0, STATIC_QUADRANT, -STATIC_QUADRANT, 1.0), fill=SCREEN_COLOUR)
            for y in np.arange(STATIC_QUADRANT, 1.0, 0.06):
                canvas.line(box(-1.0, y, -STATIC_QUADRANT, y), fill=(170, 170, 170))
        radius = self.goal_radius
        canvas.ellipse(box(-radius, -radius, radius, radius), fill=(150, 210, 150))
        x, y = scene
        canvas.ellipse(box(x - 0.035, y - 0.035, x + 0.035, y + 0.035), fill=(40, 90, 200))
        return np.asarray(image)


def shows_static(position: Float[Array | np.ndarray, "*batch 2"]) -> Bool[Array | np.ndarray, "*batch"]:
    """Return True at the positions from which a television, if there is one, shows static."""
    return (position[..., 0] < -STATIC_QUADRANT) & (position[..., 1] > STATIC_QUADRANT)

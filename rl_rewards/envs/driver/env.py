"""A car and another car on a road of three lanes, in pure JAX: the driving task of active preference learning.

From Sadigh et al. 2017 and Biyik et al. 2019; the dynamics and features are in ``driver.world``. The true reward is
linear in the features of the state reached. Queries about whole trajectories use only ``trajectory`` and ``features``.
"""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int
from PIL import Image, ImageDraw

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Box, EnvSpec, Key, Obs, StepOut, Transition
from rl_rewards.envs import descriptions
from rl_rewards.envs.base import ExampleStates, JaxEnv, Plane
from rl_rewards.envs.driver.world import (
    BIYIK_START,
    CAR_LENGTH,
    CAR_WIDTH,
    WORLDS,
    World,
    drive,
    random_start,
    relative_position,
    roll_out,
    scripted,
    step_features,
    trajectory_features,
)

HEAD_START = 0.3  # how much farther the other car starts in an episode of sadigh2017
PICTURE_PIXELS = 240
VIEW, BEHIND = 1.2, 0.4  # side of the picture, and how much of it lies behind the learner's car
OBS_NAMES = ("x", "sin heading", "cos heading", "speed, 1/s", "other x", "other y", "other sin heading",
             "other cos heading", "other speed, 1/s")  # fmt: skip


class DriverState(struct.PyTreeNode):
    """Both cars; without batch axes."""

    cars: Float[Array, "2 4"]  # the learner's and the other: x, y, heading, speed
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class Driver(JaxEnv):
    """``driver``: obs = the learner's x, heading and speed, and the other car's state relative to it [9].

    Action = steering and gas [2], within the variant's bounds. ``env_reward`` = dot product of ``weights`` and the
    features of the state reached, so that an episode's return is that of its trajectory (for biyik2019, times the
    number of steps). Success: on the road, not touching the other car and more than a car's length ahead of it.

    Two numbers in info are for teachers of one objective each: ``progress``, the speed along the road in the state
    reached, and ``gentleness``, minus the mean square of steering and gas, each as a share of its bound, in [-1, 0].
    Neither is part of the true reward.

    Differs: in this environment the other car of sadigh2017 starts ``HEAD_START`` farther ahead and keeps its heading
    and speed; in the paper its controls are part of the query.
    """

    variant: Literal["sadigh2017", "biyik2019"]
    weights: tuple[float, ...]
    max_episode_steps: int

    def __post_init__(self) -> None:
        check_fields(self, "env")
        names = self.world.features
        require(
            len(self.weights) == len(names),
            f"env.weights has {len(self.weights)} numbers; {self.variant} has {len(names)} features: "
            f"{', '.join(names)}.",
        )
        require(self.max_episode_steps >= 1, f"env.max_episode_steps={self.max_episode_steps} must be at least 1.")

    @property
    def world(self) -> World:
        return WORLDS[self.variant]

    @property
    def _is_scripted(self) -> bool:
        return self.variant == "biyik2019"

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="driver",
            obs=Box(shape=(len(OBS_NAMES),)),
            action=Box(shape=(2,), low=self.world.control_low, high=self.world.control_high),
            max_episode_steps=self.max_episode_steps,
            info={"success": (), "scene": (8,), "features": (len(self.weights),), "progress": (), "gentleness": ()},
            ends_early=False,
            restores=True,
            has_success=True,
            obs_names=OBS_NAMES,
            step_seconds=self.world.step_seconds,
        )

    # Whole trajectories, for queries.

    def trajectory(
        self,
        controls: Float[Array, "T 2"],
        start: Float[Array, "2 4"] | None = None,
        other_controls: Float[Array, "T 2"] | None = None,
    ) -> Float[Array, "T 2 4"]:
        """Return both cars after each of T steps; ``start`` and ``other_controls`` default to biyik2019's."""
        start = jnp.array(BIYIK_START) if start is None else start
        if other_controls is None:
            other_controls = scripted(jnp.arange(len(controls)))
        return roll_out(self.world, start, jnp.stack([controls, other_controls], axis=1))

    def features(self, trajectory: Float[Array, "T 2 4"]) -> Float[Array, " d"]:
        """Return the features of a trajectory, see :func:`driver.world.trajectory_features`."""
        return trajectory_features(self.world, trajectory)

    # The environment.

    def reset(self, key: Key) -> DriverState:
        cars = jnp.array(BIYIK_START) if self._is_scripted else random_start(key).at[1, 1].add(HEAD_START)
        return DriverState(cars=cars, elapsed=jnp.zeros((), jnp.int32))

    def observe(self, state: DriverState) -> Obs:
        return _seen(state.cars)

    def step(self, key: Key, state: DriverState, action: Float[Array, "2"]) -> tuple[DriverState, StepOut]:
        del key  # deterministic
        cruising = jnp.stack([jnp.zeros(()), state.cars[1, 3]])  # gas that compensates the friction
        other = scripted(state.elapsed) if self._is_scripted else cruising
        own = jnp.clip(action, jnp.array(self.world.control_low), jnp.array(self.world.control_high))
        cars = drive(state.cars, jnp.stack([own, other]), self.world.step_seconds)
        elapsed = state.elapsed + 1
        features = step_features(self.world, cars)
        truncated = elapsed >= self.max_episode_steps
        effort = jnp.mean(jnp.square(own / jnp.array(self.world.control_high)))
        info = {"success": self.passed(cars), "scene": cars.reshape(-1), "features": features}
        out = StepOut(
            next_obs=_seen(cars),
            env_reward=jnp.dot(jnp.array(self.weights, jnp.float32), features),
            terminated=jnp.zeros((), bool),
            truncated=truncated,
            needs_reset=truncated,
            info=info | {"progress": cars[0, 3] * jnp.sin(cars[0, 2]), "gentleness": -effort},
        )
        return DriverState(cars=cars, elapsed=elapsed), out

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array:
        del obs, action
        return step_features(self.world, _cars_seen(next_obs)) @ jnp.array(self.weights, jnp.float32)

    def passed(self, cars: Float[Array, "*batch 2 4"]) -> Bool[Array, "*batch"]:
        """Return True where the learner is on a lane, clear of the other car and over a car's length ahead in y."""
        ahead, beside = relative_position(cars)
        touches = (jnp.abs(ahead) < CAR_LENGTH) & (jnp.abs(beside) < CAR_WIDTH)
        on_road = jnp.abs(cars[..., 0, 0]) < 1.5 * self.world.lane_width
        return on_road & ~touches & (cars[..., 0, 1] - cars[..., 1, 1] > CAR_LENGTH)

    # Methods for people.

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return cars in lanes, ahead of the other car (goals) or behind it (non-goals), with random controls."""
        cars = self._cars(n)
        width = self.world.lane_width
        cars[:, :, 0] = width * rng.integers(-1, 2, (n, 2)) + rng.uniform(-0.2, 0.2, (n, 2)) * width
        cars[:, :, 2] += rng.uniform(-0.2, 0.2, (n, 2))
        cars[:, :, 3] = rng.uniform(0.3, 1.0, (n, 2))
        gap = rng.uniform(1.5 * CAR_LENGTH, 5.0 * CAR_LENGTH, n)
        cars[:, 0, 1] = gap if goal else -gap
        action = rng.uniform(self.world.control_low, self.world.control_high, (n, 2))
        return ExampleStates(obs=np.asarray(_seen(jnp.asarray(cars))), action=action.astype(np.float32))

    def plane(self, n: int) -> Plane:
        axis = np.linspace(-VIEW / 2.0, VIEW / 2.0, n, dtype=np.float32)
        x, y = np.meshgrid(axis, axis)
        cars = self._cars(n * n)
        cars[:, 0, 0], cars[:, 0, 1] = x.reshape(-1), y.reshape(-1)
        return Plane(
            obs=np.asarray(_seen(jnp.asarray(cars))).reshape(n, n, -1),
            x=axis,
            y=axis,
            x_label="x",
            y_label="y, ahead of the other car",
            caption="both cars drive straight at speed 0.5, the other in the middle lane",
        )

    def _cars(self, n: int) -> Float[np.ndarray, "n 2 4"]:
        """Return both cars in the middle lane, driving straight at speed 0.5."""
        return np.tile(np.array([0.0, 0.0, np.pi / 2.0, 0.5], np.float32), (n, 2, 1))

    def place(self, scene: np.ndarray) -> np.ndarray:
        return np.stack([scene[..., 0], scene[..., 1] - scene[..., 5]], axis=-1)

    def describe(self, segment: Transition) -> str:
        world = self.world
        return descriptions.of_driver(
            np.asarray(segment.info["scene"]), world.lane_width, CAR_LENGTH, world.step_seconds
        )

    @property
    def feature_names(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.world.features

    @property
    def legend(self) -> str:
        return (
            "The blue car is the learner's and the white car is the other one, seen from above. The picture moves with "
            "the blue car, so that faster driving shows as a faster road."
        )

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw grass, road, lanes and fences as they pass by, the learner's car blue and the other white."""
        own, other = np.asarray(scene, float).reshape(2, 4)
        scale, bottom = PICTURE_PIXELS / VIEW, own[1] - BEHIND

        def at(x: float, y: float) -> tuple[float, float]:
            return (x + VIEW / 2.0) * scale, PICTURE_PIXELS - (y - bottom) * scale

        image = Image.new("RGB", (PICTURE_PIXELS, PICTURE_PIXELS), (150, 190, 140))
        canvas = ImageDraw.Draw(image)
        width, top = self.world.lane_width, bottom + VIEW
        canvas.rectangle([*at(-1.5 * width, top), *at(1.5 * width, bottom)], fill=(105, 105, 110))
        for side in (-2.0, 2.0):
            canvas.line([at(side * width, bottom), at(side * width, top)], fill=(110, 75, 45), width=3)
        for side in (-1.5, 1.5):
            canvas.line([at(side * width, bottom), at(side * width, top)], fill="white", width=2)
        for dash in np.arange(np.floor(bottom / 0.2), np.ceil(top / 0.2)) * 0.2:  # fixed to the road
            for side in (-0.5, 0.5):
                canvas.line([at(side * width, dash), at(side * width, dash + 0.1)], fill="white", width=1)
        for (x, y, heading, _), colour in ((other, (245, 245, 245)), (own, (40, 90, 200))):
            forth = np.array([np.cos(heading), np.sin(heading)])
            left = np.array([-forth[1], forth[0]])

            def body(ahead: float, behind: float, half: float, x=x, y=y, forth=forth, left=left) -> list:
                corners = ((ahead, half), (ahead, -half), (behind, -half), (behind, half))
                return [at(*(np.array([x, y]) + a * forth + s * left)) for a, s in corners]

            half = CAR_LENGTH / 2.0
            canvas.polygon(body(half, -half, CAR_WIDTH / 2.0), fill=colour, outline=(30, 30, 30))
            canvas.polygon(body(0.5 * half, 0.1 * half, 0.4 * CAR_WIDTH), fill=(25, 30, 40))  # the windscreen
        return np.asarray(image)


def _seen(cars: Float[Array, "*batch 2 4"]) -> Obs:
    """Return ``OBS_NAMES`` of both cars; the other car's position is relative to the learner's."""
    own, other = cars[..., 0, :], cars[..., 1, :]
    parts = [own[..., 0], jnp.sin(own[..., 2]), jnp.cos(own[..., 2]), own[..., 3],
             other[..., 0] - own[..., 0], other[..., 1] - own[..., 1],
             jnp.sin(other[..., 2]), jnp.cos(other[..., 2]), other[..., 3]]  # fmt: skip
    return jnp.stack(parts, axis=-1)


def _cars_seen(obs: Float[Array, "*batch 9"]) -> Float[Array, "*batch 2 4"]:
    """Return both cars from an observation, which does not show how far along the road they are."""
    x, sin, cos, speed, other_x, other_y, other_sin, other_cos, other_speed = jnp.moveaxis(obs, -1, 0)
    own = jnp.stack([x, jnp.zeros_like(x), jnp.arctan2(sin, cos), speed], axis=-1)
    other = jnp.stack([x + other_x, other_y, jnp.arctan2(other_sin, other_cos), other_speed], axis=-1)
    return jnp.stack([own, other], axis=-2)

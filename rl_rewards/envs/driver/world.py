"""Dynamics and features of the cars in ``driver``: pure functions for two published variants.

Sadigh et al. 2017 (RSS, "Active preference-based learning of reward functions") and Biyik et al. 2019
(arXiv:1910.04365), with the constants of their public code. A car is x, y, heading (radians, counter-clockwise, pi/2
along the road) and speed; a control is steering and gas. x' = v cos h, y' = v sin h, h' = v steer, v' = gas - v.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from rl_rewards.core.types import Key

FRICTION = 1.0  # share of the speed lost per second
CAR_LENGTH, CAR_WIDTH = 0.14, 0.06  # twice the standard deviations of Sadigh's collision feature
SEGMENTS = 5  # a control of biyik2019 is held for a fifth of the trajectory


@dataclass(frozen=True)
class World:
    """Constants of one variant. Lengths are in the papers' unit, in which a lane is 0.13 or 0.17 wide."""

    step_seconds: float
    horizon: int  # steps of a trajectory that a person is asked about
    lane_width: float  # of each of the three lanes; the middle one is centred on x = 0
    control_low: tuple[float, float]
    control_high: tuple[float, float]
    features: tuple[str, ...]


SADIGH = World(
    step_seconds=0.2,
    horizon=5,
    lane_width=0.13,
    control_low=(-2.0, -1.0),
    control_high=(2.0, 1.0),
    features=("lanes", "fences", "heading", "collision", "speed"),
)
BIYIK = World(
    step_seconds=0.1,
    horizon=50,
    lane_width=0.17,
    control_low=(-1.0, -1.0),
    control_high=(1.0, 1.0),
    features=("lanes", "speed", "heading", "collision"),
)
WORLDS = {"sadigh2017": SADIGH, "biyik2019": BIYIK}

SADIGH_START_LOW = (-0.15, -0.1, 0.4 * np.pi, 0.0)
SADIGH_START_HIGH = (0.15, 0.2, 0.6 * np.pi, 1.0)
BIYIK_START = ((0.0, -0.3, np.pi / 2.0, 0.4), (0.17, 0.0, np.pi / 2.0, 0.41))  # the learner's car, the other
BIYIK_OTHER = ((0.0, 0.41), (1.0, 0.41), (-1.0, 0.41), (0.0, 0.533), (0.0, 0.533))  # the other's control, by segment
BIYIK_SCALE = (0.15343634, 0.42202643, 0.06112367, 0.15258019)  # the code's divisors, in the order of its features


def drive(
    cars: Float[Array, "*batch 4"], controls: Float[Array, "*batch 2"], seconds: float
) -> Float[Array, "*batch 4"]:
    """Return the cars after one explicit Euler step of ``seconds``."""
    heading, speed = cars[..., 2], cars[..., 3]
    rate = jnp.stack(
        [
            speed * jnp.cos(heading),
            speed * jnp.sin(heading),
            speed * controls[..., 0],
            controls[..., 1] - FRICTION * speed,
        ],
        axis=-1,
    )
    return cars + seconds * rate


def roll_out(world: World, start: Float[Array, "2 4"], controls: Float[Array, "T 2 2"]) -> Float[Array, "T 2 4"]:
    """Return both cars (the learner's first) after each of T steps from ``start``; controls are clipped."""
    low, high = jnp.array(world.control_low), jnp.array(world.control_high)

    def step(cars: Array, control: Array) -> tuple[Array, Array]:
        cars = drive(cars, jnp.clip(control, low, high), world.step_seconds)
        return cars, cars

    return jax.lax.scan(step, start, controls)[1]


def step_features(world: World, cars: Float[Array, "*batch 2 4"]) -> Float[Array, "*batch d"]:
    """Return the features of every state, in the order of ``world.features``."""
    return _sadigh_features(cars) if world is SADIGH else _biyik_features(cars)


def trajectory_features(world: World, trajectory: Float[Array, "T 2 4"]) -> Float[Array, " d"]:
    """Return the features of a trajectory: their sum over the steps (sadigh2017) or their mean (biyik2019)."""
    over_steps = step_features(world, trajectory)
    return jnp.sum(over_steps, axis=0) if world is SADIGH else jnp.mean(over_steps, axis=0)


def scripted(step: Int[Array, "*batch"]) -> Float[Array, "*batch 2"]:
    """Return the control of biyik2019's other car; after the end of its script, the last control continues."""
    return jnp.array(BIYIK_OTHER)[jnp.minimum(step * SEGMENTS // BIYIK.horizon, SEGMENTS - 1)]


def random_start(key: Key) -> Float[Array, "2 4"]:
    """Return the starts of both cars of sadigh2017, uniform within its bounds."""
    return jax.random.uniform(key, (2, 4), minval=jnp.array(SADIGH_START_LOW), maxval=jnp.array(SADIGH_START_HIGH))


def random_pairs(world: World, key: Key, n: int) -> Float[Array, "n 2 d"]:
    """Return the features of ``n`` random pairs of trajectories, the candidates for queries.

    biyik2019: controls are uniform within their bounds, each held for a fifth of the trajectory. sadigh2017: controls
    at every step, those of the other car and both starts are uniform; the two trajectories of a pair differ only in the
    learner's controls.
    """
    return jax.vmap(lambda one: _random_pair(world, one))(jax.random.split(key, n))


def _random_pair(world: World, key: Key) -> Float[Array, "2 d"]:
    start_key, other_key, own_key = jax.random.split(key, 3)
    low, high = jnp.array(world.control_low), jnp.array(world.control_high)
    steps = world.horizon
    if world is BIYIK:
        start, other = jnp.array(BIYIK_START), scripted(jnp.arange(steps))
        held = jax.random.uniform(own_key, (2, SEGMENTS, 2), minval=low, maxval=high)
        own = jnp.repeat(held, steps // SEGMENTS, axis=1)
    else:
        start = random_start(start_key)
        other = jax.random.uniform(other_key, (steps, 2), minval=low, maxval=high)
        own = jax.random.uniform(own_key, (2, steps, 2), minval=low, maxval=high)

    def features(controls: Array) -> Array:
        return trajectory_features(world, roll_out(world, start, jnp.stack([controls, other], axis=1)))

    return jax.vmap(features)(own)


def relative_position(cars: Float[Array, "*batch 2 4"]) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Return how far the learner's car is ahead of the other and to its left, in the frame of the other's heading."""
    own, other = cars[..., 0, :], cars[..., 1, :]
    dx, dy = own[..., 0] - other[..., 0], own[..., 1] - other[..., 1]
    cos, sin = jnp.cos(other[..., 2]), jnp.sin(other[..., 2])
    return cos * dx + sin * dy, cos * dy - sin * dx


def _sadigh_features(cars: Float[Array, "*batch 2 4"]) -> Float[Array, "*batch 5"]:
    """Return closeness to lane centres, closeness to fences (two lanes out), heading along the road, closeness to the
    other car, and (speed - 1)^2."""
    x, heading, speed = cars[..., 0, 0], cars[..., 0, 2], cars[..., 0, 3]
    width = SADIGH.lane_width

    def near(places: tuple[float, ...]) -> Array:
        distance = x[..., None] - width * jnp.array(places)
        return jnp.sum(jnp.exp(-0.5 * distance**2 / (0.25 * width**2 / 4.0)), axis=-1)

    ahead, beside = relative_position(cars)
    collision = jnp.exp(-0.5 * (ahead**2 / 0.07**2 + beside**2 / 0.03**2))
    return jnp.stack(
        [near((-1.0, 0.0, 1.0)), near((-2.0, 2.0)), jnp.sin(heading), collision, (speed - 1.0) ** 2], axis=-1
    )


def _biyik_features(cars: Float[Array, "*batch 2 4"]) -> Float[Array, "*batch 4"]:
    """Return closeness to the nearest lane centre, (speed - 1)^2, heading along the road and closeness to the other
    car, each divided by its scale."""
    own, other = cars[..., 0, :], cars[..., 1, :]
    middles = BIYIK.lane_width * jnp.array([-1.0, 0.0, 1.0])
    lanes = jnp.exp(-30.0 * jnp.min((own[..., :1] - middles) ** 2, axis=-1))
    dx, dy = own[..., 0] - other[..., 0], own[..., 1] - other[..., 1]
    collision = jnp.exp(-(7.0 * dx**2 + 3.0 * dy**2))
    raw = jnp.stack([lanes, (own[..., 3] - 1.0) ** 2, jnp.sin(own[..., 2]), collision], axis=-1)
    return raw / jnp.array(BIYIK_SCALE)

"""Gymnasium's MountainCarContinuous-v0 in pure JAX, with discrete forces and a sparse reward: a task for exploration.

The engine is too weak for the slope, so the car must first drive away from the goal to gain speed (Moore 1990). The
reward is paid only at the top, as in Sukhbaatar et al. 2018 (arXiv:1703.05407, section 4), so that the policy must
discover this without a reward.
Differs: the reward is 1 at the goal and 0 elsewhere, where Gymnasium pays 100 and subtracts 0.1 force^2 per step; the
force takes discrete values.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int
from PIL import Image, ImageDraw

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Box, Discrete, EnvSpec, Key, Obs, StepOut
from rl_rewards.envs import cells
from rl_rewards.envs.base import ExampleStates, JaxEnv, Plane

LOW, HIGH = np.array([-1.2, -0.07], np.float32), np.array([0.6, 0.07], np.float32)
"""Bounds of position and velocity. All numbers here are Gymnasium's."""

POWER, GRAVITY = 0.0015, 0.0025
START = (-0.6, -0.4)
"""The range of positions in which the car starts, at rest."""

GOAL_POSITION = 0.45
BINS = 20
"""Cells along position and along velocity, for counting visited places."""

PICTURE_WIDTH, PICTURE_HEIGHT, PIXELS_PER_UNIT = 240, 176, 240 / 1.8
STEP_SECONDS = 1.0 / 30.0
"""The rate at which Gymnasium renders it."""


class MountainCarState(struct.PyTreeNode):
    """One car; without batch axes."""

    body: Float[Array, "2"]  # position, velocity per step
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class MountainCar(JaxEnv):
    """``mountain_car``: obs = position in [-1.2, 0.6] and velocity in [-0.07, 0.07]; action = one of ``force_bins``
    forces, evenly spaced from -1 (left) to 1 (right).

    Success: the position is at least 0.45 and the velocity is not negative. It ends the episode; ``env_reward`` is 1
    there and 0 elsewhere. Force costs nothing. ``info["cell"]``: the index of the state reached on a grid of 20 x 20
    cells of position and velocity.
    """

    force_bins: int
    max_episode_steps: int

    def __post_init__(self) -> None:
        check_fields(self, "env")
        require(self.force_bins >= 2, f"env.force_bins={self.force_bins} must be at least 2: full left and full right.")
        require(self.max_episode_steps >= 1, f"env.max_episode_steps={self.max_episode_steps} must be at least 1.")

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="mountain_car",
            obs=Box(shape=(2,), low=tuple(LOW.tolist()), high=tuple(HIGH.tolist())),
            action=Discrete(self.force_bins),
            max_episode_steps=self.max_episode_steps,
            info={"success": (), "scene": (2,), "cell": ()},
            ends_early=True,
            restores=True,
            has_success=True,
            obs_names=("position", "velocity a step"),
            step_seconds=STEP_SECONDS,
            cells=BINS**2,
        )

    goal_names = ("position, -1 to 1", "velocity, -1 to 1")
    goal_threshold = 0.2
    reversible = False  # the car can roll down a slope that it cannot climb

    def goal_features(self, state: MountainCarState) -> Float[Array, "2"]:
        return 2.0 * _share(state.body) - 1.0

    def reset(self, key: Key) -> MountainCarState:
        position = jax.random.uniform(key, minval=START[0], maxval=START[1])
        return MountainCarState(body=jnp.stack([position, jnp.zeros(())]), elapsed=jnp.zeros((), jnp.int32))

    def observe(self, state: MountainCarState) -> Obs:
        return state.body

    def step(self, key: Key, state: MountainCarState, action: Int[Array, ""]) -> tuple[MountainCarState, StepOut]:
        del key  # deterministic
        force = jnp.linspace(-1.0, 1.0, self.force_bins)[action]
        position, velocity = state.body
        velocity = velocity + force * POWER - GRAVITY * jnp.cos(3.0 * position)
        velocity = jnp.clip(velocity, LOW[1], HIGH[1])
        position = jnp.clip(position + velocity, LOW[0], HIGH[0])
        velocity = jnp.where((position == LOW[0]) & (velocity < 0.0), 0.0, velocity)  # only the left end is a wall
        body = jnp.stack([position, velocity])
        elapsed = state.elapsed + 1
        bins = jnp.clip(jnp.floor(BINS * _share(body)), 0.0, BINS - 1.0)
        info = {"scene": body, "cell": BINS * bins[1] + bins[0]}
        out = cells.until_success(body, _is_goal(body), elapsed >= self.max_episode_steps, info)
        return MountainCarState(body=body, elapsed=elapsed), out

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array:
        del obs, action
        return _is_goal(next_obs).astype(jnp.float32)

    # Methods for people.

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return goals (arriving at the top) or non-goals (rolling in the valley), with random actions."""
        low, high = ((GOAL_POSITION, 0.0), (0.6, 0.05)) if goal else ((-1.0, -0.03), (0.0, 0.03))
        obs = np.clip(rng.uniform(low, high, (n, 2)).astype(np.float32), LOW, HIGH)
        return ExampleStates(obs=obs, action=rng.integers(0, self.force_bins, n, dtype=np.int32))

    def plane(self, n: int) -> Plane:
        position, velocity = (np.linspace(low, high, n, dtype=np.float32) for low, high in zip(LOW, HIGH, strict=True))
        obs = np.stack(np.meshgrid(position, velocity), axis=-1)
        return Plane(
            obs=obs, x=position, y=velocity, x_label="position", y_label="velocity per step", caption="every state"
        )

    def place(self, scene: np.ndarray) -> np.ndarray:
        return scene  # position and velocity themselves

    @property
    def legend(self) -> str:
        return (
            "The blue dot is the car on its hill, and the red line in front of it shows its velocity. The green flag "
            "is at the place to reach."
        )

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw the hill, a green flag where success begins, the blue car, and its velocity as a red line in front."""
        position, velocity = (float(value) for value in scene)
        image = Image.new("RGB", (PICTURE_WIDTH, PICTURE_HEIGHT), "white")
        canvas = ImageDraw.Draw(image)
        ground = [_pixel(x, _height(x)) for x in np.linspace(LOW[0], HIGH[0], PICTURE_WIDTH)]
        canvas.polygon([(0, PICTURE_HEIGHT), *ground, (PICTURE_WIDTH, PICTURE_HEIGHT)], fill=(225, 220, 205))
        canvas.line(ground, fill=(90, 90, 90), width=2)
        foot, top = (_pixel(GOAL_POSITION, _height(GOAL_POSITION) + rise) for rise in (0.0, 0.2))
        canvas.line([foot, top], fill=(90, 90, 90), width=2)
        canvas.polygon([top, (top[0] + 16, top[1] + 5), (top[0], top[1] + 10)], fill=(70, 170, 90))
        slope = np.array([1.0, 1.35 * np.cos(3.0 * position)])
        along = slope / np.linalg.norm(slope)
        middle = np.array([position, _height(position)]) + 0.05 * np.array([-along[1], along[0]])
        # The line begins at the car's edge, so that even a low velocity is visible.
        arrow = middle + (0.06 * np.sign(velocity) + 0.35 * velocity / HIGH[1]) * along
        canvas.line([_pixel(*middle), _pixel(*arrow)], fill=(210, 60, 50), width=4)
        x, y = _pixel(*middle)
        canvas.ellipse([x - 8, y - 8, x + 8, y + 8], fill=(40, 90, 200))
        return np.asarray(image)


def _share(body: Float[Array, "2"]) -> Float[Array, "2"]:
    """Return position and velocity scaled from their bounds to [0, 1]."""
    return (body - LOW) / (HIGH - LOW)


def _is_goal(body: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
    return (body[..., 0] >= GOAL_POSITION) & (body[..., 1] >= 0.0)


def _height(position: float) -> float:
    """Return the height of the hill by Gymnasium's formula, which only the picture needs."""
    return float(0.45 * np.sin(3.0 * position) + 0.55)


def _pixel(x: float, y: float) -> tuple[float, float]:
    return (float(x) - float(LOW[0])) * PIXELS_PER_UNIT, PICTURE_HEIGHT - float(y) * PIXELS_PER_UNIT

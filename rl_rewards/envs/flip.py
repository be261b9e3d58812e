"""A plank on two legs that can jump and do a back-flip, in pure JAX: a cheap stand-in for a hopping robot.

The task is that of Christiano et al. 2017 (arXiv:1706.03741, section 3.2): a back-flip is easy to recognise and hard to
write down as a reward. The plank faces right. A back-flip turns counter-clockwise: nose up and over backward.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int
from PIL import Image, ImageDraw

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Box, EnvSpec, Key, Obs, StepOut, Transition
from rl_rewards.envs import descriptions
from rl_rewards.envs.base import ExampleStates, JaxEnv, Plane

LENGTH, HEIGHT, MASS = 0.5, 0.2, 1.0  # m, m, kg; a uniform plank
INERTIA = MASS * (LENGTH**2 + HEIGHT**2) / 12.0  # kg m^2, about its centre
CORNERS = 0.5 * np.array([[-LENGTH, -HEIGHT], [LENGTH, -HEIGHT], [-LENGTH, HEIGHT], [LENGTH, HEIGHT]], np.float32)
"""The lower corners at tail and nose, where the legs are, then the upper two; [4, 2] m in the plank's own frame."""

SUBSTEPS, SUBSTEP_SECONDS = 10, 0.002
STIFFNESS, DAMPING = 5000.0, 40.0  # N/m, N s/m of the ground at a corner. The stiffest oscillation has 0.1 kHz, which
# substeps resolve. The force grows with depth without limit, so that nothing passes through the ground.
FRICTION, SLIDING = 0.8, 0.05  # share of the normal force; m/s at which it is reached
WHOLE_TURN = 2.0 * np.pi - 0.1  # rad; a plank that landed on its feet rests at one turn, up to a small error
PICTURE_PIXELS = 240
VIEW = 1.8  # m, side of the picture
LEGS = 2
OBS_NAMES = ("height, m", "sin turned", "cos turned", "x speed, m/s", "height speed, m/s", "turning, rad/s")


class FlipState(struct.PyTreeNode):
    """One plank; without batch axes."""

    body: Float[Array, "6"]  # x and height of the centre (m), angle turned (rad, never wrapped), their rates per second
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class Flip(JaxEnv):
    """``flip``: obs = height, angle and speeds [6]; action = push of the tail's and of the nose's leg [2] in [-1, 1].

    A leg pushes straight down on the ground with up to ``leg_force`` while its corner is less than ``leg_reach`` above
    the ground; the higher the corner, the weaker the push. An action of 0 or less is no push. The legs are underneath:
    when the plank is tilted they push less, and when it is upside down not at all, so that a whole turn needs a jump:
    pushing alone cannot roll the plank over. There is friction with the ground and none with the air.

    ``env_reward`` = radians turned backward in the step: the return is the net turn, and nothing else earns reward.
    Success: the net turn since the reset is at least ``WHOLE_TURN``; how the plank lands does not matter.
    ``info["angle"]``: that net turn in radians, never wrapped.
    """

    leg_force: float  # N
    leg_reach: float  # m
    gravity: float  # m/s^2
    start_spread: float
    max_episode_steps: int

    def __post_init__(self) -> None:
        check_fields(self, "env")
        for name in ("leg_force", "leg_reach", "gravity"):
            value = getattr(self, name)
            require(value > 0.0, f"env.{name}={value} must be positive.")
        require(self.start_spread >= 0.0, f"env.start_spread={self.start_spread} must not be negative.")
        require(self.max_episode_steps >= 1, f"env.max_episode_steps={self.max_episode_steps} must be at least 1.")

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="flip",
            obs=Box(shape=(len(OBS_NAMES),)),
            action=Box(shape=(LEGS,), low=(-1.0,) * LEGS, high=(1.0,) * LEGS),
            max_episode_steps=self.max_episode_steps,
            info={"success": (), "scene": (3,), "angle": ()},
            ends_early=False,
            restores=True,
            has_success=True,
            obs_names=OBS_NAMES,
            step_seconds=SUBSTEPS * SUBSTEP_SECONDS,
        )

    def reset(self, key: Key) -> FlipState:
        """Return a plank on its feet, with height and speeds that vary by up to ``start_spread``."""
        rise, *speeds = jax.random.uniform(key, (4,), minval=-self.start_spread, maxval=self.start_spread)
        height = HEIGHT / 2.0 + jnp.abs(rise)
        body = jnp.stack([jnp.zeros(()), height, jnp.zeros(()), *speeds])
        return FlipState(body=body, elapsed=jnp.zeros((), jnp.int32))

    def observe(self, state: FlipState) -> Obs:
        return _seen(state.body)

    def step(self, key: Key, state: FlipState, action: Float[Array, "2"]) -> tuple[FlipState, StepOut]:
        del key  # deterministic
        push = self.leg_force * jnp.clip(action, 0.0, 1.0)
        body = jax.lax.fori_loop(0, SUBSTEPS, lambda _, body: self._advanced(body, push), state.body)
        elapsed = state.elapsed + 1
        truncated = elapsed >= self.max_episode_steps
        out = StepOut(
            next_obs=_seen(body),
            env_reward=body[2] - state.body[2],
            terminated=jnp.zeros((), bool),
            truncated=truncated,
            needs_reset=truncated,
            info={"success": body[2] >= WHOLE_TURN, "scene": body[:3], "angle": body[2]},
        )
        return FlipState(body=body, elapsed=elapsed), out

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array:
        """Return the radians turned backward from ``obs`` to ``next_obs``, taken to be less than half a turn."""
        del action
        sin, cos, next_sin, next_cos = obs[..., 1], obs[..., 2], next_obs[..., 1], next_obs[..., 2]
        return jnp.arctan2(next_sin * cos - next_cos * sin, next_cos * cos + next_sin * sin)

    def _advanced(self, body: Float[Array, "6"], push: Float[Array, "2"]) -> Float[Array, "6"]:
        """Return the body after a substep of semi-implicit Euler: new speeds, then positions by the new speeds."""
        place, speed = body[:3], body[3:]
        forces = self.forces(body, push)
        arms = _arms(body[2])
        turning = jnp.sum(arms[:, 0] * forces[:, 1] - arms[:, 1] * forces[:, 0])
        total = jnp.sum(forces, axis=0)
        gain = jnp.stack([total[0] / MASS, total[1] / MASS - self.gravity, turning / INERTIA])
        speed = speed + SUBSTEP_SECONDS * gain
        return jnp.concatenate([place + SUBSTEP_SECONDS * speed, speed])

    def forces(self, body: Float[Array, "6"], push: Float[Array, "2"]) -> Float[Array, "4 2"]:
        """Return the ground's force on every corner in N: a damped spring that never pulls, friction and the legs."""
        arms = _arms(body[2])
        above = body[1] + arms[:, 1]
        sliding, sinking = body[3] - body[5] * arms[:, 1], -(body[4] + body[5] * arms[:, 0])
        normal = jnp.where(above < 0.0, jnp.maximum(-STIFFNESS * above + DAMPING * sinking, 0.0), 0.0)
        friction = -FRICTION * normal * sliding / jnp.sqrt(sliding**2 + SLIDING**2)
        reached = jnp.clip(1.0 - above[:LEGS] / self.leg_reach, 0.0, 1.0)
        pushed = push * reached * jnp.maximum(jnp.cos(body[2]), 0.0)
        return jnp.stack([friction, normal.at[:LEGS].add(pushed)], axis=-1)

    # Methods for people.

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return goals as in photographs of a back-flip (upside down, turning) or non-goals (on its feet)."""
        body = np.zeros((n, 6))
        if goal:
            body[:, 1] = rng.uniform(0.4, 0.8, n)
            body[:, 2] = np.pi + rng.uniform(-0.6, 0.6, n)
            body[:, 5] = rng.uniform(6.0, 14.0, n)
        else:
            body[:, 1] = HEIGHT / 2.0 + rng.uniform(0.0, 0.1, n)
            body[:, 2] = rng.uniform(-0.2, 0.2, n)
            body[:, 5] = rng.uniform(-1.0, 1.0, n)
        body[:, 3:5] = rng.uniform(-0.5, 0.5, (n, 2))
        action = rng.uniform(-1.0, 1.0, (n, LEGS))
        return ExampleStates(obs=_as_seen(body), action=action.astype(np.float32))

    def plane(self, n: int) -> Plane:
        turned = np.linspace(-np.pi, np.pi, n, dtype=np.float32)
        height = np.linspace(HEIGHT / 2.0, VIEW - 0.6, n, dtype=np.float32)
        body = np.zeros((n, n, 6))
        body[..., 1], body[..., 2] = height[:, None], turned
        return Plane(
            obs=_as_seen(body),
            x=turned,
            y=height,
            x_label="turned backward, rad, without whole turns",
            y_label="height, m",
            caption="at rest",
        )

    def place(self, scene: np.ndarray) -> np.ndarray:
        wrapped = (scene[..., 2] + np.pi) % (2.0 * np.pi) - np.pi
        return np.stack([wrapped, scene[..., 1]], axis=-1)

    def describe(self, segment: Transition) -> str:
        return descriptions.of_flip(np.asarray(segment.info["scene"]), self.spec.step_seconds)

    @property
    def legend(self) -> str:
        return (
            "A plank with two legs, seen from the side: blue with a dark belly and a red nose. The ground has a mark "
            "every half metre."
        )

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw the plank (belly dark, nose red, legs as long as they reach) and the ground, marked every 0.5 m."""
        x, height, turned = (float(value) for value in scene)
        scale, ground = PICTURE_PIXELS / VIEW, 0.2

        def at(point: np.ndarray) -> tuple[float, float]:
            return (point[0] - x + VIEW / 2.0) * scale, PICTURE_PIXELS - (point[1] + ground) * scale

        image = Image.new("RGB", (PICTURE_PIXELS, PICTURE_PIXELS), "white")
        canvas = ImageDraw.Draw(image)
        canvas.rectangle([0.0, at(np.array([x, 0.0]))[1], PICTURE_PIXELS, PICTURE_PIXELS], fill=(205, 195, 180))
        for mark in np.arange(np.floor((x - VIEW) / 0.5), np.ceil((x + VIEW) / 0.5) + 1.0) * 0.5:
            canvas.line([at(np.array([mark, 0.0])), at(np.array([mark, -0.06]))], fill=(120, 110, 100), width=2)
        corners = np.array([x, height]) + np.asarray(_arms(turned))
        tail, nose, tail_back, nose_back = corners
        reach = max(float(np.cos(turned)), 0.0) * self.leg_reach
        for corner in (tail, nose):
            foot = np.array([corner[0], max(corner[1] - reach, 0.0)])
            canvas.line([at(corner), at(foot)], fill=(60, 60, 60), width=2)
        canvas.polygon([at(point) for point in (tail, nose, nose_back, tail_back)], fill=(40, 90, 200))
        canvas.line([at(tail), at(nose)], fill=(20, 35, 80), width=4)
        canvas.line([at(nose), at(nose_back)], fill=(210, 60, 50), width=5)
        return np.asarray(image)


def _arms(turned: Float[Array, ""] | float) -> Float[Array, "4 2"]:
    """Return the vectors from the centre to every corner in the world's frame, in m."""
    cos, sin = jnp.cos(turned), jnp.sin(turned)
    along, across = CORNERS[:, 0], CORNERS[:, 1]
    return jnp.stack([cos * along - sin * across, sin * along + cos * across], axis=-1)


def _seen(body: Float[Array, "*batch 6"]) -> Obs:
    """Return ``OBS_NAMES``; the position along the ground and the number of whole turns are not observed."""
    turned = body[..., 2]
    parts = [body[..., 1], jnp.sin(turned), jnp.cos(turned), body[..., 3], body[..., 4], body[..., 5]]
    return jnp.stack(parts, axis=-1)


def _as_seen(body: np.ndarray) -> np.ndarray:
    return np.asarray(_seen(jnp.asarray(body, jnp.float32)))

"""``pencil_case``: push the pencil case behind the notebook, seen by one camera; physics in MuJoCo.

The observation is what a tracker reports of the camera's picture, or the picture; three switches make the tracker or
the picture foolable, as in the lecture. Success is judged from the true pose only.
"""

import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import mujoco
import numpy as np
from jax import Array

from rl_rewards.core.checks import require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Box, EnvSpec, StepOut, Transition
from rl_rewards.envs import words
from rl_rewards.envs.base import Environment, ExampleStates, HostEnv, HostEnvironment, Plane
from rl_rewards.envs.pencil_case import formulas, layout
from rl_rewards.envs.pencil_case.camera import FIX, Tracker, from_report, project, to_report, unproject
from rl_rewards.envs.pencil_case.image import Camera, PillowCamera
from rl_rewards.envs.pencil_case.mujoco_rollout import BatchStepper
from rl_rewards.envs.pencil_case.scripts import ordinary_operation

MODEL = Path(__file__).parent / "assets" / "pencil_case.xml"
POINTS, YAW, POSITIONS = slice(1, 5), 5, slice(1, 6)
"""Columns of the physics state: time, then pusher x, y, case x, y, yaw, then velocities."""

ORDINARY_BATCH = 64
"""Copies that collect ordinary examples at once."""

TRACKER_NAMES = ("case u", "case v", "case sin yaw", "case cos yaw", "visible", "pusher u", "pusher v", "background")
TRUE_NAMES = ("case x", "case y", "case sin yaw", "case cos yaw", "pusher x", "pusher y")
SCENE = 9
"""case x, y (m), yaw (rad); pusher x, y (m); reported u, v; visible; lamp."""


@dataclass(frozen=True, kw_only=True)
class PencilCase(HostEnvironment):
    """Action = the pusher's wanted velocity [2] in [-1, 1]. ``env_reward`` is 1 on success and 0 elsewhere.

    Observations: f32 [8] of the tracker (image coordinates in [-1, 1] over the cropped frame, beyond it where the
    recording is not cropped; visible 0 or 1; background -1 dark or 1 lit), f32 [6] of the true pose (positions over
    half the table's size), or the recorded frame as a picture [image_size, image_size, 3] uint8.
    Raises ConfigError on an unknown ``engine``, ``observation`` or ``renderer``, and where a renderer does not work.
    """

    engine: Literal["c", "mjx"]
    observation: Literal["tracker", "true_pose", "image"]
    image_size: int
    renderer: Literal["pillow", "egl"]
    out_of_frame: bool
    occlusion: bool
    background_cue: bool
    max_episode_steps: int
    substeps: int
    threads: int

    def __post_init__(self) -> None:
        require(self.engine in ("c", "mjx"), f"env.engine is {self.engine!r}; it must be c or mjx.")
        require(
            self.observation in ("tracker", "true_pose", "image"),
            f"env.observation is {self.observation!r}; it must be tracker, true_pose or image.",
        )
        require(self.renderer in ("pillow", "egl"), f"env.renderer is {self.renderer!r}; it must be pillow or egl.")
        require(
            isinstance(self.image_size, int) and self.image_size >= 16,
            f"env.image_size={self.image_size} must be a whole number of at least 16 pixels: else the case is a blot.",
        )
        if self.observation == "image":
            _ = self.camera  # a renderer that does not work is told of before anything else happens

    @cached_property
    def model(self) -> mujoco.MjModel:
        return mujoco.MjModel.from_xml_path(str(MODEL))

    @cached_property
    def tracker(self) -> Tracker:
        return Tracker(out_of_frame=self.out_of_frame, occlusion=self.occlusion)

    @cached_property
    def camera(self) -> Camera:
        """What takes the pictures."""
        frame = self.tracker.frame
        if self.renderer == "pillow":
            return PillowCamera(self.image_size, frame, self.occlusion, self.background_cue)
        from rl_rewards.envs.pencil_case.egl import EGLCamera

        return EGLCamera(MODEL, self.image_size, frame, self.occlusion, self.background_cue)

    @cached_property
    def spec(self) -> EnvSpec:
        names = {"tracker": TRACKER_NAMES, "true_pose": TRUE_NAMES, "image": ()}[self.observation]
        low, high = [-1.0] * len(names), [1.0] * len(names)
        if self.observation == "tracker":
            for column, name in enumerate(names):
                if name.endswith((" u", " v")):
                    axis = "uv".index(name[-1])
                    low[column], high[column] = (float(np.float32(limit[axis])) for limit in self.tracker.limits)
        obs = Box(shape=(len(names),), low=tuple(low), high=tuple(high))
        if self.observation == "image":
            obs = Box(shape=(self.image_size, self.image_size, 3), dtype="uint8")
        return EnvSpec(
            name="pencil_case",
            obs=obs,
            action=Box(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0)),
            max_episode_steps=self.max_episode_steps,
            info={"success": (), "scene": (SCENE,)},
            ends_early=False,
            restores=True,
            has_success=True,
            obs_names=names,
            step_seconds=self.substeps * self.model.opt.timestep,
        )

    @property
    def requirements(self) -> Requirements:
        return Requirements(memory=("image_size", self.image_size) if self.observation == "image" else None)

    def in_engine(self) -> Environment:
        """The table in the physics engine that ``engine`` names: this one is C's."""
        if self.engine == "c":
            return self
        from rl_rewards.envs.pencil_case.mjx import PencilCaseMjx

        return PencilCaseMjx(self)

    def make(self, num_envs: int, seed: int) -> "PencilCaseBatch":
        return PencilCaseBatch(self, num_envs, seed)

    def observe(
        self, points: np.ndarray, yaw: np.ndarray, fix: np.ndarray, pusher: np.ndarray, lamp: np.ndarray
    ) -> np.ndarray:
        """Observations [B, ...] of true positions ``points`` [B, 2, 2] or of what the tracker reports."""
        if self.observation == "image":
            return self.camera.pictures(points, yaw, lamp > 0.0)
        if self.observation == "tracker":
            return formulas.tracker_obs(fix, pusher, lamp)
        return formulas.true_obs(points, yaw)

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array | None:
        """Only true poses tell: a tracker can be fooled, and a picture shows the case cut off."""
        del obs, action
        if self.observation != "true_pose":
            return None
        return layout.is_success(next_obs[..., :2] * np.asarray(layout.TABLE_HALF_SIZE, np.float32)).astype(np.float32)

    def lamp(self, points: np.ndarray) -> np.ndarray:
        """Whether it is lit [B] bool."""
        return formulas.lamp_is_lit(points, self.background_cue)

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Goals: the case put behind the notebook, the lamp lit. Others: ordinary operation in front, in the dark."""
        if not goal:
            obs, action = ordinary_operation(self.make(ORDINARY_BATCH, int(rng.integers(2**31))), rng, n)
            return ExampleStates(obs=obs, action=action)
        positions = layout.sample_goal(rng, n)
        lamp = np.full(n, float(self.background_cue))
        obs = self.look(positions, lamp)
        return ExampleStates(obs=obs, action=rng.uniform(-1.0, 1.0, (n, 2)).astype(np.float32))

    def look(self, positions: np.ndarray, lamp: np.ndarray) -> np.ndarray:
        """Observations of joint ``positions`` [n, 5] with the tracker freshly put on the case."""
        points = positions[:, :4].reshape(-1, 2, 2)
        fix, pusher = self.tracker.report(points, positions[:, 4], None)
        return self.observe(points, positions[:, 4], fix, pusher, lamp)

    def plane(self, n: int) -> Plane:
        """Over the recorded frame: u and v of the case, the pusher touching it from the front."""
        x, y = (np.linspace(0.98 * low, 0.98 * high, n) for low, high in zip(*self.tracker.limits, strict=True))
        case = unproject(from_report(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)))
        touching = layout.CASE_HALF_SIZE[1] + layout.PUSHER_RADIUS
        positions = np.concatenate([case - [0.0, touching], case, np.zeros((len(case), 1))], axis=1)
        obs = self.look(positions, np.zeros(len(case)))
        caption = "pusher touching the case from the front; lamp dark"
        return Plane(obs.reshape(n, n, *obs.shape[1:]), x.astype(np.float32), y.astype(np.float32), "u", "v", caption)

    def place(self, scene: np.ndarray) -> np.ndarray:
        """u and v as reported: where the tracker reports the case, or, without one, where it is."""
        return scene[..., 5:7] if self.observation == "tracker" else to_report(project(scene[..., :2]))

    goal_names = ("pusher x, m", "pusher y, m", "case x, m", "case y, m")
    goal_threshold = 0.05
    reversible = False  # the pusher cannot pull

    def goal_features(self, state: np.ndarray) -> np.ndarray:
        """Where pusher and case truly are [B, 4], of states [B, n]: with the case alone Alice's first goals, before she
        knows how to touch it, would all be where Bob begins."""
        return state[:, POINTS].astype(np.float32)

    def describe(self, segment: Transition) -> str:
        return words.of_pencil_case(np.asarray(segment.info["scene"]))

    def draw(self, scene: np.ndarray) -> np.ndarray:
        from rl_rewards.envs.pencil_case.scene import draw_scene

        frame = self.tracker.frame if self.out_of_frame else None
        return draw_scene(scene, frame, self.background_cue, has_tracker=self.observation != "image")


class PencilCaseBatch(HostEnv):
    """B copies of the table; see ``HostEnv``."""

    def __init__(self, env: PencilCase, num_envs: int, seed: int) -> None:
        self.env, self.spec, self.num_envs = env, env.spec, num_envs
        self._rng = np.random.default_rng(seed)
        self._stepper = BatchStepper(env.model, num_envs, env.threads, env.substeps)
        self._fix = np.zeros((num_envs, FIX))
        self._elapsed = np.zeros(num_envs, np.int64)

    @property
    def physics_seconds(self) -> float:
        """Wall time spent inside MuJoCo so far."""
        return self._stepper.physics_seconds

    @property
    def positions(self) -> np.ndarray:
        """True pusher x, y, case x, y, yaw: a view [B, 5] f64, metres and radians."""
        return self._stepper.state[:, POSITIONS]

    def reset(self, mask: np.ndarray) -> np.ndarray:
        """Draws starts for all, used or not, so that the random stream does not depend on the mask."""
        start, state = layout.sample_start(self._rng, self.num_envs), self._stepper.state
        state[mask] = 0.0
        state[mask, POSITIONS] = start[mask]
        self._elapsed[mask] = 0
        points, yaw = self._true()
        fresh, pusher = self.env.tracker.report(points, yaw, None)
        self._fix[mask] = fresh[mask]
        return self.env.observe(points, yaw, self._fix, pusher, self.env.lamp(points))

    def step(self, action: np.ndarray) -> StepOut:
        self._stepper.step(np.clip(action, -1.0, 1.0))
        self._elapsed += 1
        points, yaw = self._true()
        last = self._fix if self.env.tracker.remembers else None
        self._fix, pusher = self.env.tracker.report(points, yaw, last)
        lamp = self.env.lamp(points)
        success = layout.is_success(points[:, 1])
        truncated = self._elapsed >= self.env.max_episode_steps
        return StepOut(
            next_obs=self.env.observe(points, yaw, self._fix, pusher, lamp),
            env_reward=success.astype(np.float32),
            terminated=np.zeros(self.num_envs, bool),
            truncated=truncated,
            needs_reset=truncated,
            info={"success": success, "scene": formulas.scene_of(points, yaw, self._fix, lamp)},
        )

    def _true(self) -> tuple[np.ndarray, np.ndarray]:
        """Views: positions of pusher and case [B, 2, 2], yaw [B]."""
        state = self._stepper.state
        return state[:, POINTS].reshape(-1, 2, 2), state[:, YAW]

    def get_state(self) -> np.ndarray:
        """[B, n] f64: full physics, the tracker's last fix, elapsed steps."""
        return np.concatenate([self._stepper.state, self._fix, self._elapsed[:, None]], axis=1)

    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None:
        """Put back rows of ``states`` [B, n] from :meth:`get_state` where ``mask`` [B]."""
        size = self._stepper.state.shape[1]
        self._stepper.state[mask] = states[mask, :size]
        self._fix[mask] = states[mask, size : size + FIX]
        self._elapsed[mask] = states[mask, -1].astype(np.int64)

    def save(self) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, states=self.get_state(), generator=json.dumps(self._rng.bit_generator.state))
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        with np.load(io.BytesIO(saved), allow_pickle=False) as parts:
            self.set_state(np.ones(self.num_envs, bool), parts["states"])
            self._rng.bit_generator.state = json.loads(str(parts["generator"]))

"""The table of ``pencil_case`` in any physics engine: observations, rewards, and methods for people.

The observation is a tracker's report from the camera's picture, or the picture itself; with three switches the tracker
or the picture can be fooled, as in the lecture. Success is judged from the true pose only.
"""

# mujoco is written in C and has no stubs:
# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import mujoco
import numpy as np
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Box, EnvSpec, Transition
from rl_rewards.envs import descriptions
from rl_rewards.envs.base import ExampleStates, HostEnvironment, Plane
from rl_rewards.envs.pencil_case import formulas, layout
from rl_rewards.envs.pencil_case.camera import Tracker, from_report, project, to_report, unproject
from rl_rewards.envs.pencil_case.image import Camera, PillowCamera
from rl_rewards.envs.pencil_case.scripts import ordinary_operation

MODEL = Path(__file__).parent / "assets" / "pencil_case.xml"
POINTS = slice(1, 5)
"""Columns of the physics state, which is time, pusher x, y, case x, y, yaw, then velocities."""

ORDINARY_BATCH = 64
"""Copies that collect ordinary examples in parallel."""

TRACKER_NAMES = ("case u", "case v", "case sin yaw", "case cos yaw", "visible", "pusher u", "pusher v", "background")
TRUE_NAMES = ("case x", "case y", "case sin yaw", "case cos yaw", "pusher x", "pusher y")
SCENE = 9
"""case x, y (m), yaw (rad); pusher x, y (m); reported u, v; visible; lamp."""


@dataclass(frozen=True, kw_only=True)
class PencilCaseTable(HostEnvironment):
    """A table on which a pusher moves a pencil case.

    Action = the pusher's desired velocity [2] in [-1, 1]. ``env_reward`` with ``reward=sparse`` is 1 on success and 0
    elsewhere; with ``reward=distance`` it is minus the length in metres of the case's way to the goal.
    Observations: f32 [8] from the tracker (image coordinates in [-1, 1] over the cropped frame, and beyond it if the
    recording is not cropped; visible 0 or 1; background -1 dark or 1 lit), f32 [6] of the true pose (positions divided
    by half the table's size), or the recorded frame as a picture [image_size, image_size, 3] uint8.

    Raises:
        ConfigError: for an unknown ``engine``, ``observation`` or ``renderer``, or if the renderer does not work.
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
    reward: Literal["sparse", "distance"] = "sparse"

    def __post_init__(self) -> None:
        require(self.reward in ("sparse", "distance"), f"env.reward is {self.reward!r}; it must be sparse or distance.")
        require(self.engine in ("c", "mjx"), f"env.engine is {self.engine!r}; it must be c or mjx.")
        require(
            self.observation in ("tracker", "true_pose", "image"),
            f"env.observation is {self.observation!r}; it must be tracker, true_pose or image.",
        )
        require(self.renderer in ("pillow", "egl"), f"env.renderer is {self.renderer!r}; it must be pillow or egl.")
        require(
            isinstance(self.image_size, int) and self.image_size >= 16,
            f"env.image_size={self.image_size} must be a whole number of at least 16 pixels, to show the case.",
        )
        if self.observation == "image":
            _ = self.camera  # a renderer that does not work stops the run at once

    @cached_property
    def model(self) -> mujoco.MjModel:
        return mujoco.MjModel.from_xml_path(str(MODEL))

    @cached_property
    def tracker(self) -> Tracker:
        return Tracker(out_of_frame=self.out_of_frame, occlusion=self.occlusion)

    @cached_property
    def camera(self) -> Camera:
        """Return the camera that takes the pictures."""
        frame = self.tracker.frame
        if self.renderer == "pillow":
            return PillowCamera(self.image_size, frame, self.occlusion, self.background_cue)
        from rl_rewards.envs.pencil_case.egl import EGLCamera

        return EGLCamera(MODEL, self.image_size, frame, self.occlusion, self.background_cue)

    @property
    def spec(self) -> EnvSpec:
        return self._spec

    @cached_property
    def _spec(self) -> EnvSpec:
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
        return Requirements(size_key=("image_size", self.image_size) if self.observation == "image" else None)

    def observe(
        self, points: np.ndarray, yaw: np.ndarray, fix: np.ndarray, pusher: np.ndarray, lamp: np.ndarray
    ) -> np.ndarray:
        """Return observations [B, ...] of the true positions ``points`` [B, 2, 2] or of the tracker's report."""
        if self.observation == "image":
            return self.camera.pictures(points, yaw, lamp > 0.0)
        if self.observation == "tracker":
            return formulas.tracker_obs(fix, pusher, lamp)
        return formulas.true_obs(points, yaw)

    def reward_of(self, obs: Array, action: Array, next_obs: Array) -> Array | None:
        """Return the true reward of true poses, else None: a tracker can be fooled, and a picture can be cropped."""
        del obs, action
        if self.observation != "true_pose":
            return None
        return self.paid(next_obs[..., :2] * np.asarray(layout.TABLE_HALF_SIZE, np.float32))

    def paid(self, case: layout.Positions) -> Float[layout.Either, "*batch"]:
        """Return the true reward of the case's true positions [..., 2] in metres."""
        paid = -layout.distance_to_goal(case) if self.reward == "distance" else layout.is_success(case)
        return paid.astype(np.float32)

    def lamp(self, points: np.ndarray) -> np.ndarray:
        """Return True where the lamp is lit, [B] bool."""
        return formulas.lamp_is_lit(points, self.background_cue)

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """Return goals (the case placed behind the notebook, the lamp lit) or non-goals (ordinary operation in front,
        in the dark)."""
        if not goal:
            obs, action = ordinary_operation(self.make(ORDINARY_BATCH, int(rng.integers(2**31))), rng, n)
            return ExampleStates(obs=obs, action=action)
        positions = layout.sample_goal(rng, n)
        lamp = np.full(n, float(self.background_cue))
        obs = self.look(positions, lamp)
        return ExampleStates(obs=obs, action=rng.uniform(-1.0, 1.0, (n, 2)).astype(np.float32))

    def look(self, positions: np.ndarray, lamp: np.ndarray) -> np.ndarray:
        """Return observations of joint ``positions`` [n, 5] just after a person has placed the tracker on the case."""
        points = positions[:, :4].reshape(-1, 2, 2)
        fix, pusher = self.tracker.report(points, positions[:, 4], None)
        return self.observe(points, positions[:, 4], fix, pusher, lamp)

    def plane(self, n: int) -> Plane:
        """Return u and v of the case over the recorded frame, with the pusher touching it from the front."""
        x, y = (np.linspace(0.98 * low, 0.98 * high, n) for low, high in zip(*self.tracker.limits, strict=True))
        case = unproject(from_report(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)))
        touching = layout.CASE_HALF_SIZE[1] + layout.PUSHER_RADIUS
        positions = np.concatenate([case - [0.0, touching], case, np.zeros((len(case), 1))], axis=1)
        obs = self.look(positions, np.zeros(len(case)))
        caption = "pusher touching the case from the front; lamp dark"
        return Plane(obs.reshape(n, n, *obs.shape[1:]), x.astype(np.float32), y.astype(np.float32), "u", "v", caption)

    def place(self, scene: np.ndarray) -> np.ndarray:
        """Return u and v of the case as the tracker reports them or, without a tracker, the true ones."""
        return scene[..., 5:7] if self.observation == "tracker" else to_report(project(scene[..., :2]))

    goal_names = ("pusher x, m", "pusher y, m", "case x, m", "case y, m")
    goal_threshold = 0.05
    reversible = False  # the pusher cannot pull

    def goal_features(self, state: np.ndarray) -> np.ndarray:
        """Return the true positions of pusher and case [B, 4] of states [B, n].

        With the case's position alone, Alice's first goals would all equal Bob's start, since she cannot yet move it.
        """
        return state[:, POINTS].astype(np.float32)

    def describe(self, segment: Transition) -> str:
        return descriptions.of_pencil_case(np.asarray(segment.info["scene"]), layout.NOTEBOOK_HALF_SIZE[0])

    @property
    def legend(self) -> str:
        return (
            "A table as a camera sees it: the red pencil case, the standing blue notebook, and the hand with a stick "
            "that pushes. The green place behind the notebook is the goal. The cross-hair is where a tracker reports "
            "the case: green while it sees the case, and red if not."
        )

    def draw(self, scene: np.ndarray) -> np.ndarray:
        from rl_rewards.envs.pencil_case.scene import draw_scene

        frame = self.tracker.frame if self.out_of_frame else None
        return draw_scene(scene, frame, self.background_cue, has_tracker=self.observation != "image")

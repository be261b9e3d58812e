"""The pencil case as an ordinary Gymnasium environment, and a host environment that runs B of them in SyncVectorEnv.

``OrdinaryPencilCase`` is what a person would write: one model, ``mj_step`` in a loop, the tracker in plain scalar
Python. ``SyncPencilCase`` puts Gymnasium's own vector environment in the place of our C-threaded batch and leaves
everything else, examples and evaluation included, as it is.
"""

# mujoco is written in C and has no stubs:
# pyright: reportAttributeAccessIssue=false

import math
from dataclasses import asdict, dataclass

import gymnasium
import mujoco
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from rl_rewards.core.types import StepOut
from rl_rewards.envs.base import ExampleStates, HostEnv
from rl_rewards.envs.pencil_case import camera, layout
from rl_rewards.envs.pencil_case.env import PencilCase
from rl_rewards.envs.pencil_case.table import MODEL, PencilCaseTable

NO_CHECKPOINTS = NotImplementedError("A benchmark keeps no checkpoints.")


class OrdinaryPencilCase(gymnasium.Env):
    """One table with a cropped picture (``out_of_frame``), the main job's; the other two switches are off."""

    def __init__(self, substeps: int, max_episode_steps: int) -> None:
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (8,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.model = mujoco.MjModel.from_xml_path(str(MODEL))
        self.data = mujoco.MjData(self.model)
        self.substeps, self.limit = substeps, max_episode_steps
        centre, half = camera.Tracker(out_of_frame=True, occlusion=False).frame
        (self.centre_u, self.centre_v), (self.half_u, self.half_v) = centre.tolist(), half.tolist()
        rise = camera.TRACK_HEIGHT - camera.POSITION[2]
        forward, up = camera.FORWARD.tolist(), camera.UP.tolist()
        self.depth = (forward[1], float(forward[2] * rise - forward[1] * camera.POSITION[1]))
        self.across = camera.FOCAL / camera.ASPECT
        self.along = (camera.FOCAL * up[1], float(camera.FOCAL * (up[2] * rise - up[1] * camera.POSITION[1])))
        self.elapsed, self.yaw_seen = 0, (0.0, 1.0)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = layout.sample_start(self.np_random, 1)[0]
        self.elapsed = 0
        return self._look(fresh=True), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.data.ctrl[:] = np.clip(action, -1.0, 1.0)
        mujoco.mj_step(self.model, self.data, self.substeps)
        self.elapsed += 1
        _, _, x, y, _ = self.data.qpos.tolist()
        success = abs(x) < layout.GOAL_HALF_WIDTH and layout.GOAL_DEPTH[0] < y < layout.GOAL_DEPTH[1]
        return self._look(), float(success), False, self.elapsed >= self.limit, {"success": success}

    def _look(self, fresh: bool = False) -> np.ndarray:
        pusher_x, pusher_y, x, y, yaw = self.data.qpos.tolist()
        u, v = self._project(x, y)
        visible = abs(u) <= 1.0 and abs(v) <= 1.0
        if visible or fresh:
            self.yaw_seen = math.sin(yaw), math.cos(yaw)
        pusher_u, pusher_v = self._project(pusher_x, pusher_y)
        seen = (_clip(u), _clip(v), *self.yaw_seen, float(visible), _clip(pusher_u), _clip(pusher_v), -1.0)
        return np.array(seen, np.float32)

    def _project(self, x: float, y: float) -> tuple[float, float]:
        """Into the recorded frame."""
        depth = self.depth[0] * y + self.depth[1]
        u, v = self.across * x / depth, (self.along[0] * y + self.along[1]) / depth
        return (u - self.centre_u) / self.half_u, (v - self.centre_v) / self.half_v


def _clip(value: float) -> float:
    return min(max(value, -1.0), 1.0)


@dataclass(frozen=True, kw_only=True)
class SyncPencilCase(PencilCaseTable):
    """Like ``env=pencil_case``, stepped by Gymnasium's SyncVectorEnv; ``threads`` has no meaning here."""

    def make(self, num_envs: int, seed: int) -> "SyncBatch":
        return SyncBatch(self, num_envs, seed)

    def collect_examples(self, rng: np.random.Generator, n: int, goal: bool) -> ExampleStates:
        """The main job's own: scripts that read true positions from our batch record them before training."""
        return PencilCase(**asdict(self)).collect_examples(rng, n, goal)


class SyncBatch(HostEnv):
    """``SyncVectorEnv`` as a ``HostEnv``: it resets only what it is told to, so that ``next_obs`` is the successor."""

    def __init__(self, env: SyncPencilCase, num_envs: int, seed: int) -> None:
        self.spec, self.num_envs = env.spec, num_envs
        self.vector = SyncVectorEnv(
            [lambda: OrdinaryPencilCase(env.substeps, env.max_episode_steps)] * num_envs,
            autoreset_mode=AutoresetMode.DISABLED,
        )
        self._obs, _ = self.vector.reset(seed=seed)
        # The report's pictures read it; nothing draws in the benchmark.
        self._scene = np.zeros((num_envs, *self.spec.info["scene"]), np.float32)

    def reset(self, mask: np.ndarray) -> np.ndarray:
        if mask.any():
            self._obs, _ = self.vector.reset(options={"reset_mask": mask})
        return self._obs

    def step(self, action: np.ndarray) -> StepOut:
        self._obs, reward, terminated, truncated, info = self.vector.step(action)
        return StepOut(
            next_obs=self._obs,
            env_reward=np.asarray(reward, np.float32),
            terminated=terminated,
            truncated=truncated,
            needs_reset=truncated,
            info={"success": np.asarray(info["success"], bool), "scene": self._scene},
        )

    def get_state(self) -> np.ndarray:
        raise NO_CHECKPOINTS

    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None:
        raise NO_CHECKPOINTS

    def save(self) -> bytes:
        raise NO_CHECKPOINTS

    def load(self, saved: bytes) -> None:
        raise NO_CHECKPOINTS

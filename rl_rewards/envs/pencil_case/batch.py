"""``pencil_case`` in MuJoCo's C engine: a batch of tables that is stepped in threads."""

import io
import json

import numpy as np

from rl_rewards.core.types import StepOut
from rl_rewards.envs.base import HostEnv
from rl_rewards.envs.pencil_case import formulas, layout
from rl_rewards.envs.pencil_case.camera import FIX
from rl_rewards.envs.pencil_case.mujoco_rollout import BatchStepper
from rl_rewards.envs.pencil_case.table import POINTS, PencilCaseTable

YAW, POSITIONS = 5, slice(1, 6)
"""Columns of the physics state, in addition to ``POINTS``."""


class PencilCaseBatch(HostEnv):
    """B copies of the table; see ``HostEnv``."""

    def __init__(self, env: PencilCaseTable, num_envs: int, seed: int) -> None:
        self.env, self.spec, self.num_envs = env, env.spec, num_envs
        self._rng = np.random.default_rng(seed)
        self._stepper = BatchStepper(env.model, num_envs, env.threads, env.substeps)
        self._fix = np.zeros((num_envs, FIX))
        self._elapsed = np.zeros(num_envs, np.int64)

    @property
    def physics_seconds(self) -> float:
        """Return the wall time spent inside MuJoCo so far, in seconds."""
        return self._stepper.physics_seconds

    @property
    def positions(self) -> np.ndarray:
        """Return a view of the true pusher x, y, case x, y, yaw: [B, 5] f64, metres and radians."""
        return self._stepper.state[:, POSITIONS]

    def reset(self, mask: np.ndarray) -> np.ndarray:
        """Begin new episodes where ``mask``; starts are drawn for all, so that the random stream ignores the mask."""
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
            env_reward=self.env.paid(points[:, 1]),
            terminated=np.zeros(self.num_envs, bool),
            truncated=truncated,
            needs_reset=truncated,
            info={"success": success, "scene": formulas.scene_of(points, yaw, self._fix, lamp)},
        )

    def _true(self) -> tuple[np.ndarray, np.ndarray]:
        """Return views of the positions of pusher and case [B, 2, 2], and of the yaw [B]."""
        state = self._stepper.state
        return state[:, POINTS].reshape(-1, 2, 2), state[:, YAW]

    def get_state(self) -> np.ndarray:
        """Return the full physics, the tracker's last fix and the elapsed steps, [B, n] f64."""
        return np.concatenate([self._stepper.state, self._fix, self._elapsed[:, None]], axis=1)

    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None:
        """Restore rows of ``states`` [B, n] from :meth:`get_state` where ``mask`` [B] is True."""
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

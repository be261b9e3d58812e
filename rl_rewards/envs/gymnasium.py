"""``gymnasium``: any registered Gymnasium id, or ``module:Id`` of one's own, in plain environments of this process.

Each is stepped and reset by itself, without Gymnasium's vector environments, so that ``next_obs`` is the true
successor; the step limit is counted here, apart from the environment's own ``terminated``.
"""

import atexit
import io
import json
import logging
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import CannotDraw, ConfigError
from rl_rewards.core.types import EnvSpec, StepOut
from rl_rewards.envs.base import OtherPeoples
from rl_rewards.envs.gymnasium_checks import action_space, numbers, obs_box, one_line, registered
from rl_rewards.envs.gymnasium_state import Restorer, continues_exactly, restorer


@dataclass(frozen=True, kw_only=True)
class Gymnasium(OtherPeoples):
    """Keys and units: configs/env/gymnasium.yaml. Discrete observations become f32 one-hot vectors.

    Raises:
        ConfigError: for an id that cannot be made, spaces that are not supported, and info keys that are not there;
            when ``spec`` is first read.
    """

    id: str
    kwargs: dict[str, Any]
    max_episode_steps: int | None
    info: tuple[str, ...]
    success: str | None
    ends_early: bool

    def __post_init__(self) -> None:
        check_fields(self, "env")
        limit = self.max_episode_steps
        require(limit is None or limit > 0, f"env.max_episode_steps={limit} must be at least 1, or null.")
        taken = sorted({"success", "scene"} & set(self.info))
        require(not taken, f"env.info has '{(taken or [''])[0]}', which has a meaning here; see env.success.")

    @cached_property
    def spec(self) -> EnvSpec:
        """Found out by making one environment and trying a step."""
        env = self.make_one()
        limit = self.max_episode_steps or registered(self.id).max_episode_steps
        if limit is None:
            raise ConfigError(f"{self.id} has no registered step limit; give one with env.max_episode_steps=N.")
        obs, action = obs_box(self.id, env.observation_space), action_space(self.id, env.action_space)
        env.action_space.seed(0)
        env.reset(seed=0)
        self.read_info(env.step(env.action_space.sample())[4])
        state = restorer(env)
        info: dict[str, tuple[int, ...]] = dict.fromkeys(self.info, ())
        if self.success is not None:
            info["success"] = ()
        if state is not None:
            info["scene"] = state.scene().shape
        frames_per_second = env.metadata.get("render_fps")
        spec = EnvSpec(
            name=self.id.rpartition(":")[2],
            obs=obs,
            action=action,
            max_episode_steps=limit,
            info=info,
            ends_early=self.ends_early,
            restores=continues_exactly(env),
            has_success=self.success is not None,
            step_seconds=1.0 / frames_per_second if frames_per_second else 1.0,
        )
        env.close()
        return spec

    def make(self, num_envs: int, seed: int) -> "GymnasiumBatch":
        return GymnasiumBatch(self, num_envs, seed)

    def make_one(self, **kwargs: Any) -> gymnasium.Env:
        """One environment, without Gymnasium's own time limit."""
        registered(self.id)
        kwargs = {**self.kwargs, **kwargs}
        try:
            return gymnasium.make(self.id, max_episode_steps=-1, disable_env_checker=True, **kwargs)
        except Exception as error:  # whatever the environment's own constructor raises
            raise ConfigError(f"env.id={self.id} cannot be made: {one_line(error)}") from error

    def read_info(self, info: dict[str, Any]) -> dict[str, Any]:
        """The wanted numbers of one step's ``info``; success as a bool."""
        wanted = [*self.info, *([self.success] if self.success is not None else [])]
        for name in wanted:
            if name not in info or np.size(info[name]) != 1:
                raise ConfigError(
                    f"{self.id} gives no number '{name}' in a step's info, which env.info or env.success asks for; "
                    f"it gives {', '.join(numbers(info)) or 'none'}."
                )
        row: dict[str, Any] = {name: np.float32(np.asarray(info[name]).item()) for name in self.info}
        if self.success is not None:
            row["success"] = bool(np.asarray(info[self.success]).item())
        return row

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Raises CannotDraw where the environment's renderer does not work on this machine."""
        try:
            env, state = self._artist
            state.show(scene)
            return np.asarray(env.render())
        except Exception as error:  # renderers fail in many ways
            raise CannotDraw(
                f"{self.id} cannot be drawn here: {one_line(error)} (MuJoCo needs EGL or OSMesa, chosen by MUJOCO_GL; "
                "classic control needs pygame: pip install 'gymnasium[classic-control]')"
            ) from error

    @cached_property
    def _artist(self) -> tuple[gymnasium.Env, Restorer]:
        """An environment of its own to draw with."""
        if "DISPLAY" not in os.environ and sys.platform == "linux":
            os.environ.setdefault("MUJOCO_GL", "egl")  # without it, a window is tried, which kills the renderer
        logging.getLogger("OpenGL").setLevel(logging.WARNING)  # it tells what it has not
        env = self.make_one(render_mode="rgb_array")
        env.reset(seed=0)
        state = restorer(env)
        assert state is not None, "only those have scenes"
        model = getattr(env.unwrapped, "model", None)
        if model is not None:  # shadows and smooth edges make software rendering ten times slower
            model.vis.quality.offsamples = model.vis.quality.shadowsize = 0
        env.render()
        atexit.register(env.close)  # after the renderer has registered its own end, and so before it
        return env, state


class GymnasiumBatch:
    """B separate environments; see ``HostEnv``."""

    def __init__(self, env: Gymnasium, num_envs: int, seed: int) -> None:
        self.env, self.spec, self.num_envs = env, env.spec, num_envs
        self._envs = [env.make_one() for _ in range(num_envs)]
        self._obs_space, self._action_space = self._envs[0].observation_space, self._envs[0].action_space
        states = (restorer(one) for one in self._envs)
        self._restorers = [state for state in states if state is not None]  # of all, or of none
        seeds = np.random.SeedSequence(seed).generate_state(num_envs)
        self._seeds: list[int | None] = [int(s) for s in seeds]  # None once used, at the first reset
        self._obs = np.zeros((num_envs, *self.spec.obs.shape), self.spec.obs.dtype)
        self._elapsed = np.zeros(num_envs, np.int64)

    def reset(self, mask: np.ndarray) -> np.ndarray:
        self._obs = self._obs.copy()  # the last one returned stays what it was
        for i in np.flatnonzero(mask):
            obs, _ = self._envs[i].reset(seed=self._seeds[i])
            self._seeds[i] = None
            self._obs[i] = self._encoded(obs)
            self._elapsed[i] = 0
        return self._obs

    def step(self, action: np.ndarray) -> StepOut:
        rewards, terminated = np.empty(self.num_envs, np.float32), np.empty(self.num_envs, bool)
        truncated = np.empty(self.num_envs, bool)
        self._obs = np.empty_like(self._obs)
        infos = []
        for i, (env, one) in enumerate(zip(self._envs, self._decoded(action), strict=True)):
            obs, rewards[i], terminated[i], truncated[i], info = env.step(one)
            self._obs[i] = self._encoded(obs)
            infos.append(self.env.read_info(info))
        self._elapsed += 1
        truncated = (truncated | (self._elapsed >= self.spec.max_episode_steps)) & ~terminated
        info = {name: np.stack([row[name] for row in infos]) for name in infos[0]}
        if "scene" in self.spec.info:
            info["scene"] = np.stack([state.scene() for state in self._restorers])
        return StepOut(self._obs, rewards, terminated, truncated, terminated | truncated, info)

    def _encoded(self, obs: Any) -> Any:
        """An observation as the spec has it."""
        space = self._obs_space
        if not isinstance(space, spaces.Discrete):
            return obs
        one_hot = np.zeros(int(space.n), np.float32)
        one_hot[int(obs) - int(space.start)] = 1.0
        return one_hot

    def _decoded(self, action: np.ndarray) -> Any:
        """Actions as the environments take them: real ones inside their bounds."""
        space = self._action_space
        if isinstance(space, spaces.Discrete):
            return [int(a) + int(space.start) for a in action]
        assert isinstance(space, spaces.Box)
        return np.clip(action, space.low, space.high).astype(space.dtype)

    def get_state(self) -> np.ndarray:
        """[B, n] f64: elapsed steps, the current observation, the family's state. Raises ConfigError if unknown."""
        require(self.spec.restores, f"{self.env.id} cannot restore a state, which this run needs.")
        states = np.stack([state.read() for state in self._restorers])
        flat_obs = self._obs.reshape(self.num_envs, -1).astype(np.float64)
        return np.concatenate([self._elapsed[:, None], flat_obs, states], axis=1)

    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None:
        """Put back rows of ``states`` from :meth:`get_state` where ``mask`` [B]; also before the first reset."""
        require(self.spec.restores, f"{self.env.id} cannot restore a state, which this run needs.")
        if any(self._seeds[i] is not None for i in np.flatnonzero(mask)):
            self.reset(mask)  # Gymnasium wants one before the first step
        size = int(np.prod(self.spec.obs.shape))
        self._obs = self._obs.copy()
        for i in np.flatnonzero(mask):
            self._elapsed[i] = int(states[i, 0])
            self._obs[i] = states[i, 1 : 1 + size].reshape(self.spec.obs.shape)
            self._restorers[i].write(states[i, 1 + size :])

    def save(self) -> bytes:
        """Random generators always; states where they can be restored."""
        generators = [env.unwrapped.np_random.bit_generator.state for env in self._envs]
        states = self.get_state() if self.spec.restores else np.zeros((self.num_envs, 0))
        buffer = io.BytesIO()
        np.savez(buffer, restores=self.spec.restores, states=states, generators=json.dumps(generators))
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        """Go on where :meth:`save` was called; without states, with fresh episodes of the same random streams."""
        everywhere = np.ones(self.num_envs, bool)
        with np.load(io.BytesIO(saved), allow_pickle=False) as parts:
            self.reset(everywhere)
            for env, state in zip(self._envs, json.loads(str(parts["generators"])), strict=True):
                env.unwrapped.np_random.bit_generator.state = state
            if parts["restores"]:
                self.set_state(everywhere, parts["states"])
            else:
                self.reset(everywhere)

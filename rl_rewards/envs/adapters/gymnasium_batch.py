"""B plain Gymnasium environments, stepped one after the other."""

import io
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from rl_rewards.core.checks import require
from rl_rewards.core.types import EnvSpec, StepOut
from rl_rewards.envs.adapters.faults import check_ends
from rl_rewards.envs.adapters.gymnasium_state import (
    generators_as_json,
    generators_from_json,
    read_generator,
    restorer,
    write_generator,
)
from rl_rewards.envs.adapters.returned import Reader
from rl_rewards.envs.base import HostEnv


class GymnasiumBatch(HostEnv):
    """B separate environments; see ``HostEnv``."""

    def __init__(self, spec: EnvSpec, reader: Reader, envs: list[gymnasium.Env], seed: int) -> None:
        self.spec, self.num_envs = spec, len(envs)
        self._reader, self._envs = reader, envs
        self._action_space = envs[0].action_space
        states = (restorer(one) for one in envs)
        self._restorers = [state for state in states if state is not None]  # one per environment, or none at all
        seeds = np.random.SeedSequence(seed).generate_state(self.num_envs)
        self._seeds: list[int | None] = [int(s) for s in seeds]  # None after the first reset has used it
        self._rows = reader.observations.buffer(self.num_envs)  # observations as the environments returned them
        self._obs = np.zeros((self.num_envs, *spec.obs.shape), spec.obs.dtype)
        self._elapsed = np.zeros(self.num_envs, np.int64)
        self._numbers = np.arange(self.num_envs)

    def reset(self, mask: np.ndarray) -> np.ndarray:
        self._obs = self._obs.copy()  # the array returned last must not change
        fresh = np.flatnonzero(mask)
        if not len(fresh):
            return self._obs
        for i in fresh.tolist():
            self._reader.reset(self._envs[i], i, self._seeds[i], self._rows)
            self._seeds[i] = None
        self._elapsed[fresh] = 0
        self._reader.check_values(self._rows[fresh], fresh, self._elapsed[fresh])
        self._obs[fresh] = self._rows[fresh]
        return self._obs

    def step(self, action: np.ndarray) -> StepOut:
        size, reader = self.num_envs, self._reader
        rewards, terminated, cut = np.empty(size, np.float32), np.empty(size, bool), np.empty(size, bool)
        self._elapsed += 1
        steps, infos = self._elapsed.tolist(), []
        for i, (env, one) in enumerate(zip(self._envs, self._decoded(action), strict=True)):
            rewards[i], terminated[i], cut[i], info = reader.step(env, i, steps[i], one, self._rows)
            infos.append(info)
        reader.check_values(self._rows, self._numbers, self._elapsed)
        self._obs = reader.observations.encoded(self._rows)
        ended = terminated | cut
        if not self.spec.ends_early:
            check_ends(reader.env_id, ended, self._elapsed, self.spec.max_episode_steps)
        over = ended | (self._elapsed >= self.spec.max_episode_steps)
        return StepOut(self._obs, rewards, terminated, over & ~terminated, over, self._info(infos, ended, over, steps))

    def _info(self, infos: list[Any], ended: np.ndarray, over: np.ndarray, steps: list[int]) -> dict[str, np.ndarray]:
        """Return the last step's info: the numbers that env.info asks for, success and scenes.

        Args:
            ended: [B] True where the environment itself terminated or truncated its episode.
            over: [B] True where the episode is over, also where only the step limit ended it.
        """
        reader, info = self._reader, {}
        if reader.wants_info:
            ends, overs = ended.tolist(), over.tolist()
            rows = [reader.read_info(one, i, steps[i], ends[i], overs[i]) for i, one in enumerate(infos)]
            for name in rows[0]:
                info[name] = np.array([row[name] for row in rows], bool if name == "success" else np.float32)
        if "scene" in self.spec.info:
            info["scene"] = np.stack([state.scene() for state in self._restorers])
        return info

    def _decoded(self, action: np.ndarray) -> Any:
        """Return actions as the environments expect them: real actions are clipped to their bounds."""
        space = self._action_space
        if isinstance(space, spaces.Discrete):
            return [int(a) + int(space.start) for a in action]
        assert isinstance(space, spaces.Box)
        return np.clip(action, space.low, space.high).astype(space.dtype)

    def get_state(self) -> np.ndarray:
        """Return elapsed steps, the current observation and the simulator's state, [B, n] f64.

        Raises:
            ConfigError: if the environment cannot restore a state.
        """
        require(self.spec.restores, f"{self._reader.env_id} cannot restore a state, which this run needs.")
        states = np.stack([state.read() for state in self._restorers])
        flat_obs = self._obs.reshape(self.num_envs, -1).astype(np.float64)
        return np.concatenate([self._elapsed[:, None], flat_obs, states], axis=1)

    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None:
        """Restore rows of ``states`` from :meth:`get_state` where ``mask`` [B]; also before the first reset."""
        require(self.spec.restores, f"{self._reader.env_id} cannot restore a state, which this run needs.")
        if any(self._seeds[i] is not None for i in np.flatnonzero(mask)):
            self.reset(mask)  # Gymnasium requires a reset before the first step
        size = int(np.prod(self.spec.obs.shape))
        self._obs = self._obs.copy()
        for i in np.flatnonzero(mask):
            self._elapsed[i] = int(states[i, 0])
            self._obs[i] = self._rows[i] = states[i, 1 : 1 + size].reshape(self.spec.obs.shape)
            self._restorers[i].write(states[i, 1 + size :])

    def save(self) -> bytes:
        """Return the random generators and, if states can be restored, the states."""
        generators = generators_as_json([read_generator(env) for env in self._envs])
        states = self.get_state() if self.spec.restores else np.zeros((self.num_envs, 0))
        buffer = io.BytesIO()
        np.savez(buffer, restores=self.spec.restores, states=states, generators=generators)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        """Continue where :meth:`save` was called; without states, begin new episodes from the same random streams."""
        everywhere = np.ones(self.num_envs, bool)
        with np.load(io.BytesIO(saved), allow_pickle=False) as parts:
            self.reset(everywhere)
            for env, state in zip(self._envs, generators_from_json(str(parts["generators"])), strict=True):
                write_generator(env, state)
            if parts["restores"]:
                self.set_state(everywhere, parts["states"])
            else:
                self.reset(everywhere)

"""``envpool``: environments of envpool, stepped together in C++ threads. The optional package is imported on first use.

envpool resets an ended environment by itself on the step after the end, so that ``next_obs`` is the true successor only
if ended environments are reset before the next step: a step across an end is refused. envpool's own step limit is
disabled and the steps are counted here. envpool can neither read nor write a state.
"""

import difflib
import importlib
import io
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium import spaces

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import CannotDraw, ConfigError, one_line
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, StepOut
from rl_rewards.envs.adapters.faults import check_ends, environment_fault
from rl_rewards.envs.adapters.gymnasium_checks import action_space, numbers, obs_box
from rl_rewards.envs.adapters.returned import AUTO, are_successes, find_success
from rl_rewards.envs.base import HostEnv, HostEnvironment

NO_LIMIT = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Envpool(HostEnvironment):
    """An environment of envpool; keys and units: configs/env/envpool.yaml.

    Discrete observations become f32 one-hot vectors.

    Raises:
        ConfigError: if the package is missing, for an unknown id or setting, for spaces that are not supported, and for
            info keys that do not exist, when ``spec`` is first read.
    """

    id: str
    kwargs: dict[str, Any]
    max_episode_steps: int | None
    info: tuple[str, ...]
    success: str | None
    ends_early: bool
    threads: int

    def __post_init__(self) -> None:
        check_fields(self, "env")
        limit = self.max_episode_steps
        require(limit is None or limit > 0, f"env.max_episode_steps={limit} must be at least 1, or null.")
        require(self.threads > 0, f"env.threads={self.threads} must be at least 1.")
        taken = sorted({"success", "scene"} & set(self.info))
        require(not taken, f"env.info has '{(taken or [''])[0]}', which is a reserved name; see env.success.")

    @property
    def spec(self) -> EnvSpec:
        return self._found[0]

    @property
    def success_key(self) -> str | None:
        """Return the info key of success, given or found by env.success=auto; None if there is none."""
        return self._found[1]

    @property
    def requirements(self) -> Requirements:
        return Requirements(notes=tuple(self._found[2]))

    @cached_property
    def _found(self) -> tuple[EnvSpec, str | None, list[str]]:
        """Return the spec, the key of success and notes, found by making one environment and trying a step."""
        pool = self.make_pool([0])
        kind = type(pool.observation_space).__name__
        require(
            kind in ("Box", "Discrete"),
            f"{self.id} observes a {kind}, but only Box and Discrete observations are supported; choose another id.",
        )
        obs, action = obs_box(self.id, pool.observation_space), action_space(self.id, pool.action_space)
        pool.reset()
        told = pool.step(np.array([pool.action_space.sample()]))[4]
        auto = self.success == AUTO
        key, notes = find_success({k: v[0] for k, v in told.items() if np.ndim(v) == 1}) if auto else (self.success, [])
        self.read_info(told, key, np.ones(1, np.int64))
        info: dict[str, tuple[int, ...]] = dict.fromkeys(self.info, ())
        if key is not None:
            info["success"] = ()
        spec = EnvSpec(
            name=self.id,
            obs=obs,
            action=action,
            max_episode_steps=self.max_episode_steps or int(_package().make_spec(self.id).config.max_episode_steps),
            info=info,
            ends_early=self.ends_early,
            restores=False,
            has_success=key is not None,
        )
        return spec, key, notes

    def make(self, num_envs: int, seed: int) -> "EnvpoolBatch":
        return EnvpoolBatch(self, num_envs, seed)

    def make_pool(self, seeds: list[int]) -> Any:
        """Return a pool of one environment per seed, without envpool's own step limit."""
        package = _package()
        known = package.list_all_envs()
        if self.id not in known:
            close = difflib.get_close_matches(self.id, known, n=3)
            meant = f"did you mean {' or '.join(close)}?" if close else "nothing in it has a similar name."
            raise ConfigError(f"envpool has no environment '{self.id}'; {meant}")
        settings = {**self.kwargs, "num_envs": len(seeds), "seed": seeds, "max_episode_steps": NO_LIMIT}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the precision of bounds
                pool = package.make(self.id, env_type="gymnasium", num_threads=self.threads, **settings)
                _ = pool.observation_space, pool.action_space
                return pool
        except Exception as error:  # whatever the environment's own constructor raises
            raise ConfigError(f"env.id={self.id} cannot be made by envpool: {one_line(error)}.") from error

    def read_info(self, info: dict[str, Any], success: str | None, steps: np.ndarray) -> dict[str, np.ndarray]:
        """Return the numbers [B] of ``info`` that env.info asks for, and those of the key ``success`` as bools.

        Args:
            steps: [B] steps of the copies' episodes so far, for the message about a number that is neither 0 nor 1.
        """
        size = len(info["env_id"])
        for name in (*self.info, *([success] if success is not None else [])):
            if name not in info or np.shape(info[name]) != (size,):
                given = ", ".join(name for name in numbers({k: v[:1] for k, v in info.items() if np.ndim(v) == 1}))
                raise ConfigError(
                    f"{self.id} gives no number '{name}' in a step's info, which env.info or env.success asks for; "
                    f"it gives {given or 'none'}."
                )
        row = {name: np.asarray(info[name], np.float32) for name in self.info}
        if success is not None:
            row["success"] = are_successes(self.id, success, np.asarray(info[success]), steps)
        return row

    def draw(self, scene: np.ndarray) -> np.ndarray:
        raise CannotDraw(f"{self.id} is not drawn: envpool's environments record no scenes")


class EnvpoolBatch(HostEnv):
    """B environments of one pool; see ``HostEnv``."""

    def __init__(self, env: Envpool, num_envs: int, seed: int) -> None:
        self.env, self.spec, self.num_envs = env, env.spec, num_envs
        self._seed, self._steps = seed, 0
        self._begin()

    def _begin(self) -> None:
        """Make a pool from this batch's seed and number of steps; every environment then needs a reset."""
        seeds = np.random.SeedSequence([self._seed, self._steps]).generate_state(self.num_envs)
        self._pool = self.env.make_pool([int(seed) % NO_LIMIT for seed in seeds])
        self._obs = np.zeros((self.num_envs, *self.spec.obs.shape), self.spec.obs.dtype)
        self._elapsed = np.zeros(self.num_envs, np.int64)
        self._ended = np.ones(self.num_envs, bool)

    def reset(self, mask: np.ndarray) -> np.ndarray:
        self._obs = self._obs.copy()  # the array returned last must not change
        if mask.any():
            obs, info = self._pool.reset(np.flatnonzero(mask).astype(np.int32))
            self._obs[info["env_id"]] = self._encoded(obs)
            self._elapsed[mask], self._ended[mask] = 0, False
        return self._obs

    def step(self, action: np.ndarray) -> StepOut:
        """Step all environments.

        Raises:
            RuntimeError: if an environment has ended and was not reset, since envpool would reset it by itself.
        """
        if self._ended.any():
            raise RuntimeError(
                f"The environments {np.flatnonzero(self._ended).tolist()} have ended and need a reset first."
            )
        obs, reward, terminated, cut, info = self._pool.step(self._decoded(action))
        self._obs = self._encoded(obs)
        self._steps += 1
        self._elapsed += 1
        terminated = np.asarray(terminated, bool)
        truncated = (np.asarray(cut, bool) | (self._elapsed >= self.spec.max_episode_steps)) & ~terminated
        self._ended = terminated | np.asarray(cut, bool)
        reward = np.asarray(reward, np.float32)
        self._check_finite(reward)
        if not self.spec.ends_early:
            check_ends(self.env.id, self._ended, self._elapsed, self.spec.max_episode_steps)
        told = self.env.read_info(info, self.env.success_key, self._elapsed)
        return StepOut(self._obs, reward, terminated, truncated, terminated | truncated, told)

    def _check_finite(self, reward: np.ndarray) -> None:
        finite = np.isfinite(reward)
        if self._obs.dtype != np.uint8:
            finite &= np.isfinite(self._obs).reshape(self.num_envs, -1).all(axis=1)
        if not finite.all():
            number = int(np.argmin(finite))
            problem = "returned an observation or a reward that is not finite as float32"
            raise environment_fault(self.env.id, number, int(self._elapsed[number]), problem)

    def _encoded(self, obs: np.ndarray) -> np.ndarray:
        """Return observations in the spec's shape and dtype."""
        if isinstance(self._pool.observation_space, spaces.Discrete):
            return np.eye(self.spec.obs.shape[0], dtype=np.float32)[obs]
        return np.array(obs, self.spec.obs.dtype)

    def _decoded(self, action: np.ndarray) -> np.ndarray:
        """Return actions as the environments expect them: real actions are clipped to their bounds."""
        space = self._pool.action_space
        if isinstance(space, spaces.Discrete):
            return np.asarray(action, np.int32)
        return np.clip(action, space.low, space.high).astype(space.dtype)

    def get_state(self) -> np.ndarray:
        raise ConfigError(f"{self.env.id} in envpool cannot restore a state, which this run needs; try env=gymnasium.")

    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None:
        self.get_state()

    def save(self) -> bytes:
        """Return the seed and the number of steps; states are not saved."""
        buffer = io.BytesIO()
        np.savez(buffer, seed=self._seed, steps=self._steps)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        """Begin new episodes, other than those at the start, and the same ones after every load of ``saved``."""
        with np.load(io.BytesIO(saved), allow_pickle=False) as parts:
            self._seed, self._steps = int(parts["seed"]), int(parts["steps"])
        self._begin()
        self.reset(np.ones(self.num_envs, bool))


def _package() -> Any:
    try:
        return importlib.import_module("envpool")
    except ImportError as error:
        raise ConfigError(
            "env=envpool needs the package envpool, which is not installed; pip install 'rl_rewards[envpool]' (Linux "
            "only), or choose env=gymnasium."
        ) from error

"""``gymnax``: any gymnax id, stepped by ``step_env`` and reset by ``reset_env``; gymnax's ``step``, which also resets,
is not used.

Since version 1 ``step_env`` ends an episode only where the task does; the step limit is counted here. gymnax is
imported when it is first needed, without the plotting libraries that it imports: both take seconds.
"""

import difflib
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.util import LazyLoader, find_spec, module_from_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import CannotDraw, ConfigError
from rl_rewards.core.types import Action, Box, Discrete, EnvSpec, Key, Obs, StepOut, clip_action
from rl_rewards.envs.base import JaxEnv

UNBOUNDED = 1e30
"""Bounds beyond this are none: gymnax writes the largest f32 for a missing bound."""
PLOTTING = ("matplotlib.pyplot", "seaborn")
"""Libraries that gymnax imports together with its environments, and that only its own pictures need."""


class GymnaxState(struct.PyTreeNode):
    """One environment; without batch axes."""

    inner: Any  # gymnax's own state
    obs: Obs  # of ``inner``; gymnax may need the last action and a key to compute it
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class Gymnax(JaxEnv):
    """A gymnax environment; keys and units: configs/env/gymnax.yaml.

    Observations become f32 (uint8 stays), and discrete observations become one-hot vectors.
    Differs from Gymnasium: gymnax's MountainCarContinuous keeps its speed at the left wall instead of losing it.

    Raises:
        ConfigError: for an unknown id or parameter, or spaces that are not supported, when ``spec`` is first read.
    """

    id: str
    params: dict[str, Any]
    max_episode_steps: int | None
    ends_early: bool

    def __post_init__(self) -> None:
        check_fields(self, "env")
        limit = self.max_episode_steps
        require(limit is None or limit > 0, f"env.max_episode_steps={limit} must be at least 1, or null.")

    @property
    def spec(self) -> EnvSpec:
        return self._spec

    @cached_property
    def _spec(self) -> EnvSpec:
        env, params = self._made
        with jax.ensure_compile_time_eval():  # spec may be read inside a trace
            obs, action = env.observation_space(params), env.action_space(params)
        return EnvSpec(
            name=self.id,
            obs=self._obs_box(obs),
            action=self._action_space(action),
            max_episode_steps=self.max_episode_steps or int(params.max_steps_in_episode),
            info={},
            ends_early=self.ends_early,
            restores=True,
            has_success=False,
        )

    def reset(self, key: Key) -> GymnaxState:
        env, params = self._made
        obs, inner = env.reset_env(key, params)
        return GymnaxState(inner=jax.tree.map(_strong, inner), obs=self._encoded(obs), elapsed=jnp.zeros((), jnp.int32))

    def observe(self, state: GymnaxState) -> Obs:
        return state.obs

    def step(self, key: Key, state: GymnaxState, action: Action) -> tuple[GymnaxState, StepOut]:
        env, params = self._made
        action = clip_action(self.spec.action, action)
        obs, inner, reward, terminated, _ = env.step_env(key, state.inner, action, params)
        inner = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype).reshape(old.shape), inner, state.inner)
        obs, elapsed = self._encoded(obs), state.elapsed + 1
        terminated = jnp.asarray(terminated, bool).reshape(())
        truncated = (elapsed >= self.spec.max_episode_steps) & ~terminated
        out = StepOut(
            next_obs=obs,
            env_reward=jnp.asarray(reward, jnp.float32).reshape(()),
            terminated=terminated,
            truncated=truncated,
            needs_reset=terminated | truncated,
            info={},
        )
        return GymnaxState(inner=inner, obs=obs, elapsed=elapsed), out

    def draw(self, scene: np.ndarray) -> np.ndarray:
        raise CannotDraw(f"{self.id} is not drawn: gymnax environments record no scenes")

    @cached_property
    def _made(self) -> tuple[Any, Any]:
        """Return gymnax's environment and parameters, made outside any trace."""
        for name in PLOTTING:
            _import_lazily(name)
        import gymnax

        if self.id not in gymnax.registered_envs:
            close = difflib.get_close_matches(self.id, gymnax.registered_envs, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            known = ", ".join(gymnax.registered_envs)
            raise ConfigError(f"gymnax has no environment '{self.id}'; {meant}It has {known}.")
        with jax.ensure_compile_time_eval():
            try:
                env, params = gymnax.make(self.id)
            except Exception as error:  # for example, MNISTBandit tries to download
                raise ConfigError(f"env.id={self.id} cannot be made: {error}") from error
            unknown = sorted(set(self.params) - set(vars(params)))
            if unknown:
                raise ConfigError(
                    f"env.params.{unknown[0]} is not a parameter of {self.id}; it has {', '.join(vars(params))}."
                )
            return env, params.replace(**self.params)

    def _obs_box(self, space: Any) -> Box:
        kind = type(space).__name__
        if kind == "Discrete":
            return Box(shape=(space.n,), low=(0.0,) * space.n, high=(1.0,) * space.n)
        if kind != "Box":
            raise ConfigError(f"{self.id} observes a {kind}, but only Box and Discrete observations are supported.")
        if np.dtype(space.dtype) == np.uint8:
            return Box(shape=tuple(space.shape), dtype="uint8")
        return _float_box(space)

    def _action_space(self, space: Any) -> Box | Discrete:
        kind = type(space).__name__
        if kind == "Discrete":
            return Discrete(int(space.n))
        if kind == "Box" and np.issubdtype(np.dtype(space.dtype), np.floating):
            return _float_box(space)
        raise ConfigError(
            f"{self.id} has the action space {space}, but only Discrete and real Box actions are supported."
        )

    def _encoded(self, obs: Any) -> Obs:
        """Return an observation in the spec's shape and dtype."""
        box = self.spec.obs
        obs = jnp.asarray(obs)
        if obs.shape == () and len(box.shape) == 1 and jnp.issubdtype(obs.dtype, jnp.integer):
            return jax.nn.one_hot(obs, box.shape[0])
        return jnp.asarray(obs, box.dtype).reshape(box.shape)


def _float_box(space: Any) -> Box:
    """Return ``space`` as a Box: without bounds if no side is bounded, else with infinity for an open side."""
    shape = tuple(space.shape)
    sides = [np.ravel(np.broadcast_to(np.asarray(side, np.float64), shape)) for side in (space.low, space.high)]
    low, high = (tuple(float(x) if abs(x) < UNBOUNDED else float(np.sign(x) * np.inf) for x in side) for side in sides)
    if not np.isfinite([*low, *high]).any():
        return Box(shape=shape)
    return Box(shape=shape, low=low, high=high)


def _strong(leaf: Any) -> jax.Array:
    """Return ``leaf`` as an array of fixed dtype; a Python number in the first state would cause a recompilation."""
    array = jnp.asarray(leaf)
    return array.astype(array.dtype)


def _import_lazily(name: str) -> None:
    """Import a module, if it exists, such that it is executed only once something in it is used."""
    spec = None if name in sys.modules else find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = LazyLoader(spec.loader)
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])

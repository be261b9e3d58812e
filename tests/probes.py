"""Analytic environments with known values, and small factories that all tests share.

There are the usual five probes; each adds one part that can be wrong: the critic, its inputs, discounting, the policy,
and the policy's inputs.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import hydra
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from omegaconf import OmegaConf

from rl_rewards.core.types import Box, Discrete, EnvSpec, Experience, StepOut, Transition
from rl_rewards.envs.base import JaxEnv

CONFIGS = Path(__file__).parents[1] / "configs"


@lru_cache
def config(group: str, name: str):
    """Return the configuration ``configs/GROUP/NAME.yaml`` with its defaults."""
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return hydra.compose(config_name=None, overrides=[f"+{group}={name}"])[group]


def make(group: str, name: str, spec: EnvSpec | None = None, **changes: Any) -> Any:
    """Return the object that a YAML describes, with some values changed."""
    cfg = OmegaConf.merge(config(group, name), changes)
    extra = {} if spec is None else {"spec": spec}
    plain = OmegaConf.to_container(cfg, resolve=True)
    return hydra.utils.instantiate({**plain, "_partial_": True}, _convert_="all")(**extra)


def with_model(settings: dict[str, Any]) -> dict[str, Any]:
    """Return ``settings`` with their network keys moved under ``model``, as in a configuration."""
    model = {key: settings[key] for key in ("hidden", "activation", "dropout", "spectral_norm") if key in settings}
    return {key: value for key, value in settings.items() if key not in model} | {"model": model}


def make_spec(obs: int | tuple[int, ...] = 2, action: int | Discrete | Box = 2, **changes: Any) -> EnvSpec:
    """Return a spec, by default with ``obs`` unbounded observations and ``action`` actions in [-1, 1]."""
    if isinstance(action, int):
        action = Box(shape=(action,), low=(-1.0,) * action, high=(1.0,) * action)
    shape = obs if isinstance(obs, tuple) else (obs,)
    values = {
        "name": "test",
        "obs": Box(shape=shape),
        "action": action,
        "max_episode_steps": 10,
        "info": {},
        "ends_early": False,
        "restores": True,
        "has_success": False,
    }
    return EnvSpec(**(values | changes))


def make_rollout(spec: EnvSpec, length: int, num_envs: int, seed: int = 0, **changes: Any) -> Transition:
    """Return random transitions [T, B, ...], by default all valid and without ends of episodes."""
    rng = np.random.default_rng(seed)
    batch = (length, num_envs)
    if isinstance(spec.action, Discrete):
        action = rng.integers(0, spec.action.n, batch).astype(np.int32)
    else:
        action = rng.uniform(-1.0, 1.0, (*batch, *spec.action.shape)).astype(np.float32)
    obs, next_obs = rng.normal(size=(2, *batch, *spec.obs.shape)).astype(np.float32)
    values = {
        "obs": obs,
        "action": action,
        "next_obs": next_obs,
        "env_reward": rng.normal(size=batch).astype(np.float32),
        "terminated": np.zeros(batch, bool),
        "truncated": np.zeros(batch, bool),
        "valid": np.ones(batch, bool),
        "is_demo": np.zeros(batch, bool),
        "behaviour": {},
        "info": {},
    }
    return jax.tree.map(jnp.asarray, Transition(**(values | changes)))


def experience_of(rollout: Transition) -> Experience:
    """Return an experience with ``rollout`` only, for rewards that need nothing else."""

    def unused(*_: Any) -> Any:
        raise AssertionError("nothing in this test should need this part of the experience")

    return Experience(rollout=rollout, sample=unused, sample_segments=unused, log_prob=unused)


class ProbeState(struct.PyTreeNode):
    obs: jax.Array  # [1]
    elapsed: jax.Array


@dataclass(frozen=True, kw_only=True)
class Probe(JaxEnv):
    """Base class: episodes of one step, observation 0, reward 1, two discrete actions."""

    action: Discrete | Box = Discrete(2)
    steps: int = 1
    truncates: bool = False  # True if episodes are truncated instead of terminated

    @property
    def spec(self) -> EnvSpec:
        return make_spec(obs=1, action=self.action, max_episode_steps=self.steps, name=type(self).__name__)

    def first_obs(self, key: jax.Array) -> jax.Array:
        del key
        return jnp.zeros(1)

    def reward(self, obs: jax.Array, action: jax.Array, elapsed: jax.Array) -> jax.Array:
        del obs, action, elapsed
        return jnp.ones(())

    def reset(self, key: jax.Array) -> ProbeState:
        return ProbeState(obs=self.first_obs(key), elapsed=jnp.zeros((), jnp.int32))

    def observe(self, state: ProbeState) -> jax.Array:
        return state.obs

    def step(self, key: jax.Array, state: ProbeState, action: jax.Array) -> tuple[ProbeState, StepOut]:
        del key
        elapsed = state.elapsed + 1
        reward = self.reward(state.obs, action, elapsed)
        state = ProbeState(obs=state.obs + jnp.float32(self.steps > 1), elapsed=elapsed)
        ended, cut = elapsed >= self.steps, jnp.asarray(self.truncates)
        return state, StepOut(state.obs, reward, ended & ~cut, ended & cut, ended, {})


class ConstantReward(Probe):
    """Observation 0, reward 1: V = 1, or 1 / (1 - discount) if the episode is truncated instead of terminated."""


class ObsReward(Probe):
    """Observation -1 or 1, reward = observation: V(s) = s."""

    def first_obs(self, key):
        return jax.random.rademacher(key, (1,), dtype=jnp.float32)

    def reward(self, obs, action, elapsed):
        return obs[0]


@dataclass(frozen=True, kw_only=True)
class DiscountedReward(Probe):
    """Observations 0, then 1, reward 1 on the second step: V(0) = discount, V(1) = 1."""

    steps: int = 2

    def reward(self, obs, action, elapsed):
        return (elapsed == self.steps).astype(jnp.float32)


def right_action(action: jax.Array, target: jax.Array) -> jax.Array:
    """Return the reward for hitting ``target``.

    For discrete actions it is 1 if the action is 1 exactly when ``target`` > 0, else -1; for a Box, 1 - (a - target)^2.
    """
    if jnp.issubdtype(action.dtype, jnp.integer):
        return jnp.where((action == 1) == (target > 0), 1.0, -1.0)
    return 1.0 - jnp.square(action[0] - target)


class ActionReward(Probe):
    """Observation 0; reward 1 for action 1 (Box: for 1.0)."""

    def reward(self, obs, action, elapsed):
        return right_action(action, jnp.ones(()))


class ObsActionReward(ObsReward):
    """Observation s = -1 or 1; reward 1 for the action of the same sign (Box: for s)."""

    def reward(self, obs, action, elapsed):
        return right_action(action, obs[0])


@dataclass(frozen=True, kw_only=True)
class RememberedCue(Probe):
    """A cue of -1 or 1 is visible only before the first step; the last step pays 1 for an action of its sign.

    A policy without memory is right half of the time.
    """

    steps: int = 5

    def first_obs(self, key):
        return jax.random.rademacher(key, (1,), dtype=jnp.float32)

    def observe(self, state):
        return jnp.where(state.elapsed == 0, state.obs, 0.0)

    def step(self, key, state, action):
        state, out = super().step(key, state, action)
        cue = state.obs - state.elapsed  # the base class adds 1 to the observation at every step
        right = (action == 1) == (cue[0] > 0.0)
        reward = jnp.where(out.needs_reset, right, False).astype(jnp.float32)
        return state, out._replace(next_obs=self.observe(state), env_reward=reward)

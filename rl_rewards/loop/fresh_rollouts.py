"""Rollouts in fresh environments, for evaluation; no state is carried from one to the next."""

from functools import partial
from typing import Any

import jax
import numpy as np

from rl_rewards.core.types import Key, Transition
from rl_rewards.envs.base import HostEnvironment, JaxEnv
from rl_rewards.loop.collect import collect_host, collect_jax, reset_jax
from rl_rewards.loop.rounds import host_act, initial_memory
from rl_rewards.loop.seeds import make_batches
from rl_rewards.loop.train import Parts


class FreshRollouts:
    """Runs the policy in ``copies`` fresh environments for the longest episode length; compiles at the first call.

    Args:
        explore: sample from the policy instead of taking its mode.
    """

    def __init__(self, parts: Parts, copies: int, explore: bool) -> None:
        self.parts, self.copies = parts, copies
        self.length = parts.env.spec.max_episode_steps
        if isinstance(parts.env, JaxEnv):
            self._play = jax.jit(parts.seeds.map(partial(_play, parts, copies, self.length, explore), 0))
        else:
            self._act = jax.jit(host_act(parts, explore))
            self._env_seeds = jax.jit(parts.seeds.map(_env_seed, 0))
            self._initial_memory = initial_memory(parts, copies)

    def __call__(self, agent: Any, keys: Key) -> Transition:
        """Return a rollout, numpy [T, B, ...], or [S, T, B, ...] for several seeds; all steps are valid."""
        env, seeds = self.parts.env, self.parts.seeds
        if isinstance(env, JaxEnv):
            return jax.device_get(self._play(agent, keys))
        assert isinstance(env, HostEnvironment)
        env_seeds, action_keys = self._env_seeds(keys)
        host_env = make_batches(env, self.copies, np.asarray(env_seeds).reshape(-1).tolist())
        collected = collect_host(host_env, self._act, agent, action_keys, self.length, self._initial_memory)
        return seeds.split(collected.rollout, axis=1)


def _play(parts: Parts, copies: int, length: int, explore: bool, agent: Any, key: Key) -> Transition:
    reset_key, collect_key = jax.random.split(key)
    env_state = reset_jax(parts.env, reset_key, copies)
    act = partial(parts.algorithm.act, agent, explore=explore)
    memory = parts.algorithm.initial_memory(copies)
    return collect_jax(parts.env, act, env_state, collect_key, length, memory).rollout


def _env_seed(key: Key) -> tuple[jax.Array, Key]:
    """Return the seed of a host environment, and the key for the policy's sampling."""
    env_key, action_key = jax.random.split(key)
    return jax.random.randint(env_key, (), 0, 2**31 - 1), action_key

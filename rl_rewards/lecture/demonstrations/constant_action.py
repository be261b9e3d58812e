"""The return of a policy that always takes the same action: what doing nothing earns."""

from collections.abc import Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.types import Action, Discrete, EnvSpec, Key, Memory, Obs
from rl_rewards.loop.build import build_env
from rl_rewards.loop.episodes import first_episodes
from rl_rewards.loop.policies import RestoredPolicy, record


class _Constant:
    """Takes one action everywhere."""

    def __init__(self, action: np.ndarray) -> None:
        self._action = action

    def initial_memory(self, copies: int) -> Memory:
        del copies
        return ()

    def act(
        self, agent: None, memory: Memory, obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, Memory, dict[str, jax.Array]]:
        del agent, key, explore
        return jnp.broadcast_to(self._action, (len(obs), *self._action.shape)), memory, {}


def constant_action_return(config: Mapping[str, Any], episodes: int, seed: int) -> float:
    """Return the mean true return of whole episodes with one action: zeros, or, of several choices, the best one.

    Args:
        config: of a run, whose environment is played.
    """
    env = build_env(config)
    return max(_mean_return(env, action, config, episodes, seed) for action in _actions(env.spec))


def _actions(spec: EnvSpec) -> list[np.ndarray]:
    if isinstance(spec.action, Discrete):
        return list(np.arange(spec.action.n, dtype=spec.action.dtype))
    return [np.zeros(spec.action.shape, spec.action.dtype)]


def _mean_return(env: Any, action: np.ndarray, config: Mapping[str, Any], episodes: int, seed: int) -> float:
    policy = RestoredPolicy(cast(Algorithm, _Constant(action)), None, env.spec, config)
    rollout = first_episodes(env.spec, record(env, policy, episodes, explore=False, random=0.0, seed=seed))
    return float(np.mean(np.sum(rollout.env_reward * rollout.valid, axis=0)))

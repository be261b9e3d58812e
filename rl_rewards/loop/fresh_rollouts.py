"""Rollouts in fresh environments, for evaluation; no state is carried from one to the next."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.keys import new_key
from rl_rewards.core.types import Action, Key, Memory, Obs, Transition
from rl_rewards.envs.base import HostEnvironment, JaxEnv
from rl_rewards.loop.collect import collect_host, collect_jax, reset_jax
from rl_rewards.loop.program import Program
from rl_rewards.loop.rounds import host_act, initial_memory
from rl_rewards.loop.seeds import make_batches
from rl_rewards.loop.state import Parts, rollout_shape
from rl_rewards.loop.stop import until_ready

FIXED = 2003
"""The seed of the states in which evaluations begin, where these are always the same."""

ActOf = Callable[[Any, Memory, Obs, Key], tuple[Action, Memory, dict[str, jax.Array]]]
"""A policy: (agent, memory, obs [B, ...], key) -> (actions, memory, behaviour)."""


class FreshRollouts:
    """Runs the policy in fresh environments of ``parts``, for the longest episode length.

    The environments of all rollouts are stepped together, by one program.

    Args:
        copies: environments of each rollout.
        explore: for each rollout, whether actions are sampled from the policy; otherwise they are its mode.
    """

    def __init__(self, parts: Parts, copies: int, explore: Sequence[bool]) -> None:
        self.parts, self.copies, self.explore = parts, copies, tuple(explore)
        self._length, self._num_envs = parts.env.spec.max_episode_steps, copies * len(self.explore)
        act = partial(_act_in_groups, parts, self.explore)
        if isinstance(parts.env, JaxEnv):
            play = partial(_play, parts, act, copies, len(self.explore))
            self._play = Program(parts.seeds.map(play, 0))
        else:
            self._act = jax.jit(host_act(parts, act))
            self._env_seeds = jax.jit(parts.seeds.map(_env_seed, 0))
            self._initial_memory = initial_memory(parts, self._num_envs)

    def compile(self, agent: Any, keys: Key) -> Transition:
        """Compile ahead of the first call, and return the shapes and dtypes of one rollout.

        The policy alone, which is all that a host environment needs, is small and left to the first call.
        """
        seeds = self.parts.seeds
        if isinstance(self.parts.env, JaxEnv):
            self._play.compile(agent, keys)
            return jax.eval_shape(lambda rollouts: self._groups(rollouts)[0], self._play.shapes(agent, keys))
        one = rollout_shape(self.parts, seeds.first(agent), (self._length, self.copies))
        if seeds.count == 1:
            return one
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((seeds.count, *x.shape), x.dtype), one)

    def __call__(self, agent: Any, keys: Key) -> list[Transition]:
        """Return a rollout [T, copies] for each entry of ``explore``; ``valid`` is true everywhere.

        Leaves are numpy arrays. With several seeds, and a key for each, they are [S, T, copies].
        """
        env, seeds = self.parts.env, self.parts.seeds
        if isinstance(env, JaxEnv):
            played = self._play(agent, keys)
            until_ready(played)
            return self._groups(jax.device_get(played))
        assert isinstance(env, HostEnvironment)
        env_seeds, action_keys = self._env_seeds(keys)
        host_env = make_batches(env, self._num_envs, np.asarray(env_seeds).reshape(-1).tolist())
        collected = collect_host(host_env, self._act, agent, action_keys, self._length, self._initial_memory)
        return self._groups(seeds.split(collected.rollout, axis=1))

    def _groups(self, rollouts: Transition) -> list[Transition]:
        """Split rollouts [T, B, ...] or [S, T, B, ...] that follow one another on the axis of the environments."""
        axis = 1 if self.parts.seeds.count == 1 else 2
        return [_group(rollouts, i, self.copies, axis) for i in range(len(self.explore))]


def _group(tree: Any, i: int, size: int, axis: int) -> Any:
    """Return the ``i``-th group of ``size`` environments from leaves whose environments are on ``axis``."""
    part = (*[slice(None)] * axis, slice(i * size, (i + 1) * size))
    return jax.tree.map(lambda x: x[part], tree)


def _act_in_groups(
    parts: Parts, explore: tuple[bool, ...], agent: Any, memory: Memory, obs: Obs, key: Key
) -> tuple[Action, Memory, dict[str, jax.Array]]:
    """Act in equal groups of environments [B, ...], one for each entry of ``explore``, with the policy of one seed."""
    size = obs.shape[0] // len(explore)
    acted = [
        parts.algorithm.act(agent, _group(memory, i, size, 0), obs[i * size : (i + 1) * size], group_key, explores)
        for i, (explores, group_key) in enumerate(zip(explore, jax.random.split(key, len(explore)), strict=True))
    ]
    return jax.tree.map(lambda *groups: jnp.concatenate(groups), *acted)


def _play(parts: Parts, act: ActOf, copies: int, groups: int, agent: Any, key: Key) -> Transition:
    reset_key, collect_key = jax.random.split(key)
    num_envs, length = copies * groups, parts.env.spec.max_episode_steps
    if parts.env.episodes.fixed_starts:
        one = reset_jax(parts.env, new_key(FIXED), copies)
        env_state = jax.tree.map(lambda x: jnp.concatenate([x] * groups), one)
    else:
        env_state = reset_jax(parts.env, reset_key, num_envs)
    memory = parts.algorithm.initial_memory(num_envs)
    return collect_jax(parts.env, partial(act, agent), env_state, collect_key, length, memory).rollout


def _env_seed(key: Key) -> tuple[jax.Array, Key]:
    """Return the seed of a host environment, and the key for the policy's sampling."""
    env_key, action_key = jax.random.split(key)
    return jax.random.randint(env_key, (), 0, 2**31 - 1), action_key

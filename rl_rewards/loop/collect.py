"""Steps environments with a policy. Environments are reset only here.

Both collectors return transitions [T, B, ...] whose ``next_obs`` is the true successor. An environment that needs a
reset is reset immediately after its last transition is recorded, together with the policy's memory of it, so that every
environment is ready between rollouts.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.pieces import piece_size
from rl_rewards.core.types import Action, Key, Memory, Obs, StepOut, Transition
from rl_rewards.envs.base import HostEnv, JaxEnv

Act = Callable[[Memory, Obs, Key], tuple[Action, Memory, dict[str, jax.Array]]]
"""A policy: (memory, obs [B, ...], key) -> (actions, memory, behaviour)."""


class HostAct(Protocol):
    """A jitted policy: like ``Act``, with the state ``agent`` at step ``t``, which it folds into the key."""

    def __call__(
        self, agent: Any, memory: Memory, obs: np.ndarray, key: Key, t: int
    ) -> tuple[Any, Memory, dict[str, Any]]: ...


class Collected(NamedTuple):
    """A rollout, and the policy's memory and the environments' states after it."""

    rollout: Transition  # [T, B, ...]
    memory: Memory  # [B, ...]; the initial one where an episode ended in the last step
    env_state: Any = None  # [B, ...]; None for a host environment, which keeps its own state


def reset_jax(env: JaxEnv, key: Key, num_envs: int, same_start: int = 1) -> Any:
    """Return the initial states [num_envs, ...] of new episodes.

    Args:
        same_start: this many successive environments begin in the same state; it divides ``num_envs``.
    """
    keys = jax.random.split(key, num_envs // same_start)
    return jax.vmap(env.reset)(keys if same_start == 1 else jnp.repeat(keys, same_start))


def _reset_where(mask: jax.Array, env: JaxEnv, key: Key, env_state: Any) -> Any:
    """Return ``env_state`` [B, ...] with fresh states where ``mask`` [B] bool.

    Few environments end in the same step, so in a large batch fresh states are drawn in groups until each of these
    has one, and none are drawn where no environment ended.
    """
    group = piece_size(len(mask))

    def reset_group(carry: tuple[Any, jax.Array, jax.Array]) -> tuple[Any, jax.Array, jax.Array]:
        env_state, waits, drawn = carry
        fresh = reset_jax(env, jax.random.fold_in(key, drawn), group)
        if group == len(mask):
            return _select(waits, fresh, env_state), jnp.zeros_like(waits), drawn + 1
        place = jnp.cumsum(waits) - 1  # the number of waiting environments before each
        served = waits & (place < group)
        given = jax.tree.map(lambda x: x[jnp.clip(place, 0, group - 1)], fresh)
        return _select(served, given, env_state), waits & ~served, drawn + 1

    start = (env_state, mask, jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(lambda carry: jnp.any(carry[1]), reset_group, start)[0]


def collect_jax(
    env: JaxEnv,
    act: Act,
    env_state: Any,
    key: Key,
    length: int,
    initial_memory: Memory = (),
    memory: Memory | None = None,
) -> Collected:
    """Take ``length`` steps in each environment of ``env_state``, in one scan.

    Args:
        initial_memory: [B, ...] the policy's memory at the beginning of an episode.
        memory: [B, ...] its memory at the first step; None means that all episodes begin there.
    """

    def step(carry, step_key):
        env_state, memory = carry
        act_key, env_key, reset_key = jax.random.split(step_key, 3)
        obs = jax.vmap(env.observe)(env_state)
        action, memory, behaviour = act(memory, obs, act_key)
        num_envs = obs.shape[0]
        env_state, out = jax.vmap(env.step)(jax.random.split(env_key, num_envs), env_state, action)
        env_state = _reset_where(out.needs_reset, env, reset_key, env_state)
        memory = _select(_ended(out), initial_memory, memory)
        transition = Transition(
            obs=obs,
            action=action,
            next_obs=out.next_obs,
            env_reward=out.env_reward,
            terminated=out.terminated,
            truncated=out.truncated,
            valid=jnp.ones((num_envs,), bool),
            is_demo=jnp.zeros((num_envs,), bool),
            behaviour=behaviour,
            info=out.info,
        )
        return (env_state, memory), transition

    memory = initial_memory if memory is None else memory
    (env_state, memory), rollout = jax.lax.scan(step, (env_state, memory), jax.random.split(key, length))
    return Collected(rollout, memory, env_state)


def collect_host(
    env: HostEnv,
    act: HostAct,
    agent: Any,
    key: Key,
    length: int,
    initial_memory: Memory = (),
    memory: Memory | None = None,
) -> Collected:
    """Take ``length`` steps in each environment of ``env``, in a Python loop; the rollout's leaves are numpy arrays.

    Args:
        initial_memory: [B, ...] the policy's memory at the beginning of an episode.
        memory: [B, ...] its memory at the first step; None means that all episodes begin there.
    """
    memory = initial_memory if memory is None else memory
    obs = env.reset(np.zeros(env.num_envs, bool))
    rollout: Transition | None = None
    for t in range(length):
        obs = np.array(obs)  # a copy, because an environment may reuse its buffer
        action, memory, behaviour = act(agent, memory, obs, key, t)
        action = np.asarray(action)
        out = env.step(action)
        row = {
            "obs": obs,
            "action": action,
            "next_obs": out.next_obs,
            "env_reward": out.env_reward,
            "terminated": out.terminated,
            "truncated": out.truncated,
            "behaviour": {name: np.asarray(value) for name, value in behaviour.items()},
            "info": out.info,
        }
        if rollout is None:
            rollout = _empty_rollout(row, length, env.num_envs)
        for name, value in row.items():
            _write(getattr(rollout, name), t, value)
        if jax.tree.leaves(memory) and _ended(out).any():
            memory = _select_jitted(_ended(out), initial_memory, memory)
        ended = out.needs_reset | out.terminated  # when one player's part has ended, the other observes something else
        obs = env.reset(out.needs_reset) if ended.any() else out.next_obs
    assert rollout is not None, "length is at least 1"
    return Collected(rollout, memory)


def _empty_rollout(row: dict[str, Any], length: int, num_envs: int) -> Transition:
    leaves = jax.tree.map(lambda x: np.empty((length, *np.shape(x)), np.asarray(x).dtype), row)
    shape = (length, num_envs)
    return Transition(**leaves, valid=np.ones(shape, bool), is_demo=np.zeros(shape, bool))


def _write(target: Any, t: int, value: Any) -> None:
    if isinstance(value, dict):
        for name, part in value.items():
            target[name][t] = part
    else:
        target[t] = value


def _ended(out: StepOut) -> Any:
    """Return where [B] the memory is reset, which is where learners also see the beginning of a new episode."""
    return out.terminated | out.truncated | out.needs_reset


def _select(mask: jax.Array, new: Any, old: Any) -> Any:
    """Return ``new`` where ``mask`` [B] is true, else ``old``, for leaves [B, ...] including key arrays."""
    return jax.tree.map(lambda x, y: jnp.where(mask.reshape(mask.shape + (1,) * (x.ndim - 1)), x, y), new, old)


_select_jitted = jax.jit(_select)

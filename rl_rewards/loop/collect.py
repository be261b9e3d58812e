"""Steps environments with a policy; the only place that resets them.

Both collectors return transitions [T, B, ...] whose ``next_obs`` is the true successor. An environment that needs a
reset gets it right after its last transition is recorded, so that between rollouts every environment is ready.
"""

from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.types import Key, Transition
from rl_rewards.envs.base import HostEnv, JaxEnv

Act = Callable[..., tuple[jax.Array, dict[str, jax.Array]]]


class HostAct(Protocol):
    """A jitted policy: (agent, obs [B, ...], key, t) -> (actions, behaviour); splits the key inside the jit."""

    def __call__(self, agent: Any, obs: np.ndarray, key: Key, t: int) -> tuple[jax.Array, dict[str, jax.Array]]: ...


def reset_jax(env: JaxEnv, key: Key, num_envs: int) -> Any:
    """Fresh states of ``num_envs`` environments."""
    return jax.vmap(env.reset)(jax.random.split(key, num_envs))


def collect_jax(env: JaxEnv, act: Act, env_state: Any, key: Key, length: int) -> tuple[Any, Transition]:
    """``length`` steps of every environment in ``env_state``, in one scan.

    Args:
        act: (obs [B, ...], key) -> (actions, behaviour).
    """

    def step(env_state, step_key):
        act_key, env_key, reset_key = jax.random.split(step_key, 3)
        obs = jax.vmap(env.observe)(env_state)
        action, behaviour = act(obs, act_key)
        num_envs = obs.shape[0]
        env_state, out = jax.vmap(env.step)(jax.random.split(env_key, num_envs), env_state, action)
        fresh = reset_jax(env, reset_key, num_envs)
        env_state = jax.tree.map(lambda new, old: _select(out.needs_reset, new, old), fresh, env_state)
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
        return env_state, transition

    return jax.lax.scan(step, env_state, jax.random.split(key, length))


def collect_host(env: HostEnv, act: HostAct, agent: Any, key: Key, length: int) -> Transition:
    """``length`` steps of every environment of ``env``, in a Python loop; leaves are numpy arrays."""
    obs = env.reset(np.zeros(env.num_envs, bool))
    rollout: Transition | None = None
    for t in range(length):
        obs = np.array(obs)  # an environment may write the next one into the same buffer
        action, behaviour = act(agent, obs, key, t)
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
        ended = out.needs_reset | out.terminated  # where one player's part ended, the other sees something else
        obs = env.reset(out.needs_reset) if ended.any() else out.next_obs
    assert rollout is not None, "length is at least 1"
    return rollout


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


def _select(mask: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    """``new`` where ``mask`` [B], over leaves [B, ...]; works on key arrays too."""
    return jnp.where(mask.reshape(mask.shape + (1,) * (new.ndim - 1)), new, old)

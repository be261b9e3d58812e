"""Ways to act (a policy, also corrected, random actions, a script), and recordings of them in fresh environments."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.types import (
    REVISION,
    Action,
    Box,
    Discrete,
    EnvSpec,
    Key,
    Memory,
    Obs,
    Transition,
    box_bounds,
    is_whole,
)
from rl_rewards.data.demonstrations.fit import CORRECTED
from rl_rewards.envs.base import Environment, HostEnvironment, JaxEnv
from rl_rewards.loop.collect import collect_host, collect_jax, reset_jax
from rl_rewards.loop.fresh_rollouts import ActOf
from rl_rewards.loop.seeds import make_batches


class Behaviour(NamedTuple):
    """A way to act."""

    act: ActOf
    initial_memory: Callable[[int], Memory] = lambda copies: ()
    """Returns the memory [copies, ...] at the beginning of episodes."""
    traceable: bool = True
    """True if ``act`` can be compiled; False if it computes with numpy, which only host environments allow."""


def of_policy(algorithm: Algorithm, spec: EnvSpec, explore: bool, random: float = 0.0) -> Behaviour:
    """Return the behaviour of an algorithm's policy; the agent is the algorithm's state.

    Args:
        explore: sample actions from the policy instead of taking its mode.
        random: the share of steps with a uniformly random action instead.
    """

    def act(agent: Any, memory: Memory, obs: Obs, key: Key) -> tuple[Action, Memory, dict[str, jax.Array]]:
        act_key, coin_key, random_key = jax.random.split(key, 3)
        action, memory, told = algorithm.act(agent, memory, obs, act_key, explore)
        kept = {name: told[name] for name in REVISION if name in told}
        return _mixed(spec, random, action, coin_key, random_key), memory, kept

    return Behaviour(act, algorithm.initial_memory)


def uniform(spec: EnvSpec) -> Behaviour:
    """Return the behaviour that takes uniformly random actions; it has no agent."""

    def act(agent: Any, memory: Memory, obs: Obs, key: Key) -> tuple[Action, Memory, dict[str, jax.Array]]:
        return _random_action(spec, key, (obs.shape[0], *spec.action.shape)), memory, {}

    return Behaviour(act)


def scripted(env: Environment, speed: float, random: float) -> Behaviour:
    """Return the behaviour of the environment's own expert; it has no agent.

    Args:
        speed: the expert's speed, as a fraction of its full speed.
        random: the share of steps with a uniformly random action instead.
    """

    def act(agent: Any, memory: Memory, obs: Obs, key: Key) -> tuple[Action, Memory, dict[str, jax.Array]]:
        action = jnp.asarray(env.expert(obs, speed))
        return _mixed(env.spec, random, action, *jax.random.split(key)), memory, {}

    return Behaviour(act, traceable=isinstance(env, JaxEnv))


def corrected(policy: Behaviour, env: Environment, after: int) -> Behaviour:
    """Return the behaviour of ``policy`` until the environment's own expert takes over; the agent is the policy's.

    Its ``behaviour["corrected"]`` [B] f32 is 1 in the steps of the expert, and 0 in those of the policy, which are the
    same as without the expert. The policy goes on to observe, so that a recurrent one remembers the whole episode.
    This is HG-DAgger (arXiv:1810.02890) with an expert that loses patience, as RECAP's people do (arXiv:2511.14759).

    Args:
        after: env steps of an episode after which the expert acts until the episode ends.
    """
    policy_act = jax.jit(policy.act)

    def act(agent: Any, memory: Memory, obs: Obs, key: Key) -> tuple[Action, Memory, dict[str, jax.Array]]:
        own_memory, elapsed = memory
        action, own_memory, _ = policy_act(agent, own_memory, obs, key)
        takes_over = elapsed >= after
        action = _where(takes_over, jnp.asarray(env.expert(obs)).astype(action.dtype), action)
        return action, (own_memory, elapsed + 1), {CORRECTED: takes_over.astype(jnp.float32)}

    def initial_memory(copies: int) -> Memory:
        return policy.initial_memory(copies), jnp.zeros(copies, jnp.int32)

    return Behaviour(act, initial_memory, traceable=isinstance(env, JaxEnv))


class Recorder:
    """Records a behaviour in fresh copies of an environment; it compiles once, for all agents and seeds.

    Args:
        copies: environments that are stepped together.
        length: steps in each of them; None: the longest episode length, so that each has at least one whole episode.
    """

    def __init__(self, env: Environment, behaviour: Behaviour, copies: int, length: int | None = None) -> None:
        self._env, self._copies = env, copies
        self._length = length = env.spec.max_episode_steps if length is None else length
        self._memory = memory = behaviour.initial_memory(copies)

        def play(agent: Any, env_state: Any, key: Key) -> Transition:
            return collect_jax(env, partial(behaviour.act, agent), env_state, key, length, memory).rollout

        def act(agent: Any, memory: Memory, obs: Obs, key: Key, t: int) -> tuple[Action, Memory, dict[str, jax.Array]]:
            return behaviour.act(agent, memory, obs, jax.random.fold_in(key, t))

        self._play, self._act = jax.jit(play), jax.jit(act) if behaviour.traceable else act

    def __call__(self, agent: Any, seed: int) -> Transition:
        """Return steps [T, copies, ...] as numpy arrays; every copy begins a new episode."""
        reset_key, act_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), 0xDE305))
        if isinstance(self._env, JaxEnv):
            env_state = reset_jax(self._env, reset_key, self._copies)
            return jax.device_get(self._play(agent, env_state, act_key))
        assert isinstance(self._env, HostEnvironment)
        host_env = make_batches(self._env, self._copies, [seed])
        return collect_host(host_env, self._act, agent, act_key, self._length, self._memory).rollout


def _mixed(spec: EnvSpec, random: float, action: Action, coin_key: Key, random_key: Key) -> Action:
    """Return ``action`` [B, ...], in which the share ``random`` of the rows is replaced by uniformly random actions."""
    other = _random_action(spec, random_key, action.shape).astype(action.dtype)
    return _where(jax.random.bernoulli(coin_key, random, action.shape[:1]), other, action)


def _where(mask: jax.Array, new: Action, old: Action) -> Action:
    """Return the rows of ``new`` [B, ...] where ``mask`` [B] is True, and those of ``old`` elsewhere."""
    return jnp.where(mask.reshape(-1, *[1] * (old.ndim - 1)), new, old)


def action_range(space: Box) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Return the lowest and the highest actions that are tried; the range of an unbounded entry is [-1, 1]."""
    low, high = box_bounds(space)
    bounded = np.isfinite(low) & np.isfinite(high)
    return np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)


def _random_action(spec: EnvSpec, key: Key, shape: tuple[int, ...]) -> Action:
    """Return uniformly random actions in :func:`action_range`."""
    if isinstance(spec.action, Discrete):
        return jax.random.randint(key, shape, 0, spec.action.n)
    low, high = action_range(spec.action)
    if is_whole(spec.action):
        return jax.random.randint(key, shape, low.astype(np.int32), high.astype(np.int32) + 1)
    return jax.random.uniform(key, shape, jnp.float32, low, high)

"""Runs rounds: one jitted function for a JAX environment, a Python loop and a jitted ``learn`` for a host environment.

The functions are compiled once, ahead of time. With several seeds they are vmapped over the seed axis (loop/seeds.py).
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import Query
from rl_rewards.core.types import Examples, Key, Memory, Metrics
from rl_rewards.data.dataset import seed_axes
from rl_rewards.envs.base import HostEnv, HostEnvironment
from rl_rewards.loop.collect import Collected, collect_host, collect_jax, reset_jax
from rl_rewards.loop.seeds import make_batches
from rl_rewards.loop.state import Parts, TrainState, rollout_shape
from rl_rewards.loop.train import learn, learn_offline

COLLECT, LEARN, WHOLE = "collect", "reward and policy", "collect, reward and policy"
"""The stages of a round. A round in a JAX environment is one program and therefore one stage, ``WHOLE``."""


def make_round(parts: Parts) -> Callable[[Examples, TrainState, jax.Array], tuple[TrainState, Metrics, Query | None]]:
    """Return a round, offline or with a JAX environment, as a function (data, state, round) -> as :func:`learn`."""
    env, algorithm, seeds = parts.env, parts.algorithm, parts.seeds
    same_start = algorithm.requirements.same_start
    if parts.offline:
        return seeds.map(partial(learn_offline, parts), (seed_axes, 0, None))

    def round_(data: Examples, state: TrainState, round: jax.Array) -> tuple[TrainState, Metrics, Query | None]:
        collect_key = _collect_key(state.key, round)
        act = partial(algorithm.act, state.agent, explore=True)
        fresh = algorithm.initial_memory(algorithm.num_envs)
        if parts.episodes.begin_with_rollout or same_start > 1:
            collect_key, reset_key = jax.random.split(collect_key)
            env_state = reset_jax(env, reset_key, algorithm.num_envs, same_start)
            state = state.replace(env=env_state, memory=fresh)
        length = algorithm.rollout_length
        collected = collect_jax(env, act, state.env, collect_key, length, fresh, state.memory)
        return learn(parts, data, state.replace(env=collected.env_state), collected, round)

    return seeds.map(round_, (seed_axes, 0, None))


def make_learn(parts: Parts) -> Callable[..., tuple[TrainState, Metrics, Query | None]]:
    """Return a function that learns from a rollout of S x B host environments.

    It maps (data, state, collected, round) to what :func:`learn` returns.
    """
    seeds = parts.seeds
    learn_all = seeds.map(partial(learn, parts), (seed_axes, 0, 0, None))

    def learn_(data: Examples, state: TrainState, collected: Collected, round: jax.Array):
        rollout, memory = seeds.split(collected.rollout, axis=1), seeds.split(collected.memory, axis=0)
        return learn_all(data, state, Collected(rollout, memory), round)

    return learn_


def _collect_key(key: Key, round: jax.Array) -> Key:
    return jax.random.split(jax.random.fold_in(key, round), 3)[0]


class Rounds:
    """Compiles the round once, ahead of time, and runs it; ``seconds`` has the time of the last round's collection.

    Args:
        stage: is told what begins; what one compiled program does is one stage, whose parts cannot be told apart.
    """

    def __init__(
        self,
        parts: Parts,
        data: Examples,
        state: TrainState,
        host_env: HostEnv | None,
        stage: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.parts, self.data = parts, parts.seeds.place(jax.tree.map(jnp.asarray, data), seed_axes(data))
        self.host_env, self._stage = host_env, stage
        self.seconds: dict[str, float] = {}
        started = time.perf_counter()
        round_zero = jnp.zeros((), jnp.int32)
        if host_env is None:
            function = jax.jit(make_round(parts), donate_argnums=1)
            self._round = function.lower(self.data, state, round_zero).compile()
        else:
            self._act = jax.jit(host_act(parts, partial(parts.algorithm.act, explore=True)))
            self._keys = jax.jit(parts.seeds.map(_collect_key, (0, None)))
            function = jax.jit(make_learn(parts), donate_argnums=1)
            self._initial_memory = initial_memory(parts, parts.algorithm.num_envs)
            collected = self._host_shapes(state)
            self._learn = function.lower(self.data, state, collected, round_zero).compile()
        self.compile_seconds = time.perf_counter() - started

    def __call__(self, state: TrainState, round: int) -> tuple[TrainState, Metrics, Query | None]:
        """Run the round ``round``; ``state`` is donated. The returned arrays are on the device and may not be ready."""
        index = jnp.asarray(round, jnp.int32)
        if self.host_env is None:
            self._stage(self.stage)
            return self._round(self.data, state, index)
        self._stage(COLLECT)
        started = time.perf_counter()
        if self.parts.episodes.begin_with_rollout:
            self.host_env.reset(np.ones(self.host_env.num_envs, bool))
            fresh = jax.tree.map(jnp.copy, self._initial_memory)
            state = state.replace(memory=self.parts.seeds.split(fresh, axis=0))
        keys = self._keys(state.key, index)
        memory = jax.tree.map(jnp.copy, self.parts.seeds.join(state.memory))  # the state's buffers are donated
        length = self.parts.algorithm.rollout_length
        collected = collect_host(self.host_env, self._act, state.agent, keys, length, self._initial_memory, memory)
        self.seconds["collect"] = time.perf_counter() - started
        self._stage(LEARN)
        return self._learn(self.data, state, collected, index)

    @property
    def stage(self) -> str:
        """The stage of the program that learns (and collects, with a JAX environment)."""
        return LEARN if self.parts.offline or self.host_env is not None else WHOLE

    @property
    def learning(self) -> jax.stages.Compiled:
        """The compiled program that learns (and collects, with a JAX environment), for inspection."""
        return self._round if self.host_env is None else self._learn

    def _host_shapes(self, state: TrainState) -> Collected:
        """Return the shapes of collect_host's result: the rollout [T, S x B, ...] and the memory [S x B, ...]."""
        seeds = self.parts.seeds
        one = rollout_shape(self.parts, seeds.first(state.agent))

        def leaf(x):
            return jax.ShapeDtypeStruct((x.shape[0], seeds.count * x.shape[1], *x.shape[2:]), x.dtype)

        return Collected(jax.tree.map(leaf, one), jax.eval_shape(lambda: self._initial_memory))


def host_act(parts: Parts, act: Callable) -> Callable:
    """Return the policy for collect_host: memory and observations [S x B, ...], an agent and a key for each seed.

    Args:
        act: the policy of one seed: (agent, memory, obs [B, ...], key) -> (actions, memory, behaviour).
    """
    seeds = parts.seeds

    def act_one(agent: Any, memory: Memory, obs: jax.Array, key: Key, t: int):
        return act(agent, memory, obs, jax.random.fold_in(key, t))

    if seeds.count == 1:
        return act_one
    act_all = seeds.map(act_one, (0, 0, 0, 0, None))

    def act_for_all(agent: Any, memory: Memory, obs: jax.Array, keys: Key, t: int):
        return seeds.join(act_all(agent, seeds.split(memory, axis=0), seeds.split(obs, axis=0), keys, t))

    return act_for_all


def initial_memory(parts: Parts, num_envs: int) -> Memory:
    """Return the policy's memory at the beginning of an episode, [S x num_envs, ...] for S seeds."""
    return jax.jit(parts.algorithm.initial_memory, static_argnums=0)(parts.seeds.count * num_envs)


def make_host_env(parts: Parts, seed: int) -> HostEnv | None:
    """Return the training environments, reset, of a host environment; None offline and for a JAX environment."""
    if parts.offline or not isinstance(parts.env, HostEnvironment):
        return None
    seeds = range(seed, seed + parts.seeds.count)
    return make_batches(parts.env, parts.algorithm.num_envs, seeds)


def check_saving(parts: Parts, seed: int) -> None:
    """Save and load a separate copy of a host environment once, as every checkpoint does.

    Raises:
        ConfigError: when that fails, before anything is compiled.
    """
    if parts.offline or not isinstance(parts.env, HostEnvironment):
        return
    try:
        batch = parts.env.make(1, seed)
        batch.reset(np.ones(1, bool))
        batch.load(batch.save())
    except ConfigError:
        raise
    except Exception as error:  # any error of an environment's own code
        raise ConfigError(
            f"{parts.env.spec.name} cannot be saved and loaded, as every checkpoint needs: its save() or load() "
            f"raised {type(error).__name__}: {error}."
        ) from error

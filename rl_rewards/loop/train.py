"""The training loop: collect -> replay.add -> source.update -> algorithm.update, one round after another.

With a JAX environment a round is one jitted function; with a host environment a Python loop around a jitted policy
collects, and the same jitted ``learn`` follows. Evaluation, logging and checkpoints happen between rounds.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.types import Examples, Experience, Key, Metrics, Transition
from rl_rewards.envs.base import Environment, HostEnv, HostEnvironment, JaxEnv
from rl_rewards.loop.collect import collect_host, collect_jax, reset_jax
from rl_rewards.loop.replay import Replay
from rl_rewards.rewards.base import RewardSource, info_keys, reward_fn


class Parts(NamedTuple):
    """The three independent objects that make an experiment."""

    env: Environment
    source: RewardSource
    algorithm: Algorithm


@struct.dataclass
class TrainState:
    """All that changes during training, but for a host environment's state and the files."""

    agent: Any
    reward: Any
    replay: Replay
    env: Any  # states [B, ...] of a JaxEnv; None for a host environment, which keeps its own
    key: Key  # never advanced: round i uses fold_in(key, i)


def init_state(parts: Parts, key: Key) -> TrainState:
    """A fresh state, in buffers of its own (a round donates them); nothing is stepped."""
    return jax.jit(partial(_init_state, parts))(key)


def _init_state(parts: Parts, key: Key) -> TrainState:
    env, source, algorithm = parts
    agent_key, reward_key, env_key, train_key = jax.random.split(key, 4)
    agent = algorithm.init(agent_key)
    env_state = reset_jax(env, env_key, algorithm.num_envs) if isinstance(env, JaxEnv) else None
    template = rollout_shape(parts, agent)
    capacity = max(source.history, algorithm.history, template.valid.size)
    return TrainState(
        agent=agent,
        reward=source.init(reward_key),
        replay=Replay.init(_for_replay(source, template), capacity),
        env=env_state,
        key=train_key,
    )


def rollout_shape(parts: Parts, agent: Any) -> Transition:
    """Shapes and dtypes [T, B, ...] of one rollout, from the spec and the policy alone."""
    env, _, algorithm = parts
    spec, batch = env.spec, (algorithm.rollout_length, algorithm.num_envs)
    obs = jax.ShapeDtypeStruct((algorithm.num_envs, *spec.obs.shape), spec.obs.dtype)
    action, behaviour = jax.eval_shape(
        partial(algorithm.act, explore=True), agent, obs, jax.eval_shape(lambda: jax.random.key(0))
    )
    flag = jax.ShapeDtypeStruct(batch, jnp.bool_)
    info = {
        name: jax.ShapeDtypeStruct((*batch, *shape), jnp.bool_ if name == "success" else jnp.float32)
        for name, shape in spec.info.items()
    }

    def steps(x):
        return jax.ShapeDtypeStruct((algorithm.rollout_length, *x.shape), x.dtype)

    return Transition(
        obs=steps(obs),
        action=steps(action),
        next_obs=steps(obs),
        env_reward=jax.ShapeDtypeStruct(batch, jnp.float32),
        terminated=flag,
        truncated=flag,
        valid=flag,
        is_demo=flag,
        behaviour=jax.tree.map(steps, behaviour),
        info=info,
    )


def learn(
    parts: Parts, data: Examples, state: TrainState, rollout: Transition, round: jax.Array
) -> tuple[TrainState, Metrics]:
    """One round of learning from a rollout [T, B, ...]: the same function for both kinds of environment."""
    _, source, algorithm = parts
    _, reward_key, agent_key = jax.random.split(jax.random.fold_in(state.key, round), 3)
    replay = state.replay.add(_for_replay(source, rollout))
    experience = Experience(
        rollout=rollout,
        sample=replay.sample,
        sample_segments=replay.sample_segments,
        log_prob=partial(algorithm.log_prob, state.agent),
    )
    reward, reward_metrics = source.update(state.reward, data, experience, round, reward_key)
    agent, agent_metrics = algorithm.update(state.agent, experience, reward_fn(source, reward), round, agent_key)
    metrics = {**reward_metrics, **agent_metrics, **_rollout_metrics(rollout)}
    finite = jnp.array([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves((agent, reward)) if _is_float(x)])
    metrics["agent/finite"] = jnp.all(finite)
    return state.replace(agent=agent, reward=reward, replay=replay), metrics


def make_round(parts: Parts, data: Examples) -> Callable[[TrainState, jax.Array], tuple[TrainState, Metrics]]:
    """A whole round of a JAX environment as one function to be jitted: (state, round) -> (state, metrics)."""
    env, _, algorithm = parts

    def round_(state: TrainState, round: jax.Array) -> tuple[TrainState, Metrics]:
        collect_key = jax.random.split(jax.random.fold_in(state.key, round), 3)[0]
        act = partial(algorithm.act, state.agent, explore=True)
        env_state, rollout = collect_jax(env, act, state.env, collect_key, algorithm.rollout_length)
        return learn(parts, data, state.replace(env=env_state), rollout, round)

    return round_


class Rounds:
    """Runs rounds: compiles once, ahead of time, and accounts for where the time goes."""

    def __init__(self, parts: Parts, data: Examples, state: TrainState, host_env: HostEnv | None) -> None:
        self.parts = parts
        self.host_env = host_env
        self.seconds: dict[str, float] = {}
        started = time.perf_counter()
        round_zero = jnp.zeros((), jnp.int32)
        if host_env is None:
            function = jax.jit(make_round(parts, data), donate_argnums=0)
            self._round = function.lower(state, round_zero).compile()
        else:
            self._act = jax.jit(host_act(parts.algorithm, explore=True))
            function = jax.jit(partial(learn, parts, data), donate_argnums=0)
            self._learn = function.lower(state, rollout_shape(parts, state.agent), round_zero).compile()
        self.compile_seconds = time.perf_counter() - started

    def __call__(self, state: TrainState, round: int) -> tuple[TrainState, Metrics]:
        """Round number ``round``; ``state`` is donated. Metrics are on the device, not yet waited for."""
        index = jnp.asarray(round, jnp.int32)
        if self.host_env is None:
            return self._round(state, index)
        started = time.perf_counter()
        collect_key = jax.random.split(jax.random.fold_in(state.key, round), 3)[0]
        rollout = collect_host(self.host_env, self._act, state.agent, collect_key, self.parts.algorithm.rollout_length)
        self.seconds["collect"] = time.perf_counter() - started
        return self._learn(state, rollout, index)


def host_act(algorithm: Algorithm, explore: bool) -> Callable:
    """The policy as collect_host wants it."""

    def act(agent: Any, obs: jax.Array, key: Key, t: int):
        return algorithm.act(agent, obs, jax.random.fold_in(key, t), explore)

    return act


def make_host_env(parts: Parts, seed: int) -> HostEnv | None:
    """The training batch of a host environment, reset and ready; None for a JAX environment."""
    if not isinstance(parts.env, HostEnvironment):
        return None
    host_env = parts.env.make(parts.algorithm.num_envs, seed)
    host_env.reset(np.ones(host_env.num_envs, bool))
    return host_env


def _for_replay(source: RewardSource, rollout: Transition) -> Transition:
    """Without what only evaluation and drawing read: the ring keeps the info that the reward reads, and no other."""
    return rollout.replace(info={key: rollout.info[key] for key in info_keys(source)})


def _rollout_metrics(rollout: Transition) -> Metrics:
    ended = rollout.done & rollout.valid
    metrics = {"train/true_reward": masked_mean(rollout.env_reward, rollout.valid)}
    if "success" in rollout.info:
        metrics["train/success"] = masked_mean(rollout.info["success"].astype(jnp.float32), ended)
    return metrics


def _is_float(x: jax.Array) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)

"""The training loop: collect -> replay.add -> source.update -> algorithm.update, one round after another.

With a JAX environment a round is one jitted function; with a host environment a Python loop around a jitted policy
collects, and the same jitted ``learn`` follows; an algorithm that learns from demonstrations alone leaves out the first
two. Evaluation, logging and checkpoints happen between rounds. With several seeds everything is vmapped over their
leading axis; see ``loop.seeds``.
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
from rl_rewards.core.demonstrations import sampler, transitions_of
from rl_rewards.core.game import TASK, whole_games
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.queries import NOBODY, Query
from rl_rewards.core.types import Examples, Experience, Key, Metrics, Transition
from rl_rewards.envs.base import Environment, HostEnv, HostEnvironment, JaxEnv
from rl_rewards.labelers.base import Labeling
from rl_rewards.loop.collect import collect_host, collect_jax, reset_jax
from rl_rewards.loop.replay import Replay
from rl_rewards.loop.seeds import Seeds, make_batches
from rl_rewards.rewards.base import AsksForLabels, RewardSource, info_keys, reward_fn

QUESTIONS = 1
"""Folded into the reward's key of a round: asking draws nothing from what updates draw from."""
FINITE = {
    "environment": "an observation or reward of the environment (try smaller actions or another integrator)",
    "reward": "a parameter of the reward model (a smaller reward.classifier.learning_rate may help)",
    "learned_reward": "the learned reward (a bounded reward.reward_map may help)",
    "agent": "a parameter of the agent (a smaller algorithm.learning_rate may help)",
}
"""What each round checks, in causal order; metrics ``finite/NAME``."""


class Parts(NamedTuple):
    """The three independent objects that make an experiment, for how many seeds it is run, and who answers."""

    env: Environment
    source: RewardSource
    algorithm: Algorithm
    seeds: Seeds = Seeds()
    labeling: Labeling | None = None  # who answers a reward that asks

    @property
    def offline(self) -> bool:
        """True where nothing is collected: the algorithm learns from demonstrations alone."""
        return self.algorithm.data == "dataset"

    @property
    def is_game(self) -> bool:
        """True where two players play: every rollout begins with new games, and only those that end in it count."""
        return getattr(self.source, "wraps_game", False)

    @property
    def steps_per_round(self) -> int:
        """Env steps of each seed in a round."""
        return 0 if self.offline else self.algorithm.num_envs * self.algorithm.rollout_length


@struct.dataclass
class TrainState:
    """All that changes during training, but for a host environment's state and the files; leaves [S, ...]."""

    agent: Any
    reward: Any
    replay: Replay | None  # None offline
    env: Any  # states [B, ...] of a JaxEnv; None offline and for a host environment, which keeps its own
    key: Key  # never advanced: round i uses fold_in(key, i)


def init_state(parts: Parts, seed: int) -> TrainState:
    """A fresh state, in buffers of its own (a round donates them); nothing is stepped."""
    prepared = getattr(parts.source, "prepared", None)  # a frozen reward of each seed's own
    init = parts.seeds.map(partial(_init_state, parts), (0, None if prepared is None else 0))
    return jax.jit(init)(parts.seeds.keys(seed), prepared)


def _init_state(parts: Parts, key: Key, prepared: Any) -> TrainState:
    env, source, algorithm = parts[:3]
    agent_key, reward_key, env_key, train_key = jax.random.split(key, 4)
    agent = algorithm.init(agent_key)
    reward = source.init(reward_key) if prepared is None else prepared
    if parts.offline:
        return TrainState(agent=agent, reward=reward, replay=None, env=None, key=train_key)
    env_state = reset_jax(env, env_key, algorithm.num_envs) if isinstance(env, JaxEnv) else None
    template = rollout_shape(parts, agent)
    capacity = max(source.history, algorithm.history, template.valid.size)
    return TrainState(
        agent=agent,
        reward=reward,
        replay=Replay.init(_for_replay(parts, template), capacity),
        env=env_state,
        key=train_key,
    )


def rollout_shape(parts: Parts, agent: Any) -> Transition:
    """Shapes and dtypes [T, B, ...] of one seed's rollout, from the spec and the policy alone."""
    env, algorithm = parts.env, parts.algorithm
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
) -> tuple[TrainState, Metrics, Query | None]:
    """One round of one seed's learning from a rollout [T, B, ...]: the same for both kinds of environment.

    ``round`` is never batched over seeds, so that "every k rounds" stays a real branch.
    """
    assert state.replay is not None, "only an offline run has none"
    if parts.is_game:
        rollout = whole_games(rollout)
    replay = state.replay.add(_for_replay(parts, rollout))
    experience = Experience(
        rollout=rollout,
        sample=replay.sample,
        sample_segments=replay.sample_segments,
        log_prob=partial(parts.algorithm.log_prob, state.agent),
        sample_demos=sampler(data),
        dataset=transitions_of(data),
    )
    state, metrics, query = _update(parts, data, state.replace(replay=replay), experience, round)
    metrics["finite/environment"] = _all_finite((rollout.obs, rollout.next_obs, rollout.env_reward))
    metrics["finite/learned_reward"] = _all_finite(metrics["agent/reward_mean"])
    return state, metrics | _rollout_metrics(rollout), query


def learn_offline(
    parts: Parts, data: Examples, state: TrainState, round: jax.Array
) -> tuple[TrainState, Metrics, Query | None]:
    """One round of one seed's learning from demonstrations alone."""
    sample = sampler(data)
    assert sample is not None, "build_data loads demonstrations for an algorithm that names some"
    experience = Experience(
        rollout=None,
        sample=sample,
        sample_segments=_no_segments,
        log_prob=partial(parts.algorithm.log_prob, state.agent),
        sample_demos=sample,
        dataset=transitions_of(data),
    )
    return _update(parts, data, state, experience, round)


def _update(
    parts: Parts, data: Examples, state: TrainState, experience: Experience, round: jax.Array
) -> tuple[TrainState, Metrics, Query | None]:
    """The reward's update and its questions, then the agent's update under the new reward."""
    source, algorithm = parts.source, parts.algorithm
    _, reward_key, agent_key = jax.random.split(jax.random.fold_in(state.key, round), 3)
    reward, metrics = source.update(state.reward, data, experience, round, reward_key)
    query = None
    if isinstance(source, AsksForLabels):
        reward, query = propose(source, reward, experience, round, jax.random.fold_in(reward_key, QUESTIONS))
    agent, agent_metrics = algorithm.update(state.agent, experience, reward_fn(source, reward), round, agent_key)
    finite = {"finite/reward": _all_finite(reward), "finite/agent": _all_finite(agent)}
    return state.replace(agent=agent, reward=reward), {**metrics, **agent_metrics, **finite}, query


def propose(
    source: AsksForLabels, reward: Any, experience: Experience, round: jax.Array, key: Key
) -> tuple[Any, Query]:
    """What the source asks; in a round that asks nothing, no candidate is drawn or judged."""

    def ask(reward: Any) -> tuple[Any, Query]:
        return source.propose(reward, experience, round, key)

    _, shape = jax.eval_shape(ask, reward)
    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shape).replace(id=jnp.full_like(shape.id, NOBODY))
    return jax.lax.cond(source.may_ask(round), ask, lambda reward: (reward, nothing), reward)


def _no_segments(key: Key, n: int, length: int) -> Transition:
    raise NotImplementedError("demonstrations are offered step by step")


def make_round(parts: Parts) -> Callable[[Examples, TrainState, jax.Array], tuple[TrainState, Metrics, Query | None]]:
    """A whole round, offline or of a JAX environment, as one function: (data, state, round) -> as :func:`learn`."""
    env, algorithm, seeds = parts.env, parts.algorithm, parts.seeds
    if parts.offline:
        return seeds.map(partial(learn_offline, parts), (0, 0, None))

    def round_(data: Examples, state: TrainState, round: jax.Array) -> tuple[TrainState, Metrics, Query | None]:
        collect_key = _collect_key(state.key, round)
        act = partial(algorithm.act, state.agent, explore=True)
        env_state = state.env
        if parts.is_game:
            collect_key, reset_key = jax.random.split(collect_key)
            env_state = reset_jax(env, reset_key, algorithm.num_envs)
        env_state, rollout = collect_jax(env, act, env_state, collect_key, algorithm.rollout_length)
        return learn(parts, data, state.replace(env=env_state), rollout, round)

    return seeds.map(round_, (0, 0, None))


def make_learn(parts: Parts) -> Callable[..., tuple[TrainState, Metrics, Query | None]]:
    """Learning from a host environment's rollout [T, S x B, ...]: (data, state, rollout, round) -> as :func:`learn`."""
    seeds = parts.seeds
    learn_all = seeds.map(partial(learn, parts), (0, 0, 0, None))

    def learn_(data: Examples, state: TrainState, rollout: Transition, round: jax.Array):
        return learn_all(data, state, seeds.split(rollout, axis=1), round)

    return learn_


def _collect_key(key: Key, round: jax.Array) -> Key:
    return jax.random.split(jax.random.fold_in(key, round), 3)[0]


class Rounds:
    """Runs rounds: compiles once, ahead of time, and accounts for where the time goes."""

    def __init__(self, parts: Parts, data: Examples, state: TrainState, host_env: HostEnv | None) -> None:
        self.parts, self.data = parts, jax.tree.map(jnp.asarray, data)
        self.host_env = host_env
        self.seconds: dict[str, float] = {}
        started = time.perf_counter()
        round_zero = jnp.zeros((), jnp.int32)
        if host_env is None:
            function = jax.jit(make_round(parts), donate_argnums=1)
            self._round = function.lower(self.data, state, round_zero).compile()
        else:
            self._act = jax.jit(host_act(parts, explore=True))
            self._keys = jax.jit(parts.seeds.map(_collect_key, (0, None)))
            function = jax.jit(make_learn(parts), donate_argnums=1)
            rollout = self._host_rollout_shape(state)
            self._learn = function.lower(self.data, state, rollout, round_zero).compile()
        self.compile_seconds = time.perf_counter() - started

    def __call__(self, state: TrainState, round: int) -> tuple[TrainState, Metrics, Query | None]:
        """Round number ``round``; ``state`` is donated. Metrics and questions are on the device, not yet waited for."""
        index = jnp.asarray(round, jnp.int32)
        if self.host_env is None:
            return self._round(self.data, state, index)
        started = time.perf_counter()
        if self.parts.is_game:
            self.host_env.reset(np.ones(self.host_env.num_envs, bool))
        keys = self._keys(state.key, index)
        rollout = collect_host(self.host_env, self._act, state.agent, keys, self.parts.algorithm.rollout_length)
        self.seconds["collect"] = time.perf_counter() - started
        return self._learn(self.data, state, rollout, index)

    @property
    def learning(self) -> jax.stages.Compiled:
        """The compiled program that learns (and, with a JAX environment, collects), to be looked at."""
        return self._round if self.host_env is None else self._learn

    def _host_rollout_shape(self, state: TrainState) -> Transition:
        """[T, S x B, ...]: what collect_host gives."""
        seeds = self.parts.seeds
        one = rollout_shape(self.parts, seeds.first(state.agent))

        def leaf(x):
            return jax.ShapeDtypeStruct((x.shape[0], seeds.count * x.shape[1], *x.shape[2:]), x.dtype)

        return jax.tree.map(leaf, one)


def host_act(parts: Parts, explore: bool) -> Callable:
    """The policy as collect_host wants it: observations [S x B, ...], an agent and a key for every seed."""
    seeds = parts.seeds

    def act_one(agent: Any, obs: jax.Array, key: Key, t: int):
        return parts.algorithm.act(agent, obs, jax.random.fold_in(key, t), explore)

    if seeds.count == 1:
        return act_one
    act_all = jax.vmap(act_one, (0, 0, 0, None))

    def act(agent: Any, obs: jax.Array, keys: Key, t: int):
        out = act_all(agent, seeds.split(obs, axis=0), keys, t)
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), out)

    return act


def make_host_env(parts: Parts, seed: int) -> HostEnv | None:
    """The training batch of a host environment, reset and ready; None offline and for a JAX environment."""
    if parts.offline or not isinstance(parts.env, HostEnvironment):
        return None
    seeds = range(seed, seed + parts.seeds.count)
    return make_batches(parts.env, parts.algorithm.num_envs, seeds)


def _for_replay(parts: Parts, rollout: Transition) -> Transition:
    """Without what only evaluation and drawing read: the ring keeps the info that reward and labeler read, no other."""
    labeling = parts.labeling
    keys = {*info_keys(parts.source), *(info_keys(labeling) if labeling is not None else ())}
    keys |= {key for key in getattr(labeling, "likes", ()) if key in rollout.info}
    return rollout.replace(info={key: rollout.info[key] for key in sorted(keys)})


def _rollout_metrics(rollout: Transition) -> Metrics:
    ended = rollout.done & rollout.valid
    if "role" in rollout.info:
        ended &= rollout.info["role"] == TASK  # games have no success of the task's
    metrics = {"train/true_reward": masked_mean(rollout.env_reward, rollout.valid)}
    if "success" in rollout.info:
        success = masked_mean(rollout.info["success"].astype(jnp.float32), ended)
        metrics["train/success"] = jnp.where(jnp.any(ended), success, jnp.nan)  # no episode ended: nothing is known
    return metrics


def _all_finite(tree: Any) -> jax.Array:
    leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.all(jnp.array([jnp.all(jnp.isfinite(x)) for x in leaves])) if leaves else jnp.array(True)

"""The parts of an experiment, and all state that training changes: its fresh values, shapes and dtypes."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from flax import struct

from rl_rewards.algorithms.base import Algorithm, DatasetSizes
from rl_rewards.core.keys import new_key
from rl_rewards.core.types import Key, Memory, Transition
from rl_rewards.data.replay import Replay
from rl_rewards.envs.base import Environment, Episodes, JaxEnv
from rl_rewards.labelers.base import Labeling
from rl_rewards.loop.collect import reset_jax
from rl_rewards.loop.seeds import Seeds
from rl_rewards.rewards.base import RewardSource, first_state

RUN_ONCE = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""XLA's options for a program that runs once on a CPU; compiling it then takes 0.4 times the processor time."""


class Parts(NamedTuple):
    """The three independent parts of an experiment, its seeds, and its labeler."""

    env: Environment
    source: RewardSource
    algorithm: Algorithm
    seeds: Seeds = Seeds()
    labeling: Labeling | None = None  # answers a reward that asks queries
    recorded_steps: int = 0  # env steps of each seed that are kept for its recording (keep_replay): all of them, or 0

    @property
    def offline(self) -> bool:
        """True if nothing is collected, because the algorithm learns only from recorded steps."""
        return self.algorithm.requirements.learns_from == "dataset"

    @property
    def dataset_sizes(self) -> DatasetSizes:
        """The sizes of an algorithm that learns from a dataset; other algorithms have none."""
        assert self.offline
        return cast(DatasetSizes, self.algorithm)

    @property
    def episodes(self) -> Episodes:
        """The use of the environment's episodes for learning and for evaluation."""
        return self.env.episodes

    @property
    def steps_per_round(self) -> int:
        """The env steps of a round, for each seed."""
        return 0 if self.offline else self.algorithm.num_envs * self.algorithm.rollout_length


class TrainState(struct.PyTreeNode):
    """All state that changes during training, except that of a host environment and of files; leaves [S, ...]."""

    agent: Any
    reward: Any
    replay: Replay | None  # None offline, or if only the newest rollout is needed
    env: Any  # states [B, ...] of a JaxEnv; None offline and for a host environment, which keeps its own
    key: Key  # never advanced: round i uses fold_in(key, i)
    memory: Memory = ()  # [B, ...] the policy's memory of the current episodes
    recording: Replay | None = None  # every step so far, if the run keeps them; nothing is ever sampled from it


def init_state(parts: Parts, seed: int, ring_of_newest: bool = False) -> TrainState:
    """Return a fresh state, in separate buffers (a round donates them), without taking a step.

    Args:
        ring_of_newest: keep a replay ring even if only the newest rollout is needed, as earlier versions did.
    """
    return _jitted_init(parts, ring_of_newest)(parts.seeds.keys(seed), parts.source.prepared)


def state_shapes(parts: Parts, ring_of_newest: bool = False) -> TrainState:
    """Return the shapes and dtypes of what :func:`init_state` returns."""
    keys = jax.eval_shape(lambda: parts.seeds.keys(0))
    return _jitted_init(parts, ring_of_newest).eval_shape(keys, parts.source.prepared)


def _jitted_init(parts: Parts, ring_of_newest: bool) -> Any:
    options = RUN_ONCE if jax.default_backend() == "cpu" else None
    return jax.jit(_init_states(parts, ring_of_newest), compiler_options=options)


def _init_states(parts: Parts, ring_of_newest: bool) -> Callable[[Key, Any], TrainState]:
    """Return the function from the seeds' keys and their separate frozen rewards, if there are any, to the state."""
    one_for_all = parts.source.prepared is None
    return parts.seeds.map(partial(_init_state, parts, ring_of_newest), (0, None if one_for_all else 0))


def _init_state(parts: Parts, ring_of_newest: bool, key: Key, prepared: Any) -> TrainState:
    env, source, algorithm = parts[:3]
    agent_key, reward_key, env_key, train_key = jax.random.split(key, 4)
    agent = algorithm.init(agent_key)
    reward = first_state(source, reward_key, prepared)
    if parts.offline:
        return TrainState(agent=agent, reward=reward, replay=None, env=None, key=train_key)
    env_state = reset_jax(env, env_key, algorithm.num_envs) if isinstance(env, JaxEnv) else None
    template = rollout_shape(parts, agent)
    history = max(source.requirements.history, algorithm.requirements.history)
    keeps = ring_of_newest or history > template.valid.size
    return TrainState(
        agent=agent,
        reward=reward,
        replay=Replay.init(for_replay(parts, template), history) if keeps else None,
        env=env_state,
        key=train_key,
        memory=algorithm.initial_memory(algorithm.num_envs),
        recording=Replay.init(for_recording(template), parts.recorded_steps) if parts.recorded_steps else None,
    )


def rollout_shape(parts: Parts, agent: Any, batch: tuple[int, int] | None = None) -> Transition:
    """Return the shapes [T, B, ...] and dtypes of one seed's rollout, from the spec and the policy.

    Args:
        batch: (T, B); None: those of the algorithm's rollouts.
    """
    spec, algorithm = parts.env.spec, parts.algorithm
    batch = (algorithm.rollout_length, algorithm.num_envs) if batch is None else batch
    length, num_envs = batch
    obs = jax.ShapeDtypeStruct((num_envs, *spec.obs.shape), spec.obs.dtype)
    memory, key = jax.eval_shape(lambda: (algorithm.initial_memory(num_envs), new_key(0)))
    action, _, behaviour = jax.eval_shape(partial(algorithm.act, explore=True), agent, memory, obs, key)
    flag = jax.ShapeDtypeStruct(batch, jnp.bool_)
    info = {
        name: jax.ShapeDtypeStruct((*batch, *shape), jnp.bool_ if name == "success" else jnp.float32)
        for name, shape in spec.info.items()
    }

    def steps(x):
        return jax.ShapeDtypeStruct((length, *x.shape), x.dtype)

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


def for_replay(parts: Parts, rollout: Transition) -> Transition:
    """Return the rollout with only those info keys that the reward or the labeler reads, to save memory in the ring."""
    keys = set(parts.source.requirements.info_keys)
    if parts.labeling is not None:
        needs = parts.labeling.requirements
        keys |= {*needs.info_keys, *(key for key in needs.optional_reads if key in rollout.info)}
    return rollout.replace(info={key: rollout.info[key] for key in sorted(keys)})


def for_recording(rollout: Transition) -> Transition:
    """Return the rollout with all info, and without what only its policy needs."""
    return rollout.replace(behaviour={})

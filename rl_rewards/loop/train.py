"""The computation of a round, for one seed in jit: (collect ->) replay.add -> source.update -> algorithm.update.

The same ``learn`` follows both kinds of collection (``loop.rounds``). An algorithm that learns only from recorded steps
skips the first two steps. Evaluation, logging and checkpoints happen between rounds.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from flax import struct

from rl_rewards.algorithms.base import Algorithm, DatasetSizes
from rl_rewards.core.branches import traced
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.keys import new_key
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.queries import NOBODY, Comparisons, GivenComparisons, Query, right
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Memory, Metrics, Transition
from rl_rewards.data.draws import shuffled
from rl_rewards.data.replay import Replay
from rl_rewards.envs.base import Environment, Episodes, JaxEnv
from rl_rewards.labelers.base import Labeling
from rl_rewards.loop.collect import Collected, reset_jax
from rl_rewards.loop.seeds import Seeds
from rl_rewards.rewards.base import AsksForLabels, RewardSource, asks, reward_fn

RUN_ONCE = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
"""XLA's options for a program that runs once on a CPU; compiling it then takes 0.4 times the processor time."""
QUESTIONS = 1
"""Folded into the reward's key of a round, so that queries and updates use different random streams."""
FINITE = {
    "environment": "an observation or reward of the environment",
    "reward": "a parameter of the reward model",
    "learned_reward": "the learned reward",
    "agent": "a parameter of the agent",
}
"""The values that each round checks, in causal order; the metrics are ``finite/NAME``."""


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
    reward = source.init(reward_key) if prepared is None else prepared
    if parts.offline:
        return TrainState(agent=agent, reward=reward, replay=None, env=None, key=train_key)
    env_state = reset_jax(env, env_key, algorithm.num_envs) if isinstance(env, JaxEnv) else None
    template = rollout_shape(parts, agent)
    history = max(source.requirements.history, algorithm.requirements.history)
    keeps = ring_of_newest or history > template.valid.size
    return TrainState(
        agent=agent,
        reward=reward,
        replay=Replay.init(_for_replay(parts, template), history) if keeps else None,
        env=env_state,
        key=train_key,
        memory=algorithm.initial_memory(algorithm.num_envs),
        recording=Replay.init(_for_recording(template), parts.recorded_steps) if parts.recorded_steps else None,
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


def learn(
    parts: Parts, data: Examples, state: TrainState, collected: Collected, round: jax.Array
) -> tuple[TrainState, Metrics, Query | None]:
    """Run the learning of one round for one seed, from a rollout [T, B, ...] of either kind of environment.

    ``state.memory`` is the policy's memory before the rollout. ``round`` is not batched over seeds, so that "every k
    rounds" remains a real branch.
    """
    rollout, ended = parts.episodes.select(collected.rollout)
    newest = _for_replay(parts, rollout)
    replay = Replay.of(newest) if state.replay is None else state.replay.add(newest)
    demos = data.get("demos")
    experience = Experience(
        rollout=rollout,
        sample=replay.sample,
        sample_segments=replay.sample_segments,
        log_prob=partial(parts.algorithm.log_prob, state.agent),
        sample_demos=None if demos is None else demos.sample,
        dataset=demos,
        memory=state.memory,
    )
    if (same := parts.algorithm.requirements.same_start) > 1:
        experience = experience._replace(sample_same_start=partial(sample_same_start, rollout, same))
    recording = None if state.recording is None else state.recording.add(_for_recording(collected.rollout))
    state = state.replace(replay=None if state.replay is None else replay, memory=collected.memory, recording=recording)
    state, metrics, query = _update(parts, data, state, experience, round)
    if same > 1 and rollout.valid.shape[0] == 1 and parts.env.spec.has_true_reward:
        metrics["train/same_start_accuracy"] = same_start_accuracy(parts, state, rollout)
    metrics["finite/environment"] = _all_finite((rollout.obs, rollout.next_obs, rollout.env_reward))
    metrics["finite/learned_reward"] = _all_finite(metrics["agent/reward_mean"])
    return state, metrics | _rollout_metrics(parts.env.spec, rollout, ended), query


def learn_offline(
    parts: Parts, data: Examples, state: TrainState, round: jax.Array
) -> tuple[TrainState, Metrics, Query | None]:
    """Run the learning of one round for one seed, from recorded steps, which replace the replay ring.

    They are those of the data set if the run has one, and otherwise demonstrations.
    """
    demos = data.get("demos")
    recorded = data.get("recorded", demos)
    experience = Experience(
        rollout=None,
        sample=_nothing_recorded if recorded is None else recorded.sample,
        sample_segments=_nothing_recorded if recorded is None else recorded.sample_segments,
        log_prob=partial(parts.algorithm.log_prob, state.agent),
        sample_demos=None if demos is None else demos.sample,
        dataset=recorded,
    )
    return _update(parts, data, state, experience, round)


def _update(
    parts: Parts, data: Examples, state: TrainState, experience: Experience, round: jax.Array
) -> tuple[TrainState, Metrics, Query | None]:
    """Update the reward, let it ask queries, then update the agent with the new reward."""
    source, algorithm = parts.source, parts.algorithm
    _, reward_key, agent_key = jax.random.split(jax.random.fold_in(state.key, round), 3)
    reward, metrics = source.update(state.reward, data, experience, round, reward_key)
    query = None
    if asks(source):
        reward, query = propose(source, reward, experience, round, jax.random.fold_in(reward_key, QUESTIONS))
    if algorithm.requirements.needs_comparisons:
        kept = source.comparisons(reward)
        experience = experience._replace(comparisons=_of_file(data["compared"]) if kept is None else kept)
    agent, agent_metrics = algorithm.update(state.agent, experience, reward_fn(source, reward), round, agent_key)
    finite = {"finite/reward": _all_finite(reward), "finite/agent": _all_finite(agent)}
    return state.replace(agent=agent, reward=reward), {**metrics, **agent_metrics, **finite}, query


def _of_file(compared: GivenComparisons) -> Comparisons:
    """Return the comparisons of a file; their inputs are the whole texts, as rewards of texts see them."""
    texts = compared.segments.next_obs.astype(jnp.float32)
    known = jnp.ones(compared.scores.shape, bool)
    return Comparisons(inputs=texts, scores=compared.scores, known=known)


def sample_same_start(rollout: Transition, same_start: int, key: Key, queries: int, clips: int) -> Transition:
    """Return the first steps of episodes with the same start, leaves [queries, clips, 1, ...].

    The starts are in a random order, and none is drawn twice before all are; of each, ``clips`` different episodes.

    Args:
        rollout: [T, B, ...]; in step 0, each ``same_start`` successive environments are in the same state.

    Raises:
        ConfigError: if there are fewer than ``clips`` episodes with the same start.
    """
    require(
        clips <= same_start,
        f"reward.clips={clips} responses are compared, but there are only algorithm.same_start={same_start} with the "
        "same start; it must be at least reward.clips.",
    )
    group_key, member_key = jax.random.split(key)
    starts = rollout.valid.shape[1] // same_start
    group = shuffled(group_key, starts)[jnp.arange(queries)[:, None] % starts]
    order = jax.vmap(lambda k: jax.random.permutation(k, same_start)[:clips])(jax.random.split(member_key, queries))
    return jax.tree.map(lambda x: x[0, group * same_start + order][:, :, None], rollout)


def same_start_accuracy(parts: Parts, state: TrainState, rollout: Transition) -> jax.Array:
    """Return the share of pairs of one-step episodes with the same start that the reward orders like the true reward.

    Pairs with equal true rewards do not count, and equal learned ones count as half; NaN without a pair. Unlike the
    accuracy on labels, this is on what the policy does now.
    """
    shape = (-1, parts.algorithm.requirements.same_start)
    true = rollout.env_reward[0].reshape(shape)
    learned = reward_fn(parts.source, state.reward)(rollout)[0].reshape(shape)
    found, decided = right(learned, true)
    return jnp.where(jnp.sum(decided) > 0, jnp.sum(found) / jnp.maximum(jnp.sum(decided), 1.0), jnp.nan)


def _nothing_recorded(*_: Any) -> Transition:
    raise ConfigError("This reward learns from recorded steps, and this run has none; name some with data=FILE.npz.")


def propose(
    source: AsksForLabels, reward: Any, experience: Experience, round: jax.Array, key: Key
) -> tuple[Any, Query]:
    """Return the source's queries; in a round without queries, no candidates are drawn or scored."""

    def ask(reward: Any) -> tuple[Any, Query]:
        return source.propose(reward, experience, round, key)

    ask, (_, shapes) = traced(ask, reward)
    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes).replace(id=jnp.full_like(shapes.id, NOBODY))
    return jax.lax.cond(source.may_ask(round), ask, lambda reward: (reward, nothing), reward)


def _for_replay(parts: Parts, rollout: Transition) -> Transition:
    """Return the rollout with only those info keys that the reward or the labeler reads, to save memory in the ring."""
    keys = set(parts.source.requirements.info_keys)
    if parts.labeling is not None:
        needs = parts.labeling.requirements
        keys |= {*needs.info_keys, *(key for key in needs.optional_reads if key in rollout.info)}
    return rollout.replace(info={key: rollout.info[key] for key in sorted(keys)})


def _for_recording(rollout: Transition) -> Transition:
    """Return the rollout with all info, and without what only its policy needs."""
    return rollout.replace(behaviour={})


def _rollout_metrics(spec: EnvSpec, rollout: Transition, ended: jax.Array) -> Metrics:
    """Return the means of a rollout's true rewards, and of its success at the steps where ``ended`` [T, B] is true.

    Each is missing if the environment does not have it.
    """
    metrics = {}
    if spec.has_true_reward:
        metrics["train/true_reward"] = masked_mean(rollout.env_reward, rollout.valid)
    if "success" in rollout.info:
        success = masked_mean(rollout.info["success"].astype(jnp.float32), ended)
        metrics["train/success"] = jnp.where(jnp.any(ended), success, jnp.nan)  # unknown if no episode ended
    return metrics


def _all_finite(tree: Any) -> jax.Array:
    leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(x.dtype, jnp.floating)]
    return jnp.all(jnp.array([jnp.all(jnp.isfinite(x)) for x in leaves])) if leaves else jnp.array(True)

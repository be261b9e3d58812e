"""The computation of a round, for one seed in jit: (collect ->) replay.add -> source.update -> algorithm.update.

The same ``learn`` follows both kinds of collection (``loop.rounds``). An algorithm that learns only from recorded steps
skips the first two steps. Evaluation, logging and checkpoints happen between rounds.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rl_rewards.core.branches import traced
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.queries import NOBODY, Comparisons, GivenComparisons, Query
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition
from rl_rewards.data.replay import Replay
from rl_rewards.envs.base import JaxEnv
from rl_rewards.loop.collect import Collected
from rl_rewards.loop.retry import retry
from rl_rewards.loop.same_start import same_start_accuracy, sample_same_start
from rl_rewards.loop.state import Parts, TrainState, for_recording, for_replay
from rl_rewards.rewards.base import AsksForLabels, asks, reward_fn

QUESTIONS = 1
"""Folded into the reward's key of a round, so that queries and updates use different random streams."""
FINITE = {
    "environment": "an observation or reward of the environment",
    "reward": "a parameter of the reward model",
    "learned_reward": "the learned reward",
    "agent": "a parameter of the agent",
}
"""The values that each round checks, in causal order; the metrics are ``finite/NAME``."""


def learn(
    parts: Parts, data: Examples, state: TrainState, collected: Collected, round: jax.Array
) -> tuple[TrainState, Metrics, Query | None]:
    """Run the learning of one round for one seed, from a rollout [T, B, ...] of either kind of environment.

    ``state.memory`` is the policy's memory before the rollout. ``round`` is not batched over seeds, so that "every k
    rounds" remains a real branch.
    """
    rollout, ended = parts.episodes.select(collected.rollout)
    newest = for_replay(parts, rollout)
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
    if parts.env.answered is not None:
        experience = experience._replace(complete=partial(_completed, parts, state.agent))
    if isinstance(parts.env, JaxEnv) and parts.env.begin_at is not None:
        experience = experience._replace(retry=partial(retry, parts.env))
    recording = None if state.recording is None else state.recording.add(for_recording(collected.rollout))
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


def _completed(parts: Parts, agent: Any, key: Key, steps: Transition, place: jax.Array) -> Transition:
    """Return responses [N] whose tokens after ``place`` [N] the policy has written anew, with their judgement."""
    assert parts.env.answered is not None, "only texts are completed"
    out = parts.env.answered(steps.obs, parts.algorithm.complete(agent, steps.obs, steps.action, place, key))
    action = out.next_obs[:, -steps.action.shape[1] :]
    return steps.replace(action=action, next_obs=out.next_obs, env_reward=out.env_reward, info=out.info)


def _of_file(compared: GivenComparisons) -> Comparisons:
    """Return the comparisons of a file; their inputs are the whole texts, as rewards of texts see them."""
    texts = compared.segments.next_obs.astype(jnp.float32)
    known = jnp.ones(compared.scores.shape, bool)
    return Comparisons(inputs=texts, scores=compared.scores, known=known)


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

"""Evaluates the policy by the true and by the learned reward, with separate keys and environments; no state is changed.

Every evaluation runs whole episodes of the stochastic policy (``eval/...``) and of its mode (``..._deterministic``).
Success is that of the last state of an episode. The environment determines which environment is evaluated, and which
other episodes are played (``envs.base.Episodes``).
"""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.epic import epic_distance
from rl_rewards.core.objectives import WEIGHTS
from rl_rewards.core.types import Examples, Key, Transition
from rl_rewards.data.dataset import seed_axes
from rl_rewards.envs.base import Plane
from rl_rewards.envs.text.base import TextEnv
from rl_rewards.loop.episodes import (
    first_episodes,
    last_steps,
    mean_on_successes,
    outcome_of,
    scenes_of,
    stochastic_only,
    visited_is_goal,
)
from rl_rewards.loop.fresh_rollouts import FreshRollouts
from rl_rewards.loop.program import Program
from rl_rewards.loop.state import Parts, TrainState
from rl_rewards.loop.stop import until_ready
from rl_rewards.loop.texts import chosen_texts
from rl_rewards.reporting.texts import save_texts
from rl_rewards.rewards.base import reward_fn

PLANE_CELLS = 48
EPIC_STEPS = 256
"""The number of transitions that rewards are compared on, and of pairs (A, S') for each."""
EPIC_DISCOUNT = 0.99
"""The discount for algorithms that have none."""
POLICIES = {"": True, "_deterministic": False}
"""The suffix of a policy's metrics -> whether that policy samples its actions; otherwise they are its mode."""
REFERENCES = ("demo_return", "recorded_return")
"""The mean true returns of the user's data, which every evaluation repeats as references."""
EVALUATED, ALSO_PLAYED, ESTIMATED = 0, 1, 2
"""The kinds of rollouts, and the estimation of values, which are folded into a round's evaluation key."""


@dataclass(frozen=True)
class Evaluation:
    """``metrics`` for metrics.jsonl, and ``arrays`` for the report, with the names of ``reporting.evaluation_files``.

    With several seeds every metric is an array [S] and every array has a leading seed axis.
    """

    metrics: dict[str, Any]
    arrays: dict[str, np.ndarray] = field(repr=False)
    texts: list[list[dict[str, Any]]] = field(default_factory=list, repr=False)
    """For texts: of each seed, some episodes with prompt, response, true and learned reward."""

    def save(self, folder: Path, round: int, env_steps: int) -> Path:
        """Write the arrays as ``folder/NNNNNN.npz``; offline, ``env_steps`` are gradient steps."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{round:06d}.npz"
        np.savez_compressed(path, round=round, env_steps=env_steps, **self.arrays)
        if self.texts:
            save_texts(path, self.texts)
        return path


class Evaluator:
    """Evaluates train states; compiles at its first call, or before it by :meth:`compile`."""

    def __init__(self, parts: Parts, data: Examples, episodes: int, seed: int) -> None:
        self._episodes = parts.episodes
        played = self._episodes.also_played
        self._played = None if played is None else FreshRollouts(parts._replace(env=played), episodes, [True])
        parts = parts._replace(env=self._episodes.evaluated)
        self._rollouts = FreshRollouts(parts, episodes, list(POLICIES.values()))
        self.parts, self.data = parts, parts.seeds.place(jax.tree.map(jnp.asarray, data), seed_axes(data))
        self._keys = jax.jit(parts.seeds.map(_evaluation_key, (0, None, None)))
        self._seed_keys = parts.seeds.keys(seed)
        # A grid of observations has no info, so that a reward that reads info cannot be drawn on it.
        self._plane = None if parts.source.requirements.info_keys else parts.env.plane(PLANE_CELLS)
        self._judges_next = "next_obs" in parts.source.requirements.reads
        self._judge = Program(parts.seeds.map(partial(_judge, parts), (0, seed_axes, 0)))
        self._pay = jax.jit(parts.seeds.map(partial(_pay, parts), 0))
        self._epic = Program(parts.seeds.map(partial(_epic, parts), 0)) if _has_epic(parts) else None
        self._estimate = None
        if type(parts.algorithm).value_estimate is not Algorithm.value_estimate:
            self._estimate = Program(parts.seeds.map(partial(_estimate, parts), 0))
        self._judge_plane = Program(parts.seeds.map(partial(_judge_plane, parts), (0, seed_axes, None)))

    def compile(self, state: TrainState) -> None:
        """Compile the programs for states of these shapes and dtypes ahead of the first call."""
        rollout = self._rollouts.compile(state.agent, self._seed_keys)
        self._judge.compile(state.reward, self.data, rollout)
        if self._epic is not None:
            self._epic.compile(state.reward, rollout)
        if self._estimate is not None:
            learned, _ = self._judge.shapes(state.reward, self.data, rollout)
            self._estimate.compile((state.agent, state.reward), rollout, learned, self._seed_keys)
        if self._plane is not None:
            self._judge_plane.compile(state.reward, self.data, self._plane.obs)
        if self._played is not None:
            self._played.compile(state.agent, self._seed_keys)

    def __call__(self, state: TrainState, round: int) -> Evaluation:
        """Return the evaluation after round ``round``; its randomness depends only on the seed and the round."""
        seeds = self.parts.seeds
        metrics: list[dict[str, float]] = [{} for _ in range(seeds.count)]
        arrays: list[dict[str, np.ndarray]] = []
        texts: list[list[dict[str, Any]]] = []
        rollouts = self._rollouts(state.agent, self._keys(self._seed_keys, round, EVALUATED))
        for (suffix, explore), rollout in zip(POLICIES.items(), rollouts, strict=True):
            rollout = first_episodes(self.parts.env.spec, rollout)
            judged = self._judge(state.reward, self.data, rollout)
            until_ready(judged)
            learned, inspected = jax.device_get(judged)
            if explore and self._epic is not None:
                distances = np.atleast_1d(jax.device_get(self._epic(state.reward, rollout)))
                for i, distance in enumerate(distances):
                    metrics[i]["eval/epic_distance"] = float(distance)
            if explore and self._estimate is not None:
                keys = self._keys(self._seed_keys, round, ESTIMATED)
                estimates = jax.device_get(self._estimate((state.agent, state.reward), rollout, learned, keys))
                for i, estimate in enumerate(seeds.each(estimates)):
                    metrics[i] |= {f"eval/{name}": float(value) for name, value in estimate.items()}
            for i, (one, rewards, found) in enumerate(seeds.each((rollout, learned, inspected))):
                outcome = outcome_of(self.parts.env.spec, one, rewards)
                metrics[i] |= {f"eval/{name}{suffix}": value for name, value in outcome.items()}
                if explore:
                    metrics[i] |= stochastic_only(one, rewards, found)
                    ends = last_steps(one)
                    for name in self.parts.env.reported:
                        metrics[i][f"eval/{name}"] = float(np.mean(one.info[name][ends]))
                    for reference in REFERENCES:
                        if reference in self.data and self.parts.env.spec.has_true_reward:
                            metrics[i][f"eval/{reference}"] = float(np.atleast_1d(self.data[reference])[i])
                    arrays.append(self._arrays(one, rewards, found))
                    if isinstance(self.parts.env, TextEnv):
                        texts.append(chosen_texts(self.parts.env, one, rewards))
                    if "visited_is_goal" in arrays[i]:
                        metrics[i]["eval/prob_successes"] = mean_on_successes(arrays[i])
        if self._played is not None:
            (rollout,) = self._played(state.agent, self._keys(self._seed_keys, round, ALSO_PLAYED))
            paid = jax.device_get(self._pay(state.reward, rollout))
            for i, one in enumerate(seeds.each((rollout, paid))):
                measured, played = self._episodes.measure(*one)
                metrics[i] |= measured
                arrays[i] |= played
        stacked = seeds.stack(arrays)
        if self._plane is not None:
            stacked |= self._plane_arrays(self._plane, state.reward)
        return Evaluation(seeds.stack(metrics), stacked, texts)

    def _plane_arrays(self, plane: Plane, reward: Any) -> dict[str, np.ndarray]:
        labels = np.array([plane.x_label, plane.y_label, plane.caption])
        values = jax.device_get(self._judge_plane(reward, self.data, plane.obs))
        return {**values, "plane_x": plane.x, "plane_y": plane.y, "plane_labels": labels}

    def _arrays(
        self, rollout: Transition, learned: np.ndarray, inspected: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Return the arrays of one seed's stochastic episodes for the report."""
        arrays = {"learned_reward": learned, "env_reward": rollout.env_reward, "valid": rollout.valid, **inspected}
        if self.parts.env.spec.objectives:  # whoever compares weights needs the single episodes
            ends = last_steps(rollout)
            arrays |= {f"info_{name}": rollout.info[name][ends] for name in (WEIGHTS, *self.parts.env.reported)}
        if "success" in rollout.info:
            arrays["success"] = rollout.info["success"]
            if "prob_visited" in inspected:
                arrays["visited_is_goal"] = visited_is_goal(rollout, self._judges_next)
        if "scene" in rollout.info:
            arrays |= scenes_of(rollout, learned)
            if self._plane is not None:
                placed = self.parts.env.place(np.asarray(rollout.info["scene"])[last_steps(rollout)])
                arrays |= {} if placed is None else {"plane_final": placed}
        return arrays


def _evaluation_key(key: Key, round: jax.Array, of: jax.Array) -> Key:
    return jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(key, 0xE7A1), round), of)


def _pay(parts: Parts, reward: Any, rollout: Transition) -> jax.Array:
    return reward_fn(parts.source, reward)(rollout)


def _estimate(
    parts: Parts, learners: tuple[Any, Any], rollout: Transition, learned: jax.Array, key: Key
) -> dict[str, jax.Array]:
    """Return the mean value of the first states as the algorithm estimates it, and the mean discounted return.

    After a termination the return goes on with the reward of the absorbing state, as the algorithm's values do.

    Args:
        learners: the states of the algorithm and of the reward source.
    """
    agent, reward = learners
    value = parts.algorithm.value_estimate(agent, rollout.obs[0], key)
    discount = parts.algorithm.requirements.discount
    if value is None or discount is None:
        return {}
    steps = discount ** jnp.arange(len(learned))[:, None]
    paid = jnp.where(rollout.valid, steps * learned, 0.0)
    if discount < 1.0:
        forever = parts.source.absorbing_reward(reward) / (1.0 - discount)
        paid += jnp.where(rollout.valid & rollout.terminated, discount * steps * forever, 0.0)
    reached = jnp.sum(paid, axis=0)
    return {"value_estimate": jnp.mean(value), "discounted_return": jnp.mean(reached)}


def _judge(parts: Parts, reward: Any, data: Examples, rollout: Transition):
    return _pay(parts, reward, rollout), parts.source.inspect(reward, data, rollout)


def _has_epic(parts: Parts) -> bool:
    """Return True if both rewards can score arbitrary transitions."""
    env, reads = parts.env, parts.source.requirements.reads
    if not {"obs", "action", "next_obs"}.issuperset(reads):
        return False
    obs = jax.ShapeDtypeStruct((1, *env.spec.obs.shape), env.spec.obs.dtype)
    return jax.eval_shape(env.reward_of, obs, None, obs) is not None


def _epic(parts: Parts, reward: Any, rollout: Transition) -> jax.Array:
    """Return the EPIC distance of learned and true reward, on transitions and pairs of the policy's rollout."""
    discount = parts.algorithm.requirements.discount
    valid = rollout.valid.reshape(-1)
    steps = (rollout.obs, rollout.action, rollout.next_obs)
    obs, action, next_obs = (x.reshape(-1, *x.shape[2:]) for x in steps)
    keys = jax.random.split(jax.random.key(0))  # a constant, so that every evaluation takes the same indices
    drawn, other = (jax.random.choice(key, len(valid), (EPIC_STEPS,), p=valid / valid.sum()) for key in keys)

    def learned(obs: jax.Array, action: jax.Array, next_obs: jax.Array) -> jax.Array:
        return reward_fn(parts.source, reward)(transitions_of(obs, action, next_obs, action.shape[:1]))

    return epic_distance(
        learned,
        parts.env.reward_of,
        (obs[drawn], action[drawn], next_obs[drawn]),
        (action[other], next_obs[other]),
        EPIC_DISCOUNT if discount is None else discount,
    )


def _judge_plane(parts: Parts, reward: Any, data: Examples, obs: jax.Array) -> dict[str, jax.Array]:
    """Return the learned reward, and a classifier's probability of a goal, on a grid of observations.

    The transitions stand still (s = s' = obs) with action 0.
    """
    batch = obs.shape[: obs.ndim - len(parts.env.spec.obs.shape)]
    action = parts.env.spec.action
    standing = transitions_of(obs, jnp.zeros((*batch, *action.shape), action.dtype), obs, batch)
    learned, inspected = _judge(parts, reward, data, standing)
    found = {"plane_reward": learned}
    if "prob_visited" in inspected:
        found["plane_prob"] = inspected["prob_visited"]
    return found


def transitions_of(obs: jax.Array, action: jax.Array, next_obs: jax.Array, batch: tuple[int, ...]) -> Transition:
    """Return transitions [*batch] with only these arrays; everything else is zero or empty."""
    flag = jnp.zeros(batch, bool)
    return Transition(
        obs=obs,
        action=action,
        next_obs=next_obs,
        env_reward=jnp.zeros(batch),
        terminated=flag,
        truncated=flag,
        valid=~flag,
        is_demo=flag,
        behaviour={},
        info={},
    )

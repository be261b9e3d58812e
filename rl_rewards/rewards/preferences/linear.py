"""A linear reward w . phi of named features, learned from few answers to selected queries while the policy learns.

The belief about w is a sample of weights in the unit ball, drawn by Metropolis. The next queries are those with the
largest expected effect on the belief (Sadigh et al. 2017; Biyik et al. 2019, arXiv:1910.04365). Features are divided by
their standard deviation on visited steps; a query compares their means over two segments.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.epic import pearson
from rl_rewards.core.queries import NOBODY, Labels, Query
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Examples, Experience, Key, Metrics, Transition
from rl_rewards.rewards.base import AsksForLabels
from rl_rewards.rewards.preferences.asking import Asking
from rl_rewards.rewards.preferences.linear_posterior import (
    Likelihood,
    Sampler,
    information_gain,
    sample_belief,
    volume_removed,
)

CLIPS = 2
"""Segments in a query."""
SHOWN_STEPS = 1024
"""Number of visited steps from which the scale of features is computed."""


class LinearPreferencesState(struct.PyTreeNode):
    weights: Float[Array, "M d"]  # samples from the belief
    scale: Float[Array, " d"]  # standard deviation of the features on visited steps before the first query
    asked: Int[Array, ""]  # queries so far
    questions: Float[Array, "D d"]  # psi = sharpness * (mean scaled features of the first segment - the second's)
    answers: Float[Array, " D"]  # 1: the first is better, -1: the second, 0: a tie, a refusal, or no answer yet
    answered: Bool[Array, " D"]


@dataclass(frozen=True, kw_only=True)
class LinearPreferences(Asking, AsksForLabels):
    """A linear reward; keys and units: configs/reward/linear_preferences.yaml."""

    features: str
    likelihood: Likelihood
    sharpness: float
    sampler: Sampler
    acquisition: Literal["information_gain", "volume_removal", "uniform"]

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        self.check_asking()
        require(self.sharpness > 0, f"reward.sharpness={self.sharpness} must be positive.")
        shape = self.spec.info.get(self.features)
        known = ", ".join(name for name, size in self.spec.info.items() if len(size) == 1) or "none"
        require(
            shape is not None and len(shape) == 1,
            f"reward.features={self.features} is not a vector that {self.spec.name} records in info; its vectors are: "
            f"{known}.",
        )

    @property
    def requirements(self) -> Requirements:
        return self.requirements_of((f"info.{self.features}",), CLIPS, self.acquisition)

    def init(self, key: Key) -> LinearPreferencesState:
        d = self.spec.info[self.features][0]
        questions = jnp.zeros((self.budget, d))
        return LinearPreferencesState(
            weights=sample_belief(key, questions, self.likelihood, self.sampler),
            scale=jnp.ones(d),
            asked=jnp.zeros((), jnp.int32),
            questions=questions,
            answers=jnp.zeros(self.budget),
            answered=jnp.zeros(self.budget, bool),
        )

    def reward(self, state: LinearPreferencesState, transitions: Transition) -> Float[Array, "*batch"]:
        """Return the reward under the mean of the belief."""
        return self._scaled(state, transitions) @ jnp.mean(state.weights, axis=0)

    def update(
        self, state: LinearPreferencesState, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[LinearPreferencesState, Metrics]:
        """Draw new weights from the belief after the answers so far."""
        del data, round
        visit_key, belief_key = jax.random.split(key)
        visited = experience.sample(visit_key, SHOWN_STEPS).info[self.features]
        # Fixed from the first query on, so that all queries have the same unit.
        scale = jnp.where(state.asked == 0, jnp.maximum(jnp.std(visited, axis=0), 1e-6), state.scale)
        told = state.questions * state.answers[:, None]
        weights = sample_belief(belief_key, told, self.likelihood, self.sampler)
        state = state.replace(weights=weights, scale=scale)
        mean = jnp.mean(weights, axis=0)
        metrics = {
            "reward/queries": state.asked.astype(jnp.float32),
            "reward/labels": jnp.sum(state.answered).astype(jnp.float32),
            "reward/agreement": self._agreement(state),
            "reward/weights_spread": jnp.mean(jnp.std(weights, axis=0)),
        }
        return state, metrics | {f"reward/weight_{i}": mean[i] for i in range(len(mean))}

    def propose(
        self, state: LinearPreferencesState, experience: Experience, round: Array, key: Key
    ) -> tuple[LinearPreferencesState, Query]:
        """Return as many queries as the schedule allows, the most informative ones first."""
        draw_key, choose_key = jax.random.split(key)
        drawn = self.draw(experience, CLIPS, draw_key)
        means = jnp.mean(self._scaled(state, drawn), axis=2)  # [N, 2, d]
        psi = self.sharpness * (means[:, 0] - means[:, 1])
        index = jnp.argsort(-self._worth(state, psi, choose_key))[: self.queries_per_round]
        n, ids, slots = self.places(drawn, round, state.asked)
        questions = state.questions.at[slots].set(psi[index], mode="drop")
        state = state.replace(asked=state.asked + n, questions=questions)
        return state, Query(id=ids, segments=jax.tree.map(lambda x: x[index], drawn))

    def absorb(self, state: LinearPreferencesState, labels: Labels) -> LinearPreferencesState:
        """Store answers with their queries; a later answer to the same query replaces an earlier one."""
        slots = jnp.where(labels.id == NOBODY, self.budget, labels.id)
        known = jnp.all(jnp.isfinite(labels.scores), axis=-1)
        answers = jnp.where(known, jnp.sign(labels.scores[:, 0] - labels.scores[:, 1]), 0.0)
        return state.replace(
            answers=state.answers.at[slots].set(answers, mode="drop"),
            answered=state.answered.at[slots].set(known, mode="drop"),
        )

    def inspect(self, state: LinearPreferencesState, data: Examples, transitions: Transition) -> dict[str, Array]:
        """Return ``true_reward_correlation``, Pearson's correlation of learned and true reward on ``transitions``."""
        del data
        learned = self.reward(state, transitions)
        return {"true_reward_correlation": pearson(learned, transitions.env_reward, transitions.valid)}

    def _scaled(self, state: LinearPreferencesState, transitions: Transition) -> Float[Array, "*batch d"]:
        return transitions.info[self.features] / state.scale

    def _worth(self, state: LinearPreferencesState, psi: Float[Array, "N d"], key: Key) -> Float[Array, " N"]:
        if self.acquisition == "uniform":
            return jax.random.uniform(key, (len(psi),))
        if self.acquisition == "information_gain":
            return information_gain(state.weights, psi)
        return volume_removed(state.weights, psi, "relu")  # the sigmoid would prefer uninformative queries

    def _agreement(self, state: LinearPreferencesState) -> Float[Array, ""]:
        """Return the share of answers, ties excluded, with which the mean weights agree."""
        decided = state.answers != 0.0
        same = jnp.sign(state.questions @ jnp.mean(state.weights, axis=0)) == state.answers
        total = jnp.sum(decided)
        return jnp.where(total > 0, jnp.sum(same & decided) / jnp.maximum(total, 1), jnp.nan)

"""A reward w . phi of named features, learned from few answers to chosen questions, while the policy learns.

What is known of w is a sample of weights on the unit ball, by Metropolis; the next questions are those about which it
tells most, and that it would learn most from (Sadigh et al. 2017; Biyik et al. 2019, arXiv:1910.04365). Features are
divided by their deviation on visited steps; a question compares their means over two segments.
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
"""Segments in a question."""
SHOWN_STEPS = 1024
"""Visited steps that features are scaled on."""


class LinearPreferencesState(struct.PyTreeNode):
    weights: Float[Array, "M d"]  # drawn from the belief
    scale: Float[Array, " d"]  # deviation of the features on visited steps, as it was before the first question
    asked: Int[Array, ""]
    questions: Float[Array, "D d"]  # psi = sharpness * (mean scaled features of the first segment, less the second's)
    answers: Float[Array, " D"]  # 1 the first, -1 the second, 0 for a tie, a refusal, or none yet
    answered: Bool[Array, " D"]


@dataclass(frozen=True, kw_only=True)
class LinearPreferences(Asking, AsksForLabels):
    """Keys and units: configs/reward/linear_preferences.yaml."""

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
            f"reward.features={self.features} is no vector that {self.spec.name} records in info; there is: {known}.",
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
        """By the mean of the belief."""
        return self._scaled(state, transitions) @ jnp.mean(state.weights, axis=0)

    def update(
        self, state: LinearPreferencesState, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[LinearPreferencesState, Metrics]:
        """Draw weights anew from what the answers so far leave of the ball."""
        del data, round
        visit_key, belief_key = jax.random.split(key)
        visited = experience.sample(visit_key, SHOWN_STEPS).info[self.features]
        # Fixed by the first question: all questions in one unit.
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
        """As many as the schedule releases, those first that the belief learns most from."""
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
        """Put answers to their questions; a later answer to the same question goes before an earlier one."""
        slots = jnp.where(labels.id == NOBODY, self.budget, labels.id)
        known = jnp.all(jnp.isfinite(labels.scores), axis=-1)
        answers = jnp.where(known, jnp.sign(labels.scores[:, 0] - labels.scores[:, 1]), 0.0)
        return state.replace(
            answers=state.answers.at[slots].set(answers, mode="drop"),
            answered=state.answered.at[slots].set(known, mode="drop"),
        )

    def inspect(self, state: LinearPreferencesState, data: Examples, transitions: Transition) -> dict[str, Array]:
        """``true_reward_correlation``: Pearson's, of the learned reward with the true one on visited transitions."""
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
        return volume_removed(state.weights, psi, "relu")  # with the sigmoid it would ask what says nothing

    def _agreement(self, state: LinearPreferencesState) -> Float[Array, ""]:
        """Share of decided answers that the mean weights give too."""
        decided = state.answers != 0.0
        same = jnp.sign(state.questions @ jnp.mean(state.weights, axis=0)) == state.answers
        total = jnp.sum(decided)
        return jnp.where(total > 0, jnp.sum(same & decided) / jnp.maximum(total, 1), jnp.nan)

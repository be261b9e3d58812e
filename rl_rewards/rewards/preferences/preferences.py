"""A reward learned from answers about segments: comparisons of two, rankings of several, ratings of one, corrections or
descriptions.

P(first preferred) = (1 - e) sigmoid(R(first) - R(second)) + e / 2,  R is the sum of a segment's rewards
(Christiano et al. 2017, arXiv:1706.03741, equation 1 and section 2.2.) Queries are asked in sessions while the policy
learns; an answer may come many rounds later, and is stored by the query's id. The comparisons of an environment's file
are answered queries, too. Corrections and descriptions are choices among alternatives (alternatives.py).
Each member's rewards are standardised on visited steps; the policy is paid their mean, or
less where members differ (Coste et al. 2023, arXiv:2310.02743).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from rl_rewards.core.branches import step_if
from rl_rewards.core.checks import require
from rl_rewards.core.epic import pearson
from rl_rewards.core.queries import (
    NOBODY,
    GivenComparisons,
    Labels,
    Query,
    Question,
    pairs_of,
    preference_logits,
)
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.text_measures import response_length
from rl_rewards.core.types import Examples, Experience, Key, Metrics, Transition
from rl_rewards.rewards.base import READS, AsksForLabels, feature_size, make_pair_features
from rl_rewards.rewards.preferences.acquisition import choose, most_balanced, novelty
from rl_rewards.rewards.preferences.alternatives import beside, edits, pushes, similar_beginnings
from rl_rewards.rewards.preferences.answers import Answers, PreferencesState
from rl_rewards.rewards.preferences.asking import NOWHERE
from rl_rewards.rewards.preferences.fit import PreferenceFit
from rl_rewards.rewards.preferences.settings import LENGTH, PreferenceSettings

QUESTIONS: dict[Answers, Question] = {
    "comparisons": "quality",
    "corrections": "correction",
    "descriptions": "description",
}
"""What a labeler is asked for each kind of answers."""
SHOWN_STEPS = 1024
"""Number of visited steps on which rewards are standardised and with which new states are compared."""


@dataclass(frozen=True, kw_only=True)
class Preferences(PreferenceSettings, AsksForLabels):
    """A reward learned from answers; keys and units: configs/reward/preferences.yaml."""

    @property
    def first_round(self) -> int:
        return self.unsupervised_rounds

    @property
    def requirements(self) -> Requirements:
        balanced = () if self.balanced_by in (None, LENGTH) else (f"info.{self.balanced_by}",)
        question = QUESTIONS[self.answers]
        reads = (*READS[self.judges], *balanced)
        asked = self.requirements_of(reads, self.offered, self.acquisition, question, self.features)
        return replace(
            asked,
            queries=None if self.answers_from == "file" else asked.queries,
            keeps_comparisons=self.clips > 1,
            soft_answers=self.soft_answers,
            restarts=self.answers == "corrections" and self.corrections_from == "pushes",
            takes_comparisons=self.answers_from != "labeler",
            heldout_prompts=() if self.spec.text is None else (self.heldout_every,),
            begins_with_policy=self.reward_model.begins_with == "policy",
        )

    @cached_property
    def _features(self):
        return make_pair_features(self.spec, self.judges)

    @cached_property
    def _fit(self) -> PreferenceFit:
        return PreferenceFit(
            model=self.reward_model,
            batch_size=self.batch_size,
            label_noise=self.label_noise,
            crop=self.crop,
            pseudo_weight=self.pseudo_weight,
            pseudo_confidence=self.pseudo_confidence,
            length_control=self.length_control,
            text=self.spec.text,
            soft_answers=self.soft_answers,
            chooses=self.chooses,
        )

    def init(self, key: Key) -> PreferencesState:
        d, members = feature_size(self.spec, self.judges), self.reward_model.ensemble
        model = self.reward_model.init(key, d)
        state = PreferencesState(
            model=model,
            mean=jnp.zeros(members),
            deviation=jnp.ones(members),
            asked=jnp.zeros((), jnp.int32),
            inputs=jnp.zeros((self._size, self.offered, self.segment_steps, d)),
            scores=jnp.zeros((self._size, self.offered)),
            known=jnp.zeros((self._size, self.offered), bool),
            visited=jnp.zeros((SHOWN_STEPS, d)),
            exploring=jnp.array(self.unsupervised_rounds > 0),
        )
        return self._begun(state)

    def reward(self, state: PreferencesState, transitions: Transition) -> Float[Array, "*batch"]:
        inputs = self._features(transitions)
        learned = self._paid(state, inputs)
        if self.unsupervised_rounds == 0:
            return learned
        return jnp.where(state.exploring, self._novelty(state, inputs), learned)

    def update(
        self, state: PreferencesState, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[PreferencesState, Metrics]:
        """Take ``updates_per_round`` gradient steps on the answers, then update the statistics of visited steps."""
        del data
        visit_key, pool_key, train_key = jax.random.split(key, 3)
        inputs = self._features(experience.sample(visit_key, SHOWN_STEPS))
        moments = state.model.moments.update(inputs, jnp.ones(SHOWN_STEPS, bool))
        state = state.replace(
            model=state.model.replace(moments=moments), visited=inputs, exploring=round < self.unsupervised_rounds
        )
        trainable = self._answered(state) & ~self._heldout(state)
        unlabelled = self._unlabelled(experience, pool_key)
        answers = self._scores(state, np.arange(self._size))

        def train(model):
            return jax.lax.scan(
                lambda m, k: self._fit.step(m, state.inputs, answers, trainable, unlabelled, k),
                model,
                jax.random.split(train_key, self.updates_per_round),
            )

        model, metrics = step_if(jnp.any(trainable), train, state.model)
        state = self._with_best(state.replace(model=model))
        rewards = self.reward_model.rewards(self._chosen(state), inputs)
        state = state.replace(mean=jnp.mean(rewards, axis=1), deviation=jnp.maximum(jnp.std(rewards, axis=1), 1e-6))
        return state, jax.tree.map(jnp.mean, metrics) | self._dashboard(state)

    def propose(
        self, state: PreferencesState, experience: Experience, round: Array, key: Key
    ) -> tuple[PreferencesState, Query]:
        """Return the queries of this round, as many as the schedule and the budget allow."""
        draw_key, choose_key = jax.random.split(key)
        drawn = self._drawn(state, experience, draw_key)
        inputs = self._features(drawn)  # [N, K, L, d]
        index = self._asked_about(state, drawn, inputs, choose_key)
        n, ids, slots = self.places(drawn, round, state.asked)
        state = state.replace(asked=state.asked + n, inputs=state.inputs.at[slots].set(inputs[index], mode="drop"))
        return state, Query(id=ids, segments=jax.tree.map(lambda x: x[index], drawn))

    def _drawn(self, state: PreferencesState, experience: Experience, key: Key) -> Transition:
        """Return the candidates [N, K, L, ...]: segments to compare, or segments with their alternatives."""
        if not self.chooses:
            return self.draw(experience, self.clips, key)
        draw_key, other_key = jax.random.split(key)
        own = jax.tree.map(lambda x: x[:, 0], self.draw(experience, 1, draw_key))
        if self.answers == "descriptions":
            entries = tuple(self.spec.obs_names.index(name) for name in self.features)
            deviation = jnp.std(state.visited[:, np.asarray(entries)], axis=0)
            by = self.largest_change * jax.random.uniform(other_key, (len(own.valid), 1)) * deviation
            return beside(own, edits(self.spec, own, entries, by))
        if self.corrections_from == "pushes":
            return beside(own, pushes(self.spec, experience, own, self.corrections, other_key))
        return beside(own, similar_beginnings(experience, own, self.corrections, other_key))

    def _asked_about(
        self, state: PreferencesState, drawn: Transition, inputs: Float[Array, "N K L d"], key: Key
    ) -> Int[Array, " Q"]:
        """Return the indices of the candidates to ask about."""
        if self.acquisition == "balanced":
            return most_balanced(self._balanced_feature(drawn, inputs), self.queries_per_round, key)
        return choose(
            self.acquisition, self._probabilities(state, inputs), jnp.mean(inputs, axis=2).reshape(len(inputs), -1),
            self.queries_per_round, key,
        )  # fmt: skip

    def _balanced_feature(self, drawn: Transition, inputs: Float[Array, "N K L d"]) -> Float[Array, "N K"]:
        """Return the feature by which queries are balanced, summed over the steps of each segment."""
        if self.balanced_by == LENGTH:
            assert self.spec.text is not None
            return jnp.sum(response_length(self.spec.text, inputs), axis=-1)
        return jnp.sum(drawn.info[self.balanced_by], axis=-1)

    def absorb(self, state: PreferencesState, labels: Labels) -> PreferencesState:
        """Store answers with their queries; a later answer to the same query replaces an earlier one."""
        slots = jnp.where(labels.id == NOBODY, NOWHERE, labels.id)
        given, known = labels.scores, jnp.isfinite(labels.scores)
        if self.chooses:  # only the best one is said to be better than the others
            known = jnp.broadcast_to(jnp.all(known, axis=-1, keepdims=True), known.shape)
            given = (given == jnp.max(given, axis=-1, keepdims=True)).astype(given.dtype)
        scores = jnp.where(known, given, 0.0)
        return state.replace(
            scores=state.scores.at[slots].set(scores, mode="drop"),
            known=state.known.at[slots].set(known, mode="drop"),
        )

    def begin_with(self, state: PreferencesState, policy: Any) -> PreferencesState:
        model = self.reward_model.begin_with(state.model, policy)
        return self._begun(state.replace(model=model))

    def begin_with_comparisons(self, state: PreferencesState, compared: GivenComparisons) -> PreferencesState:
        """Return ``state`` with the comparisons of the file behind the queries to come.

        Raises:
            ConfigError: if all of them, or none, are about prompts that are held out.
        """
        inputs = self._features(compared.segments)
        heldout = int(np.sum(self._prompts_held_out(inputs)))
        require(
            0 < heldout < self._given,
            f"reward.heldout_every={self.heldout_every} holds out the prompts of {heldout} of the file's {self._given} "
            "comparisons, but some are needed to learn from, and some others to measure the accuracy; choose another "
            "number, such as 2 or 3, or give more prompts.",
        )
        return state.replace(
            inputs=state.inputs.at[self._asked :].set(inputs),
            scores=state.scores.at[self._asked :].set(compared.scores),
            known=state.known.at[self._asked :].set(True),
        )

    def inspect(self, state: PreferencesState, data: Examples, transitions: Transition) -> dict[str, Array]:
        """Return ``true_reward_correlation``, Pearson's correlation of learned and true reward on ``transitions``.

        It is missing if the environment has no true reward.
        """
        del data
        if not self.spec.has_true_reward:
            return {}
        learned = self._paid(state, self._features(transitions))
        return {"true_reward_correlation": pearson(learned, transitions.env_reward, transitions.valid)}

    def compared_inputs(self, transitions: Transition) -> Float[Array, "*batch d"] | None:
        return self._features(transitions)

    def member_rewards(
        self, state: PreferencesState, inputs: Float[Array, "*batch d"]
    ) -> Float[Array, " E *batch"] | None:
        return self.reward_model.rewards(self._chosen(state), inputs)

    def _unlabelled(self, experience: Experience, key: Key) -> Float[Array, "U K L d"] | None:
        """Return pairs without answers, for pseudo-labels; None if these are off."""
        if self.pseudo_weight == 0.0:
            return None
        pairs = self.pseudo_ratio * self.batch_size
        drawn = experience.sample_segments(key, pairs * self.clips, self.segment_steps)
        return self._features(drawn).reshape(pairs, self.clips, self.segment_steps, -1)

    def _probabilities(self, state: PreferencesState, inputs: Float[Array, "N K L d"]) -> Float[Array, "E N P"]:
        if self.clips == 1:
            return jnp.zeros((self.reward_model.ensemble, len(inputs), max(1, len(pairs_of(1)[0]))))
        return jax.nn.sigmoid(preference_logits(jnp.sum(self.reward_model.rewards(state.model, inputs), axis=-1)))

    # Rewards.

    def _paid(self, state: PreferencesState, inputs: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        rewards = self.reward_model.rewards(self._chosen(state), inputs)
        shape = (-1, *[1] * (rewards.ndim - 1))
        members = (rewards - state.mean.reshape(shape)) / state.deviation.reshape(shape)
        if self.combine == "min":
            return jnp.min(members, axis=0)
        mean = jnp.mean(members, axis=0)
        return mean if self.combine == "mean" else mean - self.variance_weight * jnp.var(members, axis=0)

    def _novelty(self, state: PreferencesState, inputs: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """Return the novelty of inputs, with distances in standard deviations of visited steps."""
        points, seen = (state.model.moments.normalize(x, 10.0) for x in (inputs, state.visited))
        return novelty(points, seen, self.neighbours)

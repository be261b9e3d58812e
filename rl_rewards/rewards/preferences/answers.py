"""The answers that a reward learns from, those among them that are held out to measure it, and the best weights so far.

Answers come from a labeler, from the environment's file, or from both.
"""

from dataclasses import dataclass, fields
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int

from rl_rewards.core.queries import (
    Comparisons,
    calibration_error,
    choice_loss,
    preference_logits,
    preference_loss,
    right,
)
from rl_rewards.core.text_measures import held_out_prompts, response_length
from rl_rewards.core.types import Metrics
from rl_rewards.rewards.preferences.asking import Asking
from rl_rewards.rewards.preferences.bag_of_words import bag_of_words_accuracy
from rl_rewards.rewards.preferences.length_control import without_length
from rl_rewards.rewards.preferences.reward_model import RewardModel, RewardModelState

Answers = Literal["comparisons", "corrections", "descriptions"]
"""What people say: which segment is better or how good one is, what should have been done instead, or which feature of
a segment should be higher or lower."""


class PreferencesState(struct.PyTreeNode):
    """The model and its D queries. Those to the labeler come first, each at the index of its id, so that even a late
    answer finds it; then come the comparisons of the environment's file."""

    model: RewardModelState
    mean: Float[Array, " E"]  # of each member's rewards on visited steps
    deviation: Float[Array, " E"]
    asked: Int[Array, ""]  # queries to the labeler so far
    inputs: Float[Array, "D K L d"]  # the queries' segments
    scores: Float[Array, "D K"]  # the queries' answers
    known: Bool[Array, "D K"]  # False without an answer; a NaN score in a checkpoint would look like a broken run
    visited: Float[Array, "M d"]  # some visited steps
    exploring: Bool[Array, ""]  # True in the first rounds, which pay for new states


class PreferencesWithBest(PreferencesState):
    """The state with keep_best; a class of its own, so that other states are stored as before."""

    best: dict  # the model's variables with the lowest loss on the held-out answers


@dataclass(frozen=True, kw_only=True)
class KeepsAnswers(Asking):
    """A reward model with the answers that it learns from; keys and units: configs/reward/preferences.yaml."""

    reward_model: RewardModel
    clips: int
    heldout_every: int
    answers: Answers = "comparisons"
    corrections: int = 5
    described: tuple[str, ...] | None = None
    keep_best: bool = False
    answers_from: Literal["labeler", "file", "both"] = "labeler"
    length_control: float = 0.0

    @property
    def chooses(self) -> bool:
        """True if an answer is the choice of a segment or of one of its alternatives."""
        return self.answers != "comparisons"

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features that a description may name."""
        if self.answers != "descriptions":
            return ()
        return self.spec.obs_names if self.described is None else tuple(self.described)

    @property
    def offered(self) -> int:
        """K, the number of segments in a query."""
        alternatives = {"corrections": self.corrections, "descriptions": 2 * len(self.features)}
        return 1 + alternatives[self.answers] if self.chooses else self.clips

    @property
    def _given(self) -> int:
        """The number of comparisons from the environment's file."""
        text = self.spec.text
        return 0 if text is None or self.answers_from == "labeler" else text.comparisons

    @property
    def _asked(self) -> int:
        """The largest number of queries to the labeler."""
        return 0 if self.answers_from == "file" else self.budget

    @property
    def _size(self) -> int:
        """D, the number of queries that there can be."""
        return self._asked + self._given

    def comparisons(self, state: PreferencesState) -> Comparisons | None:
        return None if self.clips == 1 else Comparisons(inputs=state.inputs, scores=state.scores, known=state.known)

    def heldout_agreement(self, state: PreferencesState) -> tuple[Array, Array] | None:
        if self.clips == 1:
            return None
        return _agreement(self._heldout_returns(state, self._chosen(state)), self._heldout_scores(state))

    def _answered(self, state: PreferencesState) -> Bool[Array, " D"]:
        """Return True for the queries with enough scores to learn from: one for a rating, two for the others."""
        return jnp.sum(state.known, axis=-1) >= min(self.clips, 2)

    def _scores(self, state: PreferencesState, index: Array | np.ndarray) -> Float[Array, "*batch K"]:
        return jnp.where(state.known[index], state.scores[index], jnp.nan)

    def _heldout(self, state: PreferencesState) -> Bool[Array, " D"]:
        """Return True for the queries that are never trained on; of texts, those about one prompt in
        ``heldout_every``."""
        if self.spec.text is not None:
            return self._prompts_held_out(state.inputs)
        return jnp.arange(self.budget) % self.heldout_every == self.heldout_every - 1

    def _prompts_held_out(self, inputs: Float[Array, "D K L d"]) -> Bool[Array, " D"]:
        """Return True for the queries about a prompt that is held out."""
        assert self.spec.text is not None
        prompts = inputs[:, 0, 0, : self.spec.text.prompt_tokens].astype(jnp.int32)
        return held_out_prompts(prompts, self.heldout_every)

    def _heldout_rows(self, state: PreferencesState) -> Int[Array, " H"]:
        """Return the indices of the held-out queries, then of others up to a fixed number."""
        if self.spec.text is None:
            return jnp.arange(self.heldout_every - 1, self.budget, self.heldout_every)
        counted = self._heldout(state) & self._answered(state)
        return jnp.argsort(~counted, stable=True)[: -(-2 * self._size // self.heldout_every)]

    def _dashboard(self, state: PreferencesState) -> Metrics:
        """Return the number of answers so far, and how well the reward predicts the held-out ones."""
        answered = self._answered(state)
        metrics = {
            "reward/queries": state.asked.astype(jnp.float32),
            "reward/labels": jnp.sum(answered).astype(jnp.float32),
        }
        if self.clips == 1:
            return metrics
        if len(self._heldout_rows(state)) == 0:
            return metrics
        members, scores = self._heldout_returns(state, self._chosen(state)), self._heldout_scores(state)
        found, known = _agreement(members, scores)
        accuracy = jnp.where(known > 0, found / jnp.maximum(known, 1.0), jnp.nan)
        metrics["reward/heldout_accuracy"] = accuracy
        if self.chooses:  # the chosen one beats others more often than in a pair, so that pairs are not calibrated
            return metrics
        metrics["reward/heldout_calibration_error"] = calibration_error(
            jnp.mean(jax.nn.sigmoid(preference_logits(members)), axis=0), scores
        )
        if self.spec.text is None:
            return metrics
        answers, heldout = self._scores(state, np.arange(self._size)), self._heldout(state)
        words = bag_of_words_accuracy(self.spec.text, state.inputs[:, :, 0], answers, answered & ~heldout, heldout)
        return metrics | {"reward/bag_of_words_accuracy": words}

    def _heldout_returns(self, state: PreferencesState, model: RewardModelState) -> Float[Array, "E H K"]:
        """Return every member's returns of the held-out segments."""
        return jnp.sum(self.reward_model.rewards(model, state.inputs[self._heldout_rows(state)]), axis=-1)

    def _explained(self, state: PreferencesState, members: Float[Array, "E H K"]) -> Float[Array, "E H K"]:
        """Return what explains the held-out answers: the returns, and with ``length_control`` also the lengths."""
        if self.length_control == 0.0 or self.spec.text is None:
            return members
        lengths = jnp.sum(response_length(self.spec.text, state.inputs[self._heldout_rows(state)]), axis=-1)
        scores = self._heldout_scores(state)
        return jax.vmap(lambda one: without_length(one, lengths, scores)[0])(members)

    def _heldout_scores(self, state: PreferencesState) -> Float[Array, "H K"]:
        """Return the answers about the held-out segments; NaN where there is none."""
        rows = self._heldout_rows(state)
        return jnp.where(self._heldout(state)[rows][:, None], self._scores(state, rows), jnp.nan)

    # The weights that pay.

    def _begun(self, state: PreferencesState) -> PreferencesState:
        """Return ``state`` with its first weights also as the best ones, if these are kept."""
        if not self.keep_best:
            return state
        best = jax.tree.map(jnp.copy, state.model.variables)
        if isinstance(state, PreferencesWithBest):
            return state.replace(best=best)
        return PreferencesWithBest(**{one.name: getattr(state, one.name) for one in fields(state)}, best=best)

    def _chosen(self, state: PreferencesState) -> RewardModelState:
        """Return the model whose rewards are paid: the best one so far with keep_best, else the newest."""
        kept = isinstance(state, PreferencesWithBest)
        return state.model.replace(variables=state.best) if kept else state.model

    def _with_best(self, state: PreferencesState) -> PreferencesState:
        """Return ``state`` with the newest weights as the best ones, unless the best ones so far do better on the
        held-out answers that there are now."""
        if not isinstance(state, PreferencesWithBest):
            return state
        scores = self._heldout_scores(state)

        def loss(variables: dict) -> Float[Array, ""]:
            members = self._explained(state, self._heldout_returns(state, state.model.replace(variables=variables)))
            of_one = choice_loss if self.chooses else preference_loss
            losses, _ = jax.vmap(lambda one: of_one(one, scores, 0.0))(members)
            return jnp.sum(losses)

        better = loss(state.model.variables) <= loss(state.best)
        return state.replace(
            best=jax.tree.map(lambda new, old: jnp.where(better, new, old), state.model.variables, state.best)
        )


def _agreement(members: Float[Array, "E H K"], scores: Float[Array, "H K"]) -> tuple[Array, Array]:
    """Return how many decided pairs the mean of the members orders as answered, and how many there are."""
    found, decided = right(jnp.mean(members, axis=0), scores)
    return jnp.sum(found), jnp.sum(decided)

"""A reward from labels of steps (process supervision), of whole responses (outcome), or of completions (nobody's).

The same network learns P(right | text so far) at the end of every step. From labels of steps, "right" is the step just
written (Uesato et al. 2022, arXiv:2211.14275; Lightman et al. 2023, arXiv:2305.20050). From labels of whole responses
it is the answer to come, and every step of a response has its label (Cobbe et al. 2021, arXiv:2110.14168). From
completions it is their share with a right answer (Math-Shepherd, Wang et al. 2023, arXiv:2312.08935). The reward of a
response is a fold of its steps' probabilities, because the algorithms take one reward for a response.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.branches import step_if
from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.pieces import true_first
from rl_rewards.core.queries import NOBODY, Labels, Query, QueryPlan
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.schedules import Sessions
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition
from rl_rewards.models.base import Model
from rl_rewards.models.transformer.generate import response_mask
from rl_rewards.rewards.base import AsksForLabels
from rl_rewards.rewards.process.labels import LabelsOf, StepLabels, cut_after, judged_places
from rl_rewards.rewards.process.step_model import Fold, StepModel, mean_loss

NOWHERE = 2**31 - 1
"""The slot of a query that is not asked; it is outside of every array, so that writing there changes nothing."""


class ProcessState(struct.PyTreeNode):
    """The network and the labels."""

    variables: Any
    optimizer: optax.OptState
    best: Any  # the variables with the lowest loss on the held-out labels so far; they pay
    labels: StepLabels
    asked: Int[Array, ""]  # labels that were asked for so far
    tokens: Float[Array, ""]  # tokens of completions so far


@dataclass(frozen=True, kw_only=True)
class ProcessReward(AsksForLabels):
    """A reward model of steps or outcomes; keys and units: configs/reward/process.yaml.

    Raises:
        ConfigError: if an argument is invalid, or the environment's texts have no steps.
    """

    spec: EnvSpec
    model: Model
    labels_of: LabelsOf
    completions: int
    fold: Fold
    budget: int
    sessions: int
    heldout_every: int
    batch_size: int
    updates_per_round: int
    learning_rate: float
    weight_decay: float
    begins_with: Literal["nothing", "policy"]

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        for name in ("completions", "budget", "sessions", "batch_size", "updates_per_round"):
            require(getattr(self, name) > 0, f"reward.{name}={getattr(self, name)} must be at least 1.")
        require(self.heldout_every > 1, f"reward.heldout_every={self.heldout_every} must be at least 2.")
        require(self.learning_rate > 0, f"reward.learning_rate={self.learning_rate} must be positive.")
        require(self.weight_decay >= 0, f"reward.weight_decay={self.weight_decay} must be 0 (off) or positive.")
        text = self.spec.text
        require(
            text is not None and text.step is not None and "step_right" in self.spec.info,
            f"reward=process judges the steps of a response, and {self.spec.name} has none; choose env=text_chains.",
        )
        _ = self._model

    @cached_property
    def _model(self) -> StepModel:
        assert self.spec.text is not None
        return StepModel(
            text=self.spec.text,
            model=self.model,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            fold=self.fold,
        )

    @cached_property
    def _released(self) -> Sessions:
        return Sessions(schedule="constant", budget=self.budget, count=self.sessions, every=1, first_share=0.0)

    @property
    def requirements(self) -> Requirements:
        plan = QueryPlan(
            question="success",
            queries_per_round=self._released.most,
            clips=1,
            budget=self.budget,
            acquisition="first",
        )
        asks = self.labels_of != "completions"
        return Requirements(
            reads=("next_obs",),
            needs_rollouts=True,
            queries=plan if asks else None,
            begins_with_policy=self.begins_with == "policy",
        )

    def init(self, key: Key) -> ProcessState:
        variables = self._model.init(key)
        return ProcessState(
            variables=variables,
            optimizer=self._model.optimizer.init(variables["params"]),
            best=jax.tree.map(jnp.copy, variables),
            labels=StepLabels.none(self.budget, self.spec.obs.shape[0]),
            asked=jnp.zeros((), jnp.int32),
            tokens=jnp.zeros(()),
        )

    def begin_with(self, state: ProcessState, policy: Any) -> ProcessState:
        if self.begins_with != "policy":
            return state
        variables = self._model.with_policy(state.variables, policy)
        return state.replace(variables=variables, best=jax.tree.map(jnp.copy, variables))

    # The reward.

    def reward(self, state: ProcessState, transitions: Transition) -> Float[Array, "*batch"]:
        texts = transitions.next_obs.astype(jnp.int32)
        flat = texts.reshape(-1, texts.shape[-1])
        return self.text_rewards(self.step_scores(state, flat), flat).reshape(texts.shape[:-1])

    def step_scores(self, state: ProcessState, texts: Int[Array, "N tokens"]) -> Float[Array, "N L"]:
        """Return P(right) at the last token of every step, and 1 at all other tokens, of prompts and responses."""
        return self._model.scores(state.best, texts)

    def text_rewards(self, scores: Float[Array, "N L"], texts: Int[Array, "N tokens"]) -> Float[Array, " N"]:
        """Return the rewards of prompts and responses whose steps have these ``scores``."""
        return self._model.folded(scores, texts)

    # Learning.

    def update(
        self, state: ProcessState, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[ProcessState, Metrics]:
        """Take ``updates_per_round`` gradient steps on the labels; before that, completions give new labels."""
        del data
        complete_key, train_key = jax.random.split(key)
        if self.labels_of == "completions":
            state = self._completed(state, experience, round, complete_key)
        trainable = state.labels.known & ~self._heldout(state)

        def train(state: ProcessState) -> tuple[ProcessState, Metrics]:
            step = lambda one, k: self._step(one, trainable, k)  # noqa: E731
            state, losses = jax.lax.scan(step, state, jax.random.split(train_key, self.updates_per_round))
            return state, {"reward/loss": jnp.mean(losses)}

        state, metrics = step_if(jnp.any(trainable), train, state)
        state, told = self._with_best(state)
        return state, metrics | told

    def _step(
        self, state: ProcessState, trainable: Bool[Array, " D"], key: Key
    ) -> tuple[ProcessState, Float[Array, ""]]:
        counted = jnp.cumsum(trainable)
        rank = jax.random.randint(key, (self.batch_size,), 0, jnp.maximum(counted[-1], 1)) + 1
        rows = jnp.searchsorted(counted, rank)
        labels = jax.tree.map(lambda x: x[rows], state.labels)
        variables, optimizer, loss = self._model.fit(
            state.variables, state.optimizer, labels.texts, labels.scores, self._judged(labels)
        )
        return state.replace(variables=variables, optimizer=optimizer), loss

    def _judged(self, labels: StepLabels) -> Bool[Array, "N L"]:
        """Return the tokens that have the label: of an outcome, the ends of all steps; else that of the judged step."""
        if self.labels_of == "outcome":
            return judged_places(self._model.text, labels.texts[:, self._model.text.prompt_tokens :], "steps")
        return jnp.arange(self._model.text.response_tokens) == labels.place[:, None]

    def _heldout(self, state: ProcessState) -> Bool[Array, " D"]:
        return state.labels.heldout(self._model.text, self.heldout_every)

    def _with_best(self, state: ProcessState) -> tuple[ProcessState, Metrics]:
        """Return ``state`` with the newest weights as the best ones, unless these do better on held-out labels."""
        rows = true_first(state.labels.known & self._heldout(state))[: self._most_heldout]
        labels = jax.tree.map(lambda x: x[rows], state.labels)
        held = labels.known & labels.heldout(self._model.text, self.heldout_every)
        judged = self._judged(labels) & held[:, None]
        new, old = (
            mean_loss(self._model.logits(one, labels.texts), labels.scores, judged)
            for one in (state.variables, state.best)
        )
        best = jax.tree.map(lambda a, b: jnp.where(new <= old, a, b), state.variables, state.best)
        state = state.replace(best=best)
        ordered, pairs = self.heldout_agreement(state)
        return state, {
            "reward/heldout_loss": jnp.where(jnp.any(held), jnp.minimum(new, old), jnp.nan),
            "reward/heldout_accuracy": jnp.where(pairs > 0, ordered / jnp.maximum(pairs, 1.0), jnp.nan),
            "reward/labels": jnp.sum(state.labels.known).astype(jnp.float32),
            "reward/queries": state.asked.astype(jnp.float32),
            "reward/completion_tokens": state.tokens,
        }

    @property
    def _most_heldout(self) -> int:
        return min(self.budget, -(-2 * self.budget // self.heldout_every) + 8)

    def heldout_agreement(self, state: ProcessState) -> tuple[Array, Array]:
        """Return how many pairs of a held-out right and a held-out wrong label are ordered, and how many there are.

        Each label is in one pair at most, so that pairs are independent. A share of completions of more than 1/2
        counts as right.
        """
        rows = true_first(state.labels.known & self._heldout(state))[: self._most_heldout]
        labels = jax.tree.map(lambda x: x[rows], state.labels)
        held = labels.known & labels.heldout(self._model.text, self.heldout_every)
        scores = jnp.take_along_axis(self._model.scores(state.best, labels.texts), labels.place[:, None], axis=1)[:, 0]
        sides = [held & (labels.scores > 0.5), held & (labels.scores <= 0.5)]
        good, bad = (scores[true_first(side)] for side in sides)
        count = jnp.minimum(*(jnp.sum(side) for side in sides))
        is_pair = jnp.arange(len(scores)) < count
        ordered = jnp.sum(jnp.where(is_pair, 0.5 * (1.0 + jnp.sign(good - bad)), 0.0))
        return ordered, count.astype(jnp.float32)

    # Asking.

    def may_ask(self, round: Int[Array, ""]) -> Bool[Array, ""]:
        return self._released.is_session(round) & (round < self.sessions)

    def propose(
        self, state: ProcessState, experience: Experience, round: Array, key: Key
    ) -> tuple[ProcessState, Query]:
        """Return a question for every step, or every response, of the newest responses in turn."""
        del key
        state, steps, place, ids = self._drawn(state, experience, round)
        true = jnp.take_along_axis(steps.info["step_right"], place[:, None], axis=1)[:, 0] > 0.5
        right = steps.info["success"] if self.labels_of == "outcome" else true
        segments = cut_after(self._model.text, steps, place, right)
        return state, Query(id=ids, segments=jax.tree.map(lambda x: x[:, None, None], segments))

    def _drawn(
        self, state: ProcessState, experience: Experience, round: Array
    ) -> tuple[ProcessState, Transition, Int[Array, " Q"], Int[Array, " Q"]]:
        """Return the state with Q new places to judge, their responses [Q], the places, and their ids or NOBODY."""
        assert experience.rollout is not None, "compatibility.check ensures that there are rollouts"
        rollout = jax.tree.map(lambda x: x[0], experience.rollout)  # a response is one step
        judged = judged_places(self._model.text, rollout.action, self.labels_of)
        length = judged.shape[1]
        index = true_first(judged.reshape(-1))[: self._released.most]
        row, place = index // length, index % length
        due = jnp.minimum(self._released.due(round, state.asked), jnp.sum(judged))
        number = jnp.arange(len(index))
        ids = jnp.where(number < due, state.asked + number, NOBODY)
        slots = jnp.where(ids == NOBODY, NOWHERE, ids)
        steps = jax.tree.map(lambda x: x[row], rollout)
        labels = state.labels.replace(
            texts=state.labels.texts.at[slots].set(steps.next_obs.astype(jnp.int32), mode="drop"),
            place=state.labels.place.at[slots].set(place.astype(jnp.int32), mode="drop"),
        )
        return state.replace(labels=labels, asked=state.asked + due), steps, place, ids

    def _completed(self, state: ProcessState, experience: Experience, round: Array, key: Key) -> ProcessState:
        """Return ``state`` with the labels of this round's completions, and the number of their tokens."""

        def ask(state: ProcessState) -> ProcessState:
            state, steps, place, ids = self._drawn(state, experience, round)
            asked = ids != NOBODY
            text = self._model.text

            def share(total: tuple[Array, Array], key: Key) -> tuple[tuple[Array, Array], None]:
                done = experience.complete(key, steps, place)
                new = response_mask(done.action, text.end, text.pad) & (
                    jnp.arange(text.response_tokens) > place[:, None]
                )
                tokens = jnp.sum(jnp.where(asked[:, None], new, False)).astype(jnp.float32)
                return (total[0] + done.info["success"].astype(jnp.float32), total[1] + tokens), None

            start = (jnp.zeros(len(ids)), jnp.zeros(()))
            (right, tokens), _ = jax.lax.scan(share, start, jax.random.split(key, self.completions))
            state = self._stored(state, ids, right / self.completions)
            return state.replace(tokens=state.tokens + tokens)

        return jax.lax.cond(self.may_ask(round), ask, lambda state: state, state)

    def absorb(self, state: ProcessState, labels: Labels) -> ProcessState:
        """Store answers with their questions."""
        return self._stored(state, labels.id, labels.scores[:, 0])

    def _stored(self, state: ProcessState, ids: Int[Array, " A"], scores: Float[Array, " A"]) -> ProcessState:
        slots = jnp.where(ids == NOBODY, NOWHERE, ids)
        known = jnp.isfinite(scores)
        labels = state.labels.replace(
            scores=state.labels.scores.at[slots].set(jnp.where(known, scores, 0.0), mode="drop"),
            known=state.labels.known.at[slots].set(known, mode="drop"),
        )
        return state.replace(labels=labels)

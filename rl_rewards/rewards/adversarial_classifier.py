"""The lecture's fix: states that the policy visits become negatives, and the classifier is updated as RL goes on.

each round: D- <- D- + visited states;  f <- f - grad BCE(D+, D-), balanced batches;  r = map(f(s))
(VICE without its log-probability term, Fu et al. 2018, arXiv:1805.11686; regularised as MEDAL++, arXiv:2303.01488.)
"""

from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float, Int

from rl_rewards.core.checks import require
from rl_rewards.core.types import Examples, Experience, Key, Metrics, Transition
from rl_rewards.rewards.base import feature_size, looked_at
from rl_rewards.rewards.classifier import ClassifierState
from rl_rewards.rewards.goal_classifier import GoalClassifier


@struct.dataclass
class VisitedStates:
    """Ring of visited states [C, ...], oldest overwritten first."""

    obs: Array
    action: Array
    round: Int[Array, "C"]  # in which a state was added; -1 while empty
    position: Int[Array, ""]  # where the next one goes

    def add(self, obs: Array, action: Array, keep: Array, round: Array) -> "VisitedStates":
        """Append the rows of ``obs`` [n, ...] and ``action`` where ``keep`` [n] bool, n at most C."""
        capacity = self.round.shape[0]
        slot = (self.position + jnp.cumsum(keep) - 1) % capacity
        slot = jnp.where(keep, slot, capacity)  # out of range: dropped
        return VisitedStates(
            obs=self.obs.at[slot].set(obs, mode="drop"),
            action=self.action.at[slot].set(action, mode="drop"),
            round=self.round.at[slot].set(round, mode="drop"),
            position=(self.position + jnp.sum(keep)) % capacity,
        )

    def count(self, since: Array) -> Int[Array, ""]:
        """How many states were added in round ``since`` or later; they are the newest ones."""
        return jnp.sum((self.round >= since) & (self.round >= 0))

    def newest(self, index: Array) -> tuple[Array, Array]:
        """(obs, action) of the ``index``-th newest states, 0 the last one added."""
        slot = (self.position - 1 - index) % self.round.shape[0]
        return self.obs[slot], self.action[slot]


@struct.dataclass
class AdversarialClassifierState:
    classifier: ClassifierState
    visited: VisitedStates


@dataclass(frozen=True, kw_only=True)
class AdversarialClassifier(GoalClassifier):
    """Keys and units: configs/reward/adversarial_classifier.yaml."""

    visited: Literal["all", "final"] | float
    visited_per_round: int
    keep_visited: int
    keep_rounds: int | None
    updates_per_round: int
    rounds_per_update: int

    needs_rollouts: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            isinstance(self.visited, str) or 0 < self.visited <= 1,
            f"reward.visited={self.visited} must be all, final or a share in (0, 1].",
        )
        require(
            0 < self.visited_per_round <= self.keep_visited,
            f"reward.visited_per_round={self.visited_per_round} must be at least 1 and at most "
            f"reward.keep_visited={self.keep_visited}.",
        )
        require(self.updates_per_round > 0, f"reward.updates_per_round={self.updates_per_round} must be at least 1.")
        require(self.rounds_per_update > 0, f"reward.rounds_per_update={self.rounds_per_update} must be at least 1.")
        require(
            self.keep_rounds is None or self.keep_rounds > 0,
            f"reward.keep_rounds={self.keep_rounds} must be at least 1, or null to keep them.",
        )

    def init(self, key: Key) -> AdversarialClassifierState:
        capacity = self.keep_visited
        action_shape = getattr(self.spec.action, "shape", ())
        action_dtype = getattr(self.spec.action, "dtype", "int32")
        return AdversarialClassifierState(
            classifier=self.classifier.init(key, feature_size(self.spec, self.judges)),
            visited=VisitedStates(
                obs=jnp.zeros((capacity, *self.spec.obs.shape), self.spec.obs.dtype),
                action=jnp.zeros((capacity, *action_shape), action_dtype),
                round=jnp.full((capacity,), -1, jnp.int32),
                position=jnp.zeros((), jnp.int32),
            ),
        )

    def update(
        self,
        state: AdversarialClassifierState,
        data: Examples,
        experience: Experience,
        round: Array,
        key: Key,
    ) -> tuple[AdversarialClassifierState, Metrics]:
        """First round: train on the examples. Then, in every round: visited states to D-, and update."""
        show_key = jax.random.fold_in(key, 0)
        pretrain_key, add_key, train_key = jax.random.split(key, 3)
        classifier, _ = self._pretrain(state.classifier, data, round, pretrain_key)
        visited = self._add(state.visited, experience.rollout, round, add_key)
        since = 0 if self.keep_rounds is None else round - self.keep_rounds + 1
        count = visited.count(jnp.asarray(since))

        def draw(goal_key, negative_key):
            positives = self._draw(goal_key, data["goal_obs"], data["goal_action"], self.batch_goals)
            return positives, self._draw_negatives(negative_key, data, visited, count)

        def step(classifier, step_key):
            goal_key, negative_key, step_key = jax.random.split(step_key, 3)
            return self.classifier.train_step(classifier, *draw(goal_key, negative_key), step_key)

        def train(classifier):
            keys = jax.random.split(train_key, self.updates_per_round)
            classifier, metrics = jax.lax.scan(step, classifier, keys)
            shown = self.classifier.dashboard(classifier, *draw(*jax.random.split(show_key)))
            return classifier, jax.tree.map(jnp.mean, metrics) | shown

        nothing = jax.tree.map(lambda x: jnp.full(x.shape, jnp.nan, x.dtype), jax.eval_shape(train, classifier)[1])
        due = round % self.rounds_per_update == 0
        classifier, metrics = jax.lax.cond(due, train, lambda c: (c, nothing), classifier)
        metrics["reward/negatives"] = count + data["non_goal_obs"].shape[0]
        return AdversarialClassifierState(classifier=classifier, visited=visited), metrics

    def _add(self, visited: VisitedStates, rollout: Transition, round: Array, key: Key) -> VisitedStates:
        """Up to ``visited_per_round`` of the rollout's eligible states, chosen at random without replacement."""
        obs, action = looked_at(rollout, self.judges)
        batch = rollout.valid.ndim
        obs, action = (x.reshape(-1, *x.shape[batch:]) for x in (obs, action))
        eligible = (rollout.valid & rollout.done if self.visited == "final" else rollout.valid).reshape(-1)
        wanted = jnp.sum(eligible)
        if not isinstance(self.visited, str):
            wanted = jnp.ceil(wanted * self.visited).astype(jnp.int32)
        n = min(self.visited_per_round, eligible.shape[0])
        lottery = jnp.where(eligible, jax.random.uniform(key, eligible.shape), 2.0)
        chosen = jnp.argsort(lottery)[:n]
        keep = jnp.arange(n) < jnp.minimum(wanted, jnp.sum(eligible))
        return visited.add(obs[chosen], action[chosen], keep, round)

    def _draw_negatives(self, key: Key, data: Examples, visited: VisitedStates, count: Array) -> Float[Array, "E n d"]:
        """Uniform over the union of the non-goal examples and the ``count`` newest visited states."""
        examples = data["non_goal_obs"].shape[0]
        shape = (self.classifier.ensemble, self._batch_negatives)
        index = jax.random.randint(key, shape, 0, examples + count)
        from_examples = index < examples
        rows = jnp.minimum(index, examples - 1)
        example_inputs = self._inputs(data["non_goal_obs"][rows], data["non_goal_action"][rows])
        visited_inputs = self._inputs(*visited.newest(jnp.maximum(index - examples, 0)))
        return jnp.where(from_examples[..., None], example_inputs, visited_inputs)

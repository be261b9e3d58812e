"""The lecture's fix: states that the policy visits become negatives, and the classifier is updated during RL.

each round: D- <- D- + visited states;  f <- f - grad BCE(D+, D-), balanced batches;  r = map(f(s))
(VICE without its log-probability term, Fu et al. 2018, arXiv:1805.11686; regularised as MEDAL++, arXiv:2303.01488.)

Negatives are drawn by visited places or by visits; places.py explains how that changes the classifier's optimum.
A labeler may be asked about some of the visited states; see asked_states.py.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float, Int

from rl_rewards.core.branches import step_if
from rl_rewards.core.checks import require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Examples, Experience, Key, Metrics, Transition
from rl_rewards.models.encoders import is_image
from rl_rewards.rewards.base import feature_size, judged_obs_action
from rl_rewards.rewards.classifier.asked_states import AskedStates, AsksAboutStates
from rl_rewards.rewards.classifier.classifier import ClassifierState
from rl_rewards.rewards.classifier.goal import GoalClassifierState
from rl_rewards.rewards.classifier.places import ByPlaces, Places, by_places
from rl_rewards.rewards.classifier.visited_states import FeaturedStates, VisitedStates


class AdversarialClassifierState(GoalClassifierState):
    visited: VisitedStates


class AskingClassifierState(AdversarialClassifierState):
    """The state of a run that asks a labeler; checkpoints of other runs do not contain ``asked``."""

    asked: AskedStates = struct.field(kw_only=True)


class Pool(struct.PyTreeNode):
    """The states from which a round draws its negatives: non-goal examples, then visited states, the newest first."""

    visited: VisitedStates
    count: Int[Array, ""]  # number of visited states to draw from
    recent: Int[Array, ""]  # number of these that are recent
    draw: ByPlaces | None = None  # None: all are drawn with equal probability

    def metrics(self) -> Metrics:
        return {} if self.draw is None else {"reward/places": self.draw.places, "reward/places_alone": self.draw.alone}


@dataclass(frozen=True, kw_only=True)
class AdversarialClassifier(AsksAboutStates):
    """An adversarial goal classifier; keys and units: configs/reward/adversarial_classifier.yaml."""

    visited: Literal["all", "final"] | float
    visited_per_round: int
    keep_visited: int
    keep_rounds: int | None
    updates_per_round: int
    rounds_per_update: int
    negatives: Literal["places", "visits"] = "visits"  # as in runs before this key existed
    places: Places = Places(features="inputs", dimensions=8, side=0.5)
    recent_share: float = 0.0
    recent_rounds: int = 20

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
            f"reward.keep_rounds={self.keep_rounds} must be at least 1, or null to keep all.",
        )
        require(0 <= self.recent_share <= 1, f"reward.recent_share={self.recent_share} must lie in [0, 1].")
        require(self.recent_rounds > 0, f"reward.recent_rounds={self.recent_rounds} must be at least 1.")
        _ = self._columns  # refuses an unknown feature before anything compiles

    @property
    def requirements(self) -> Requirements:
        return replace(super().requirements, needs_rollouts=True, size_key=("keep_visited", self.keep_visited))

    def init(self, key: Key) -> AdversarialClassifierState:
        capacity = self.keep_visited
        classifier = self.discriminator.init(key, feature_size(self.spec, self.judges))
        visited = VisitedStates(
            obs=jnp.zeros((capacity, *self.spec.obs.shape), self.spec.obs.dtype),
            action=jnp.zeros((capacity, *self.spec.action.shape), self.spec.action.dtype),
            round=jnp.full((capacity,), -1, jnp.int32),
            position=jnp.zeros((), jnp.int32),
        )
        if self._stores_features:
            pretrained = classifier.replace(optimizer=()) if self._by_hidden_layer else None
            shape = jax.eval_shape(self._features, pretrained, visited.obs, visited.action).shape
            visited = FeaturedStates(**vars(visited), features=jnp.zeros(shape), pretrained=pretrained)
        if self.queries == 0:
            return AdversarialClassifierState(classifier=classifier, visited=visited)
        asked = AskedStates.init(self.spec, self.queries)
        return AskingClassifierState(classifier=classifier, visited=visited, asked=asked)

    def without_memory(self, state: AdversarialClassifierState) -> AdversarialClassifierState:
        """Return ``state`` without the visited states, which only updates read; the reward does not change."""
        return state.replace(visited=state.visited.emptied())

    def update(
        self,
        state: Any,  # AdversarialClassifierState
        data: Examples,
        experience: Experience,
        round: Array,
        key: Key,
    ) -> tuple[AdversarialClassifierState, Metrics]:
        """Train on the examples in the first round; in every round, add visited states to D- and train."""
        show_key, show_answers_key = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
        pretrain_key, add_key, train_key = jax.random.split(key, 3)
        classifier, _ = self._pretrain(state.classifier, data, round, pretrain_key)
        visited = state.visited
        if self._by_hidden_layer:
            assert isinstance(visited, FeaturedStates)
            learned, before = classifier.replace(optimizer=()), visited.pretrained
            visited = visited.replace(pretrained=jax.lax.cond(round == 0, lambda: learned, lambda: before))
        visited = self._add(visited, experience.rollout, round, add_key)
        counts = [visited.count(jnp.asarray(since)) for since in self._since(round)]

        def train(classifier):
            pool = self._pool(data, visited, *counts)

            def draw(rows, answers_key):
                goals, negatives = rows
                positives = self._inputs(data["goal_obs"][goals], data["goal_action"][goals])
                return self.with_answered(state, positives, self._negatives(data, pool, negatives), answers_key)

            def step(classifier, rows_and_key):
                rows, step_key = rows_and_key
                answers_key = jax.random.fold_in(step_key, 1)
                return self.discriminator.train_step(classifier, *draw(rows, answers_key), step_key)

            keys = jax.vmap(lambda key: jax.random.split(key, 3))(jax.random.split(train_key, self.updates_per_round))
            # Drawing all indices at once is cheaper than in each step; each step then looks up the states.
            rows = jax.vmap(partial(self._rows, data, pool))(keys[:, 0], keys[:, 1])
            classifier, metrics = jax.lax.scan(step, classifier, (rows, keys[:, 2]))
            shown_rows = self._rows(data, pool, *jax.random.split(show_key))
            shown = self.discriminator.dashboard(classifier, *draw(shown_rows, show_answers_key))
            return classifier, jax.tree.map(jnp.mean, metrics) | shown | pool.metrics()

        classifier, metrics = step_if(round % self.rounds_per_update == 0, train, classifier)
        metrics["reward/negatives"] = counts[0] + data["non_goal_obs"].shape[0]
        metrics |= self.asked_metrics(state)
        return state.replace(classifier=classifier, visited=visited), metrics

    def _since(self, round: Array) -> tuple[Array | int, Array | int]:
        """Return the first round whose visited states are used, and the first whose visited states are recent."""
        return 0 if self.keep_rounds is None else round - self.keep_rounds + 1, round - self.recent_rounds + 1

    def _add(self, visited: VisitedStates, rollout: Transition, round: Array, key: Key) -> VisitedStates:
        """Add up to ``visited_per_round`` of the rollout's eligible states, chosen at random without replacement."""
        obs, action = judged_obs_action(rollout, self.judges)
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
        obs, action = obs[chosen], action[chosen]
        if isinstance(visited, FeaturedStates):
            features = self._features(visited.pretrained, obs, action)
            return visited.add(obs, action, keep, round, features=features)
        return visited.add(obs, action, keep, round)

    # The source of negatives.

    def _pool(self, data: Examples, visited: VisitedStates, count: Array, recent: Array) -> Pool:
        """Return the non-goal examples and the ``count`` newest visited states, of which ``recent`` are recent."""
        if self.negatives == "visits":
            return Pool(visited=visited, count=count, recent=recent)
        pretrained = visited.pretrained if isinstance(visited, FeaturedStates) else None
        among = self._features(pretrained, data["non_goal_obs"], data["non_goal_action"])
        if isinstance(visited, FeaturedStates):
            stored = visited.features
        else:
            stored = self._features(None, visited.obs, visited.action)
        counted = jnp.concatenate([jnp.ones(len(among), bool), visited.among_newest(count)])
        cells = self.places.cells(jnp.concatenate([among, stored]), counted)
        cells = jnp.concatenate([cells[: len(among)], visited.newest_first(cells[len(among) :])])
        draw = by_places(cells, jnp.arange(len(cells)) < len(among) + count)
        return Pool(visited=visited, count=count, recent=recent, draw=draw)

    def _rows(self, data: Examples, pool: Pool, goal_key: Key, negative_key: Key) -> tuple[Array, Array]:
        """Return indices of goal examples [E, n] and of negatives [E, m] (see :class:`Pool`) for one gradient step."""
        members, examples = self.classifier.ensemble, data["non_goal_obs"].shape[0]
        goals = jax.random.randint(goal_key, (members, self.batch_goals), 0, data["goal_obs"].shape[0])
        shape = (members, self._batch_negatives)
        if pool.draw is None:
            negatives = jax.random.randint(negative_key, shape, 0, examples + pool.count)
        else:
            negatives = jnp.minimum(pool.draw.index(negative_key, shape), examples + pool.count - 1)
        if self.recent_share > 0.0:
            which_key, recent_key = jax.random.split(jax.random.fold_in(negative_key, 1))
            recent = examples + jax.random.randint(recent_key, shape, 0, jnp.maximum(pool.recent, 1))
            take = (jax.random.uniform(which_key, shape) < self.recent_share) & (pool.recent > 0)
            negatives = jnp.where(take, recent, negatives)
        return goals, negatives

    def _negatives(self, data: Examples, pool: Pool, rows: Array) -> Float[Array, "*rows d"]:
        """Return the classifier's inputs for the negatives with these indices."""
        examples = data["non_goal_obs"].shape[0]
        of_examples = jnp.minimum(rows, examples - 1)
        example_inputs = self._inputs(data["non_goal_obs"][of_examples], data["non_goal_action"][of_examples])
        visited_inputs = self._inputs(*pool.visited.newest(jnp.maximum(rows - examples, 0)))
        return jnp.where((rows < examples)[..., None], example_inputs, visited_inputs)

    # The features that define places.

    @property
    def _by_hidden_layer(self) -> bool:
        return self.negatives == "places" and self.places.features == "hidden"

    @property
    def _stores_features(self) -> bool:
        """Return True if features are stored, because computing them in every round is too expensive."""
        return self.negatives == "places" and (self._by_hidden_layer or is_image(self.spec.obs))

    @cached_property
    def _columns(self) -> list[int] | None:
        return self.places.columns(self.spec.obs_names, feature_size(self.spec, self.judges))

    def _features(self, pretrained: ClassifierState | None, obs: Array, action: Array) -> Float[Array, "n k"]:
        """Return the features [n, k] that define the places of states [n, ...]."""
        features = self._inputs(obs, action)
        if pretrained is not None:
            features = self.discriminator.hidden_layer(pretrained, features)
        if self._columns is not None:
            features = features[:, jnp.asarray(self._columns)]
        return self.places.projected(features) if self._stores_features else features

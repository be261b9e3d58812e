"""A goal classifier that is trained once on examples of success and failure and then frozen.

r = map(f(s)),  f = argmin BCE over D+ and D-. This is the lecture's first idea, and policies learn to fool it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float

from rl_rewards.core.branches import step_if
from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition
from rl_rewards.models.base import check_model
from rl_rewards.models.encoders import is_image
from rl_rewards.rewards.base import READS, Judges, RewardSource, feature_size, judged_obs_action, make_features
from rl_rewards.rewards.classifier.classifier import Classifier, ClassifierState
from rl_rewards.rewards.classifier.inputs import inputs_of
from rl_rewards.rewards.reward_maps import POSITIVE, REWARD_MAPS, RewardMap


class GoalClassifierState(struct.PyTreeNode):
    classifier: ClassifierState


@dataclass(frozen=True, kw_only=True)
class GoalClassifier(RewardSource):
    """A fixed goal classifier; keys and units: configs/reward/goal_classifier.yaml."""

    spec: EnvSpec
    classifier: Classifier
    judges: Judges
    reward_map: RewardMap
    batch_goals: int
    negatives_per_goal: float
    pretrain_steps: int
    early_end: Literal["refuse", "allow"]

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        picture = self.spec.obs.shape if is_image(self.spec.obs) else None
        check_model(self.classifier.model, "reward.classifier.model", picture)
        require(self.batch_goals > 0, f"reward.batch_goals={self.batch_goals} must be at least 1.")
        require(self.pretrain_steps > 0, f"reward.pretrain_steps={self.pretrain_steps} must be at least 1.")
        require(self.negatives_per_goal > 0, f"reward.negatives_per_goal={self.negatives_per_goal} must be positive.")
        require(
            self.early_end == "allow" or not self.spec.ends_early,
            f"Episodes of {self.spec.name} can end early, so that their length leaks into a goal classifier's reward; "
            "choose an environment of fixed length, or accept it with reward.early_end=allow.",
        )

    @cached_property
    def discriminator(self) -> Classifier:
        """Return the classifier with the layout of its input rows."""
        return replace(self.classifier, inputs=inputs_of(self.spec.obs))

    @property
    def requirements(self) -> Requirements:
        return Requirements(
            reads=READS[self.judges],
            needs_examples=True,
            needs_example_actions=self.judges == "obs_action",
            pays_to_linger=self.reward_map in POSITIVE,
            warnings=tuple(self.classifier.warnings),
        )

    def init(self, key: Key) -> GoalClassifierState:
        return GoalClassifierState(classifier=self.discriminator.init(key, feature_size(self.spec, self.judges)))

    def reward(self, state: Any, transitions: Transition) -> Float[Array, "*batch"]:
        return self._reward_of(state, self._inputs(*judged_obs_action(transitions, self.judges)))

    def update(
        self, state: Any, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[GoalClassifierState, Metrics]:
        """Train in the first round only."""
        del experience
        classifier, metrics = self._pretrain(state.classifier, data, round, key)
        return state.replace(classifier=classifier), metrics

    def inspect(self, state: Any, data: Examples, transitions: Transition) -> dict[str, Array]:
        heldout = self._inputs(data["heldout_obs"], data["heldout_action"])
        visited = self._inputs(*judged_obs_action(transitions, self.judges))
        non_goals = self._inputs(data["non_goal_obs"], data["non_goal_action"])

        def probability(inputs: Array) -> Array:
            return self.classifier.combined(jax.nn.sigmoid(self.discriminator.logits(state.classifier, inputs)))

        return {
            "prob_heldout_goals": probability(heldout),
            "prob_non_goals": probability(non_goals),
            "prob_visited": probability(visited),
            "reward_heldout_goals": self._reward_of(state, heldout),
        }

    # The adversarial classifier uses these too.

    def _inputs(self, obs: Array, action: Array) -> Float[Array, "*batch d"]:
        return make_features(self.spec, self.judges)(obs, action)

    def _reward_of(self, state: Any, inputs: Array) -> Array:
        logits = self.discriminator.logits(state.classifier, inputs)
        return self.classifier.combined(REWARD_MAPS[self.reward_map](logits))

    @property
    def _batch_negatives(self) -> int:
        return max(1, round(self.batch_goals * self.negatives_per_goal))

    def _draw(self, key: Key, obs: Array, action: Array, n: int) -> Float[Array, "E n d"]:
        """Return a batch of rows for every member."""
        rows = jax.random.randint(key, (self.classifier.ensemble, n), 0, obs.shape[0])
        return self._inputs(obs[rows], action[rows])

    def _pretrain(
        self, state: ClassifierState, data: Examples, round: Array, key: Key
    ) -> tuple[ClassifierState, Metrics]:
        """Take ``pretrain_steps`` gradient steps on the examples in round 0; the metrics are those of the last step."""

        def draw(goal_key, negative_key):
            positives = self._draw(goal_key, data["goal_obs"], data["goal_action"], self.batch_goals)
            return positives, self._draw(
                negative_key, data["non_goal_obs"], data["non_goal_action"], self._batch_negatives
            )

        def step(state, step_key):
            goal_key, negative_key, train_key = jax.random.split(step_key, 3)
            return self.discriminator.train_step(state, *draw(goal_key, negative_key), train_key)

        def train(state):
            examples = [(data[f"{kind}_obs"], data[f"{kind}_action"]) for kind in ("goal", "non_goal")]
            state = self.discriminator.set_moments(state, jnp.concatenate([self._inputs(*e) for e in examples]))
            show_key = jax.random.fold_in(key, 0)
            state, metrics = jax.lax.scan(step, state, jax.random.split(key, self.pretrain_steps))
            shown = self.discriminator.dashboard(state, *draw(*jax.random.split(show_key)))
            return state, jax.tree.map(lambda x: x[-1], metrics) | shown

        return step_if(round == 0, train, state)

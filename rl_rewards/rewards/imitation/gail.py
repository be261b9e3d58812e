"""A discriminator between demonstrated transitions and the policy's, trained together with the policy: GAIL's family.

D = sigmoid(h):  max over h of E_expert[log D] + E_policy[log(1 - D)];  r = map(h)
(Ho and Ermon 2016, arXiv:1606.03476, algorithm 1.) Loss and map define the variant: see the YAMLs in configs/reward.
After a termination the episode continues in an absorbing state, which the discriminator judges like any other state, so
that neither surviving nor terminating pays by itself (Kostrikov et al. 2019, arXiv:1809.02925, section 4.2).
"""

from dataclasses import dataclass
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
from rl_rewards.data.demonstrations.records import require_demos, transitions_of
from rl_rewards.models.base import check_model
from rl_rewards.models.encoders import is_image
from rl_rewards.rewards.base import READS, JudgesPairs, RewardSource, feature_size, make_pair_features
from rl_rewards.rewards.classifier.classifier import Classifier, ClassifierState
from rl_rewards.rewards.reward_maps import REWARD_MAPS, RewardMap

NAMES = {"_goal": "_expert", "_negative": "_policy"}
"""Suffixes of the classifier's metrics, and the names of the two classes that replace them here."""


class GailState(struct.PyTreeNode):
    classifier: ClassifierState


@dataclass(frozen=True, kw_only=True)
class Gail(RewardSource):
    """GAIL and its variants; keys and units: configs/reward/gail.yaml."""

    spec: EnvSpec
    demos: str | None
    classifier: Classifier
    judges: JudgesPairs
    reward_map: RewardMap
    batch_size: int
    updates_per_round: int
    rounds_per_update: int
    history: int
    early_end: Literal["absorbing", "allow", "refuse"]

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        require_demos(self.demos, "This reward")
        for name in ("batch_size", "updates_per_round", "rounds_per_update"):
            require(getattr(self, name) > 0, f"reward.{name}={getattr(self, name)} must be at least 1.")
        require(self.history >= 0, f"reward.history={self.history} must be 0 or more.")
        check_model(self.classifier.model, "reward.classifier.model")
        require(not is_image(self.spec.obs), "reward=gail needs vectors; choose an environment without pictures.")
        require(
            self.early_end != "refuse" or not self.spec.ends_early,
            f"Episodes of {self.spec.name} can end early, so that their length leaks into the reward; choose "
            "reward.early_end=absorbing, with which the discriminator also judges the time after a termination.",
        )

    @cached_property
    def discriminator(self) -> Classifier:
        """Return the classifier with the layout of its input rows."""
        return self.classifier

    @property
    def requirements(self) -> Requirements:
        return Requirements(
            reads=READS[self.judges],
            history=self.history,
            demos=self.demos,
            needs_experience=True,
            pays_after_the_end=self.early_end == "absorbing",
            warnings=tuple(self.classifier.warnings),
        )

    @cached_property
    def _features(self):
        return make_pair_features(self.spec, self.judges)

    def init(self, key: Key) -> GailState:
        return GailState(classifier=self.discriminator.init(key, self._input_size))

    def reward(self, state: GailState, transitions: Transition) -> Float[Array, "*batch"]:
        return self._reward_of(state, self._inputs(transitions))

    def absorbing_reward(self, state: GailState) -> Float[Array, ""]:
        if self.early_end != "absorbing":
            return jnp.zeros(())
        return self._reward_of(state, self._absorbing)

    def update(
        self, state: GailState, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[GailState, Metrics]:
        """Take ``updates_per_round`` gradient steps, each with as many demonstrated rows as own ones."""
        del data
        show_key, train_key = jax.random.split(key)

        def step(classifier, step_key):
            draw_key, step_key = jax.random.split(step_key)
            return self.discriminator.train_step(classifier, *self._draw(experience, draw_key), step_key)

        def train(classifier):
            shown = self._draw(experience, show_key)
            classifier = self._move_statistics(classifier, *shown)
            classifier, metrics = jax.lax.scan(step, classifier, jax.random.split(train_key, self.updates_per_round))
            dashboard = self.discriminator.dashboard(classifier, *shown)
            return classifier, jax.tree.map(jnp.mean, metrics) | dashboard

        classifier, metrics = step_if(round % self.rounds_per_update == 0, train, state.classifier)
        return state.replace(classifier=classifier), {_named(name): value for name, value in metrics.items()}

    def inspect(self, state: GailState, data: Examples, transitions: Transition) -> dict[str, Array]:
        demos = transitions_of(data)
        if demos is None:  # a frozen reward in a run without demonstrations
            return {}
        return {
            "prob_demos": self._probability(state, self._inputs(demos)),
            "prob_policy": self._probability(state, self._inputs(transitions)),
            "reward_demos": self.reward(state, demos),
        }

    # AIRL changes these.

    @property
    def _input_size(self) -> int:
        return feature_size(self.spec, self.judges) + 1

    @property
    def _absorbing(self) -> Float[Array, " d"]:
        """Return the row of the absorbing state: zeros and a flag of 1."""
        return jnp.zeros(self._input_size).at[-1].set(1.0)

    def _inputs(self, transitions: Transition) -> Float[Array, "*batch d"]:
        """Return features and, as the last entry, the absorbing flag, which is 0 for real states."""
        features = self._features(transitions)
        return jnp.concatenate([features, jnp.zeros((*features.shape[:-1], 1))], axis=-1)

    def _draw(self, experience: Experience, key: Key) -> tuple[Float[Array, "E N d"], Float[Array, "E N d"]]:
        """Return a batch of demonstrated rows and one of own rows for every member."""
        assert experience.sample_demos is not None, "build_data loads demonstrations for a reward that needs them"
        keys = jax.random.split(key, 2)
        expert, own = (
            self._rows(sample, k, experience)
            for sample, k in zip((experience.sample_demos, experience.sample), keys, strict=True)
        )
        return expert, own

    def _rows(self, sample: Any, key: Key, experience: Experience) -> Float[Array, "E N d"]:
        """Return rows, in which half of the sampled terminations become the absorbing state that follows them."""
        del experience  # only AIRL needs it, for log-probabilities
        sample_key, coin_key = jax.random.split(key)
        shape = (self.classifier.ensemble, self.batch_size)
        transitions = sample(sample_key, self.classifier.ensemble * self.batch_size)
        inputs = self._inputs(transitions).reshape(*shape, -1)
        if self.early_end != "absorbing":
            return inputs
        absorbed = transitions.terminated.reshape(shape) & jax.random.bernoulli(coin_key, 0.5, shape)
        return jnp.where(absorbed[..., None], self._absorbing, inputs)

    def _move_statistics(self, classifier: ClassifierState, expert: Array, own: Array) -> ClassifierState:
        """Update the input statistics with the real states of both classes, once per round; the absorbing flag is not
        normalised."""
        if not self.classifier.normalizes:
            return classifier
        rows = jnp.concatenate([expert, own], axis=1).reshape(-1, expert.shape[-1])
        moments = classifier.moments.update(rows, rows[:, -1] == 0.0)
        flag = moments.replace(mean=moments.mean.at[-1].set(0.0), variance=moments.variance.at[-1].set(1.0))
        return classifier.replace(moments=flag)

    def _probability(self, state: GailState, inputs: Array) -> Array:
        return self.classifier.combined(jax.nn.sigmoid(self.discriminator.logits(state.classifier, inputs)))

    def _reward_of(self, state: GailState, inputs: Array) -> Array:
        logits = self.discriminator.logits(state.classifier, inputs)
        return self.classifier.combined(REWARD_MAPS[self.reward_map](logits))


def _named(name: str) -> str:
    for here, there in NAMES.items():
        name = name.removesuffix(here) + there if name.endswith(here) else name
    return name

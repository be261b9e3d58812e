"""Adversarial inverse reinforcement learning: a discriminator built from a reward, which it leaves behind.

f(s, a, s') = g(s, a) + gamma h(s') - h(s);  D = exp(f) / (exp(f) + pi(a|s)), so that logit D = f - log pi(a|s);  r = f
(Fu et al. 2018, arXiv:1710.11248, equations 4 and 5.) The paper's policy is paid f - log pi: the part that is missing
here, an entropy bonus, is the algorithm's (``algorithm.entropy_weight``; PPO has none by default, SAC has). With
g of the state alone, g is what can be carried to other dynamics: it is what ``reward=frozen`` and ``load_reward`` take.
Differs: a termination leads to an absorbing state, of which h and g are learned like any other, so that the shaping
telescopes to the end.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import require
from rl_rewards.core.normalize import RunningMoments
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Experience, Key, Transition, clip_action
from rl_rewards.models.base import Model
from rl_rewards.models.heads import ShapedReward
from rl_rewards.rewards.base import feature_size, make_features, make_pair_features
from rl_rewards.rewards.classifier.classifier import Classifier, ClassifierState
from rl_rewards.rewards.classifier.inputs import Inputs
from rl_rewards.rewards.imitation.gail import Gail, GailState


@dataclass(frozen=True)
class ShapedInputs(Inputs):
    """Rows [what g sees | s | s' | log pi(a|s)]; the state parts end in their absorbing flags."""

    judged: int  # entries of the first part
    state: int  # of the second and of the third
    discount: float

    def network(self, model: Model) -> nn.Module:
        return ShapedReward(model, self.judged, self.state, self.discount)

    def scaled(self, rows: Array, moments: RunningMoments, normalizes: bool, scale: float) -> Array:
        """Log-probabilities are neither scaled nor clipped."""
        return super().scaled(rows, moments, normalizes, scale).at[..., -1].set(rows[..., -1])


@dataclass(frozen=True, kw_only=True)
class Airl(Gail):
    """Keys and units: configs/reward/airl.yaml."""

    judges: Literal["obs", "obs_action"]
    reward_map: Literal["logit"]
    discount: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.discount < 1, f"reward.discount={self.discount} must lie between 0 and 1.")
        for name in ("mixup", "input_noise"):
            value = getattr(self.classifier, name)
            require(
                value == 0, f"reward.classifier.{name}={value} would blur log-probabilities; with AIRL it must be 0."
            )
        require(
            self.classifier.gradient_penalty == 0 or self.classifier.gradient_penalty_target == 0,
            f"reward.classifier.gradient_penalty_target={self.classifier.gradient_penalty_target} is a norm that the "
            "logit of AIRL has by its log-probability alone: nothing would be left for the reward; it must be 0.",
        )

    @cached_property
    def _layout(self) -> ShapedInputs:
        judged, state = feature_size(self.spec, self.judges) + 1, feature_size(self.spec, "obs") + 1
        return ShapedInputs(judged, state, self.discount)

    @cached_property
    def discriminator(self) -> Classifier:
        """The classifier, told what its rows hold."""
        return replace(self.classifier, inputs=self._layout)

    @property
    def requirements(self) -> Requirements:
        return replace(super().requirements, reads=("obs", "action", "next_obs"))

    def portable_reward(self, state: GailState, transitions: Transition) -> Float[Array, "*batch"]:
        """g, without the shaping."""
        return self._unshaped(state, self._inputs(transitions))

    def portable_absorbing_reward(self, state: GailState) -> Float[Array, ""]:
        """g of the absorbing state."""
        if self.early_end != "absorbing":
            return jnp.zeros(())
        return self._unshaped(state, self._absorbing)

    def _unshaped(self, state: GailState, inputs: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """g alone, combined over members."""
        network, rows = self.discriminator.network, self.discriminator.scaled(state.classifier, inputs)
        variables = self.discriminator.paying(state.classifier)
        outputs: Any = jax.vmap(lambda one: network.apply(one, rows, method="unshaped"))(variables)
        return self.classifier.combined(outputs[..., 0])

    @property
    def _input_size(self) -> int:
        return self._layout.judged + 2 * self._layout.state + 1

    @property
    def _flags(self) -> np.ndarray:
        """Columns of the absorbing flags: of what g sees, of s, of s'."""
        judged, state = self._layout.judged, self._layout.state
        return np.array([judged, judged + state, judged + 2 * state]) - 1

    @property
    def _absorbing(self) -> Float[Array, " d"]:
        """From the absorbing state to itself, by the only thing that can be done there (log pi = 0)."""
        return jnp.zeros(self._input_size).at[self._flags].set(1.0)

    def _inputs(self, transitions: Transition) -> Float[Array, "*batch d"]:
        """With log pi = 0, so that the logit is f; where an episode terminated, s' is the absorbing state."""
        flat = make_features(self.spec, "obs")
        zero = jnp.zeros((*transitions.terminated.shape, 1))
        after = flat(transitions.next_obs, transitions.action)
        ended = transitions.terminated[..., None] & (self.early_end == "absorbing")
        judged = make_pair_features(self.spec, self.judges)(transitions)
        state = flat(transitions.obs, transitions.action)
        return jnp.concatenate([judged, zero, state, zero, jnp.where(ended, 0.0, after), 1.0 * ended, zero], axis=-1)

    def _rows(self, sample: Any, key: Key, experience: Experience) -> Float[Array, "E N d"]:
        """As GAIL's, with the policy's log-probability of every action, clipped as g sees it.

        Demonstrated actions lie in the bounds. An own one is drawn from a normal that knows none: its density out
        there, below that of what the environment makes of it, would look demonstrated. (The probability of all that is
        clipped to a bound would give own actions away instead: an expert's seldom lie right on it.)
        """
        sample_key, coin_key = jax.random.split(key)
        shape = (self.classifier.ensemble, self.batch_size)
        transitions = sample(sample_key, self.classifier.ensemble * self.batch_size)
        log_prob = experience.log_prob(transitions.obs, clip_action(self.spec.action, transitions.action))
        inputs = self._inputs(transitions).at[..., -1].set(log_prob)
        inputs = inputs.reshape(*shape, -1)
        if self.early_end != "absorbing":
            return inputs
        absorbed = transitions.terminated.reshape(shape) & jax.random.bernoulli(coin_key, 0.5, shape)
        return jnp.where(absorbed[..., None], self._absorbing, inputs)

    def _move_statistics(self, classifier: ClassifierState, expert: Array, own: Array) -> ClassifierState:
        """s and s' share theirs; flags and log-probabilities stay as they are."""
        if not self.classifier.normalizes:
            return classifier
        rows = jnp.concatenate([expert, own], axis=1).reshape(-1, expert.shape[-1])
        moments = classifier.moments.update(rows, rows[:, self._flags[1]] == 0.0)
        first, state = self._layout.judged, self._layout.state
        as_they_are = np.append(self._flags, self._input_size - 1)

        def shared(values: Array, unmoved: float) -> Array:
            values = values.at[first + state : first + 2 * state].set(values[first : first + state])
            return values.at[as_they_are].set(unmoved)

        moments = moments.replace(mean=shared(moments.mean, 0.0), variance=shared(moments.variance, 1.0))
        return classifier.replace(moments=moments)

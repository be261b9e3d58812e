"""Adversarial inverse reinforcement learning: a discriminator that contains a reward, which can be used afterwards.

f(s, a, s') = g(s, a) + gamma h(s') - h(s);  D = exp(f) / (exp(f) + pi(a|s)), so that logit D = f - log pi(a|s);  r = f
(Fu et al. 2018, arXiv:1710.11248, equations 4 and 5.) The paper rewards the policy with f - log pi. The second term is
an entropy bonus; here it belongs to the algorithm (``algorithm.entropy_weight``; by default SAC has one and PPO none).
If g depends only on the state, it transfers to other dynamics: ``reward=frozen`` and ``load_reward`` use g.
Differs: a termination leads to an absorbing state, for which h and g are learned as for any other state, so that the
shaping telescopes to the end.
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
    """Rows [input of g | s | s' | log pi(a|s)]; the first three parts end with their absorbing flags."""

    judged: int  # size of the first part
    state: int  # size of the second and of the third part
    discount: float

    def network(self, model: Model) -> nn.Module:
        return ShapedReward(model, self.judged, self.state, self.discount)

    def scaled(self, rows: Array, moments: RunningMoments, normalizes: bool, scale: float) -> Array:
        """Return scaled rows, whose log-probabilities are neither scaled nor clipped."""
        return super().scaled(rows, moments, normalizes, scale).at[..., -1].set(rows[..., -1])


@dataclass(frozen=True, kw_only=True)
class Airl(Gail):
    """AIRL; keys and units: configs/reward/airl.yaml."""

    judges: Literal["obs", "obs_action"]
    reward_map: Literal["logit"]
    discount: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.discount < 1, f"reward.discount={self.discount} must lie between 0 and 1.")
        for name in ("mixup", "input_noise"):
            value = getattr(self.classifier, name)
            require(
                value == 0, f"reward.classifier.{name}={value} would change log-probabilities; with AIRL it must be 0."
            )
        require(
            self.classifier.gradient_penalty == 0 or self.classifier.gradient_penalty_target == 0,
            f"reward.classifier.gradient_penalty_target={self.classifier.gradient_penalty_target} leaves no slope for "
            "the reward, since the log-probability in AIRL's logit alone has a gradient of norm 1; it must be 0.",
        )

    @cached_property
    def _layout(self) -> ShapedInputs:
        judged, state = feature_size(self.spec, self.judges) + 1, feature_size(self.spec, "obs") + 1
        return ShapedInputs(judged, state, self.discount)

    @cached_property
    def discriminator(self) -> Classifier:
        """Return the classifier with the layout of its input rows."""
        return replace(self.classifier, inputs=self._layout)

    @property
    def requirements(self) -> Requirements:
        # Its logit has the probability of an action under the policy that took it, which recorded data do not have.
        return replace(super().requirements, reads=("obs", "action", "next_obs"), needs_rollouts=True)

    def portable_reward(self, state: GailState, transitions: Transition) -> Float[Array, "*batch"]:
        """Return g, the reward without the shaping."""
        return self._unshaped(state, self._inputs(transitions))

    def portable_absorbing_reward(self, state: GailState) -> Float[Array, ""]:
        """Return g of the absorbing state."""
        if self.early_end != "absorbing":
            return jnp.zeros(())
        return self._unshaped(state, self._absorbing)

    def _unshaped(self, state: GailState, inputs: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """Return g, combined over the ensemble's members."""
        network, rows = self.discriminator.network, self.discriminator.scaled(state.classifier, inputs)
        variables = self.discriminator.paying(state.classifier)
        outputs: Any = jax.vmap(lambda one: network.apply(one, rows, method="unshaped"))(variables)
        return self.classifier.combined(outputs[..., 0])

    @property
    def _input_size(self) -> int:
        return self._layout.judged + 2 * self._layout.state + 1

    @property
    def _flags(self) -> np.ndarray:
        """Return the columns of the absorbing flags of g's input, of s and of s'."""
        judged, state = self._layout.judged, self._layout.state
        return np.array([judged, judged + state, judged + 2 * state]) - 1

    @property
    def _absorbing(self) -> Float[Array, " d"]:
        """Return the row from the absorbing state to itself, by the only action there (log pi = 0)."""
        return jnp.zeros(self._input_size).at[self._flags].set(1.0)

    def _inputs(self, transitions: Transition) -> Float[Array, "*batch d"]:
        """Return rows with log pi = 0, so that the logit is f; s' is the absorbing state after a termination."""
        flat = make_features(self.spec, "obs")
        zero = jnp.zeros((*transitions.terminated.shape, 1))
        after = flat(transitions.next_obs, transitions.action)
        ended = transitions.terminated[..., None] & (self.early_end == "absorbing")
        judged = make_pair_features(self.spec, self.judges)(transitions)
        state = flat(transitions.obs, transitions.action)
        return jnp.concatenate([judged, zero, state, zero, jnp.where(ended, 0.0, after), 1.0 * ended, zero], axis=-1)

    def _rows(self, sample: Any, key: Key, experience: Experience) -> Float[Array, "E N d"]:
        """Return GAIL's rows with the policy's log-probability of every action, clipped to its bounds as for g.

        Demonstrated actions lie within the bounds, but the policy draws its own from an unbounded normal distribution.
        Outside the bounds the density is lower than at the clipped action, so that unclipped actions would look
        demonstrated. (The probability of being clipped to a bound would instead give own actions away, since an
        expert's actions rarely lie exactly on a bound.)
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
        """Update the input statistics: s and s' share them; flags and log-probabilities are not normalised."""
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

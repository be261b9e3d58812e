"""Maximum-entropy inverse reinforcement learning with a known model: exact, without sampling a policy.

max over w of  sum over demonstrated (s, a) of log pi_w(a|s) - |w|^2 / (2 prior^2),   r_w(s, a, s') = w . f(s')
where pi_w is the soft-optimal policy. The gradient is the demonstrations' feature counts minus those of pi_w.
(Ziebart et al. 2008, AAAI, equation 6; causal entropy: Ziebart 2010, PhD thesis, chapters 5 and 9; infinite horizon,
and a start distribution of pi_w that allows truncated episodes: Levine et al. 2011, NIPS, supplement, section A.)
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition
from rl_rewards.data.demonstrations.records import require_demos, transitions_of
from rl_rewards.models import tabular
from rl_rewards.models.tabular import TabularModel, require_tabular
from rl_rewards.rewards.base import RewardSource


class MaxEntIRLState(struct.PyTreeNode):
    weights: Float[Array, " features"]  # reward per step of each feature
    optimizer: optax.OptState


class Fit(NamedTuple):
    """The likelihood of demonstrations under a weight vector."""

    log_likelihood: Float[Array, ""]  # nats per demonstrated step
    gradient: Float[Array, " features"]  # of the log-likelihood
    demo_features: Float[Array, " features"]  # mean per step
    own_features: Float[Array, " features"]  # the soft-optimal policy's mean per step


@dataclass(frozen=True, kw_only=True)
class MaxEntIRL(RewardSource):
    """Maximum-entropy IRL; keys and units: configs/reward/maxent_irl.yaml.

    It learns from the demonstrated actions, not from the sampled next states: their distribution is known exactly.
    """

    spec: EnvSpec
    model: TabularModel
    demos: str | None
    features: str
    discount: float
    temperature: float
    prior_deviation: float
    learning_rate: float
    updates_per_round: int

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        require_tabular(self.model, "reward=maxent_irl")
        require_demos(self.demos, "This reward")
        known = self.model.features
        require(
            self.features in known,
            f"reward.features={self.features} is unknown in {self.model.spec.name}; choose from {', '.join(known)}.",
        )
        require(0.0 < self.discount < 1.0, f"reward.discount={self.discount} must lie between 0 and 1.")
        for name in ("temperature", "prior_deviation", "learning_rate"):
            require(getattr(self, name) > 0, f"reward.{name}={getattr(self, name)} must be positive.")
        require(self.updates_per_round > 0, f"reward.updates_per_round={self.updates_per_round} must be at least 1.")

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("next_obs",), demos=self.demos)

    @cached_property
    def optimizer(self) -> optax.GradientTransformation:
        return optax.adam(self.learning_rate)

    def init(self, key: Key) -> MaxEntIRLState:
        """Return zero weights; nothing is random."""
        del key
        weights = jnp.zeros(self.model.features[self.features].shape[1])
        return MaxEntIRLState(weights=weights, optimizer=self.optimizer.init(weights))

    def reward(self, state: MaxEntIRLState, transitions: Transition) -> Float[Array, "*batch"]:
        return self.state_rewards(state)[self.model.state_of(transitions.next_obs)]

    def update(
        self, state: MaxEntIRLState, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[MaxEntIRLState, Metrics]:
        """Take ``updates_per_round`` gradient steps, which use only the demonstrations and the model."""
        del experience, round, key
        counts = self.demo_counts(data)
        steps = jnp.sum(counts)

        def step(state: MaxEntIRLState, _: None) -> tuple[MaxEntIRLState, None]:
            uphill = self.fit(state.weights, counts).gradient - self._prior_pull(state.weights) / steps
            updates, optimizer = self.optimizer.update(-uphill, state.optimizer)
            weights = optax.apply_updates(state.weights, updates)
            return MaxEntIRLState(weights - self._shift * jnp.dot(self._shift, weights), optimizer), None

        state, _ = jax.lax.scan(step, state, None, length=self.updates_per_round)
        fit = self.fit(state.weights, counts)
        uphill = fit.gradient - self._prior_pull(state.weights) / steps
        return state, {
            "reward/loss": -fit.log_likelihood,
            "reward/gradient_norm": jnp.linalg.norm(uphill),
            "reward/feature_gap": _distance(fit.demo_features, fit.own_features),
        }

    def inspect(self, state: MaxEntIRLState, data: Examples, transitions: Transition) -> dict[str, Array]:
        """Return ``feature_gap``, the distance between the mean features of demonstrations and of ``transitions``."""
        demos = transitions_of(data)
        if demos is None:  # a frozen reward in a run without demonstrations
            return {}
        gap = _distance(self._mean_features(demos), self._mean_features(transitions))
        return {"feature_gap": gap, "reward_demos": self.reward(state, demos)}

    def state_rewards(self, state: MaxEntIRLState) -> Float[Array, " states"]:
        """Return the reward for reaching each state."""
        return jnp.asarray(self.model.features[self.features]) @ state.weights

    def demo_counts(self, data: Examples) -> Float[Array, "states actions"]:
        """Return how often each action was taken in each state."""
        demos = transitions_of(data)
        assert demos is not None, "build_data loads demonstrations for a reward that needs them"
        counts = jnp.zeros(self.model.transition_tensor.shape[:2])
        return counts.at[self.model.state_of(demos.obs), demos.action].add(demos.valid.astype(jnp.float32))

    def fit(self, weights: Float[Array, " features"], counts: Float[Array, "states actions"]) -> Fit:
        """Return the exact log-likelihood of the actions in ``counts``, without the prior, and its gradient.

        The gradient of V(s) is the discounted feature count of pi from s on. The gradient of Q(s, a) is the features of
        (s, a) plus the discounted count of all that follows by the model. The gradient of log pi = (Q - V) /
        temperature is therefore the demonstrated features minus those that pi counts from ``start``: the distribution
        of the demonstrated states minus the discounted distribution to which the model expects the demonstrated steps
        to lead. For endless episodes ``start`` is where they began. The gradient is also exact for truncated or thinned
        episodes, although ``start`` may then have negative entries.
        """
        transition = jnp.asarray(self.model.transition_tensor)
        reached = jnp.asarray(self.model.features[self.features])
        features = jnp.einsum("sat,tf->saf", transition, reached)
        q = tabular.soft_values(transition, features @ weights, self.discount, self.temperature)
        log_policy = tabular.soft_policy(q, self.temperature)
        shares = counts / jnp.sum(counts)
        start = jnp.sum(shares, axis=1) - self.discount * jnp.einsum("sa,sat->t", shares, transition)
        policy = jnp.exp(log_policy)
        visits = tabular.visitation(transition, policy, start, self.discount)
        demo_features = jnp.einsum("sa,saf->f", shares, features)
        own_features = jnp.einsum("s,sa,saf->f", visits, policy, features)
        return Fit(
            log_likelihood=jnp.sum(shares * log_policy),
            gradient=(demo_features - own_features) / self.temperature,
            demo_features=demo_features,
            own_features=own_features,
        )

    @cached_property
    def _shift(self) -> Float[np.ndarray, " features"]:
        """Return the unit vector of weights that pay the same everywhere, or 0 if no such weights exist.

        Adding a constant reward changes no policy, so that only the prior determines its amount, which is 0. Adam,
        which amplifies small gradients, would take long to converge to it.
        """
        features = self.model.features[self.features]
        even, *_ = np.linalg.lstsq(features, np.ones(len(features)), rcond=None)
        exact = np.allclose(features @ even, 1.0, atol=1e-5)
        return (even / np.linalg.norm(even) if exact else np.zeros_like(even)).astype(np.float32)

    def _prior_pull(self, weights: Float[Array, " features"]) -> Float[Array, " features"]:
        """Return the gradient of the normal prior around 0, for all demonstrated steps together."""
        return weights / self.prior_deviation**2

    def _mean_features(self, transitions: Transition) -> Float[Array, " features"]:
        """Return the features of the states reached, averaged over valid steps."""
        reached = jnp.asarray(self.model.features[self.features])[self.model.state_of(transitions.next_obs)]
        return jax.vmap(masked_mean, (-1, None))(reached, transitions.valid)


def _distance(one: Float[Array, " features"], other: Float[Array, " features"]) -> Float[Array, ""]:
    """Return half the sum of absolute differences; with one-hot features, the share of steps that differ."""
    return 0.5 * jnp.sum(jnp.abs(one - other))

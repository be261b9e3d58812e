"""The base of policies that are learned by weighted regression onto recorded actions: cloning, AWR and IQL."""

from dataclasses import dataclass
from functools import cached_property

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from rl_rewards.algorithms.offline.learner import OfflineLearner
from rl_rewards.algorithms.offline.records import Batch, OfflineState
from rl_rewards.core.distributions import ActionDistribution
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.types import Action, Key, Obs
from rl_rewards.models.networks import apply
from rl_rewards.models.policy import PolicyHead


@dataclass(frozen=True, kw_only=True)
class RegressedPolicy(OfflineLearner):
    """An offline learner whose network ``actor`` maximises a weighted log-likelihood of recorded actions.

    The policy is a normal with a state-independent deviation, or a categorical over discrete actions.
    """

    learning_rate: float
    initial_log_std: float
    min_log_std: float | None

    @cached_property
    def policy(self) -> PolicyHead:
        return PolicyHead(self.spec, self.model, self.initial_log_std, self.min_log_std)

    def distribution(self, state: OfflineState, inputs: Float[Array, "*batch d"]) -> ActionDistribution:
        """Return the policy at ``inputs``."""
        return self.policy.distribution(state.params["actor"], inputs)

    def sample(self, state: OfflineState, inputs: Float[Array, "B d"], key: Key) -> Array:
        return self.distribution(state, inputs).sample(key)

    def mode(self, state: OfflineState, inputs: Float[Array, "B d"]) -> Array:
        return self.distribution(state, inputs).mode()

    def log_prob(self, state: OfflineState, obs: Obs, action: Action) -> Float[Array, "*batch"]:
        return self.distribution(state, self.inputs(state, obs)).log_prob(self.scale.from_env(action))

    def regress(
        self, state: OfflineState, batch: Batch, weights: Float[Array, " N"]
    ) -> tuple[OfflineState, Float[Array, ""]]:
        """Return ``state`` after one step of the actor on -E[w log pi(a|s)], and that loss."""
        weights = jax.lax.stop_gradient(weights)

        def loss(params: dict) -> Array:
            log_prob = self.policy.distribution(params, batch.inputs).log_prob(batch.action)
            return -masked_mean(weights * log_prob, batch.valid)

        value, gradients = jax.value_and_grad(loss)(state.params["actor"])
        state = self.descend(state, "actor", gradients)
        if self.discrete:
            return state, value
        return state.replace(params=state.params | {"actor": self.policy.above_floor(state.params["actor"])}), value


@dataclass(frozen=True, kw_only=True)
class ValuedPolicy(RegressedPolicy):
    """A regressed policy with a network ``value``, which estimates the values of states."""

    @cached_property
    def value(self) -> nn.Module:
        return self.model.network(1)

    def value_of(self, params: dict, inputs: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """Return V(s), in scaled rewards, by the network with these parameters."""
        return apply(self.value, params, inputs)[..., 0]

    def state_value(self, state: OfflineState, inputs: Float[Array, "B d"], key: Key) -> Float[Array, " B"]:
        return self.value_of(state.params["value"], inputs)

"""Advantage-weighted regression: recorded actions are imitated the more, the better they turned out.

V:  E (G_lambda - V(s))^2                                  on recorded lambda-returns G_lambda (equation 7)
pi: -E min(exp(A / beta), c) log pi(a | s),  A = G_lambda - V(s)                                (equation 10)
(Peng et al. 2019, arXiv:1910.00177, algorithm 1.) The lambda-returns are those of the policy that recorded the data,
and no action is queried that was not recorded. They are computed at the start of each round with the V of that time.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from rl_rewards.algorithms.offline.learner import rows_in_chunks
from rl_rewards.algorithms.offline.records import Batch, OfflineState, RoundData
from rl_rewards.algorithms.offline.regression import ValuedPolicy
from rl_rewards.core.checks import check_share, require
from rl_rewards.core.losses import advantage_weights, masked_mean, masked_variance
from rl_rewards.core.types import Key, Metrics


@dataclass(frozen=True, kw_only=True)
class AWR(ValuedPolicy):
    """Advantage-weighted regression for real and discrete actions; its arguments: configs/algorithm/awr.yaml."""

    value_learning_rate: float
    trace_decay: float
    inverse_temperature: float
    largest_weight: float
    normalize_advantage: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("algorithm.trace_decay", self.trace_decay)
        require(self.largest_weight > 0, f"algorithm.largest_weight={self.largest_weight} must be positive.")

    def init_networks(self, key: Key) -> dict[str, Any]:
        actor_key, value_key = jax.random.split(key)
        inputs = jnp.zeros((1, self.input_size))
        return {"actor": self.policy.init(actor_key, inputs), "value": dict(self.value.init(value_key, inputs))}

    def optimizers(self) -> dict[str, optax.GradientTransformation]:
        return {"actor": optax.adam(self.learning_rate), "value": optax.adam(self.value_learning_rate)}

    def prepare(self, state: OfflineState, recorded: RoundData) -> tuple[OfflineState, dict[str, Array], Metrics]:
        """Return the lambda-returns G and the advantages G - V, perhaps standardised, under the current V."""

        def value(obs: Array) -> Array:
            return self.value_of(state.params["value"], self.inputs(state, obs))

        steps = recorded.steps
        after = rows_in_chunks(value, steps.next_obs)
        returns = recorded.dataset.returns(
            recorded.reward, self.discount, after, recorded.absorbing_value, self.trace_decay
        )
        advantage = returns - rows_in_chunks(value, steps.obs)
        spread = jnp.sqrt(masked_variance(advantage, steps.valid)) + 1e-5
        if self.normalize_advantage:
            advantage = (advantage - masked_mean(advantage, steps.valid)) / spread
        told = {"agent/advantage_std": state.reward_scale * spread}
        return state, {"return": returns, "advantage": advantage}, told

    def gradient_step(
        self, state: OfflineState, batch: Batch, index: Int[Array, ""], key: Key
    ) -> tuple[OfflineState, Metrics]:
        def value_loss(params: dict) -> tuple[Array, Array]:
            value = self.value_of(params, batch.inputs)
            return masked_mean(jnp.square(value - batch.prepared["return"]), batch.valid), value

        (loss, value), gradients = jax.value_and_grad(value_loss, has_aux=True)(state.params["value"])
        weights = advantage_weights(batch.prepared["advantage"], self.inverse_temperature, self.largest_weight)
        state, actor_loss = self.regress(state, batch, weights)
        return self.descend(state, "value", gradients), {
            "agent/actor_loss": actor_loss,
            "agent/value_loss": loss,
            "agent/v_mean": state.reward_scale * masked_mean(value, batch.valid),
            "agent/weight_mean": masked_mean(weights, batch.valid),
            "agent/weight_clipped": masked_mean(weights >= self.largest_weight, batch.valid),
        }

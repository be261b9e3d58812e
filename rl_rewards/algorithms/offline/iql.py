"""Implicit Q-learning: values of the best recorded actions, without querying any other action.

V:  E |tau - 1(u < 0)| u^2,  u = min_i Q'_i(s, a) - V(s)                (expectile regression, equation 5)
Q:  E (r + gamma V(s') - Q_i(s, a))^2                                     (equation 6)
pi: -E min(exp(beta (min_i Q'_i(s, a) - V(s))), c) log pi(a | s)          (equation 7, advantage-weighted regression)
(Kostrikov et al. 2022, arXiv:2110.06169.) With tau = 1/2, V is the value of the policy that recorded the data; as tau
goes to 1, it becomes that of the best recorded actions.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from rl_rewards.algorithms.offline.critics import Critics
from rl_rewards.algorithms.offline.records import Batch, OfflineState
from rl_rewards.algorithms.offline.regression import ValuedPolicy
from rl_rewards.core.checks import require
from rl_rewards.core.losses import advantage_weights, expectile_loss, masked_mean
from rl_rewards.core.types import Key, Metrics


@dataclass(frozen=True, kw_only=True)
class IQL(ValuedPolicy):
    """Implicit Q-learning for real and discrete actions; configs/algorithm/iql.yaml explains its arguments."""

    actor_decay: bool
    expectile: float
    inverse_temperature: float
    largest_weight: float
    target_rate: float

    targets = ("critics",)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.expectile < 1, f"algorithm.expectile={self.expectile} must lie between 0 and 1.")
        require(self.discount < 1, f"algorithm.discount={self.discount} must be below 1.")

    @cached_property
    def critics(self) -> Critics:
        return Critics(self.spec, self.model)

    def init_networks(self, key: Key) -> dict[str, Any]:
        actor_key, critics_key, value_key = jax.random.split(key, 3)
        inputs = jnp.zeros((1, self.input_size))
        return {
            "actor": self.policy.init(actor_key, inputs),
            "critics": self.critics.init(critics_key),
            "value": dict(self.value.init(value_key, inputs)),
        }

    def optimizers(self) -> dict[str, optax.GradientTransformation]:
        rate = self.learning_rate
        steps = self.rounds * self.gradient_steps  # of the whole run
        decayed = optax.cosine_decay_schedule(rate, steps) if self.actor_decay else rate
        return {"actor": optax.adam(decayed), "critics": optax.adam(rate), "value": optax.adam(rate)}

    def gradient_step(
        self, state: OfflineState, batch: Batch, index: Int[Array, ""], key: Key
    ) -> tuple[OfflineState, Metrics]:
        target = jnp.min(self.critics.values(state.targets["critics"], batch.inputs, batch.action), axis=0)

        def value_loss(params: dict) -> tuple[Array, Array]:
            value = self.value_of(params, batch.inputs)
            return masked_mean(expectile_loss(target - value, self.expectile), batch.valid), value

        gradients, value = jax.grad(value_loss, has_aux=True)(state.params["value"])
        weights = advantage_weights(target - value, self.inverse_temperature, self.largest_weight)
        state, actor_loss = self.regress(state, batch, weights)
        state = self.descend(state, "value", gradients)
        after = jnp.where(
            batch.terminated, batch.absorbing_value, self.value_of(state.params["value"], batch.next_inputs)
        )
        aim = batch.reward + self.discount * after

        def critic_loss(params: dict) -> tuple[Array, Array]:
            values = self.critics.values(params, batch.inputs, batch.action)
            return masked_mean(jnp.sum(jnp.square(values - aim), axis=0), batch.valid), values

        gradients, values = jax.grad(critic_loss, has_aux=True)(state.params["critics"])
        state = self.follow(self.descend(state, "critics", gradients), self.target_rate)
        scale = state.reward_scale
        return state, {
            "agent/actor_loss": actor_loss,
            "agent/critic_loss": masked_mean(jnp.mean(jnp.square(values - aim), axis=0), batch.valid),
            "agent/q_recorded": scale * masked_mean(jnp.mean(values, axis=0), batch.valid),
            "agent/v_mean": scale * masked_mean(value, batch.valid),
            "agent/weight_mean": masked_mean(weights, batch.valid),
            "agent/weight_clipped": masked_mean(weights >= self.largest_weight, batch.valid),
        }

"""TD3 with a cloning term: a deterministic policy that stays near the recorded actions.

y  = r + gamma min_i Q'_i(s', pi'(s') + clip(noise))                      Q:  E sum_i (Q_i(s, a) - y)^2
pi: E |pi(s) - a|^2 - lambda Q_1(s, pi(s)),  lambda = alpha / mean |Q_1|                                (equation 5)
(Fujimoto and Gu 2021, arXiv:2106.06860.) The policy and the target networks move at every ``actor_every``-th step
(TD3: Fujimoto et al. 2018, arXiv:1802.09477).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from rl_rewards.algorithms.offline.critics import Critics
from rl_rewards.algorithms.offline.learner import OfflineLearner
from rl_rewards.algorithms.offline.records import Batch, OfflineState
from rl_rewards.core.branches import step_if
from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.types import Key, Metrics
from rl_rewards.models.networks import apply


@dataclass(frozen=True, kw_only=True)
class TD3BC(OfflineLearner):
    """TD3+BC for bounded real actions; configs/algorithm/td3_bc.yaml explains its arguments.

    The policy is deterministic, so that its stochastic evaluation equals that of its mode.
    """

    actor_learning_rate: float
    critic_learning_rate: float
    target_rate: float
    target_noise: float
    target_noise_clip: float
    actor_every: int
    value_weight: float

    targets = ("actor", "critics")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.discount < 1, f"algorithm.discount={self.discount} must be below 1.")
        require(
            not self.discrete and math.isfinite(self._limit),
            f"{type(self).__name__} needs real actions within bounds, which those of {self.spec.name} are not; "
            "algorithm=iql supports all actions.",
        )
        every, steps = self.actor_every, self.gradient_steps
        require(
            1 <= every <= steps,
            f"algorithm.actor_every={every} must be from 1 to algorithm.gradient_steps={steps}, the steps of a round.",
        )

    @cached_property
    def actor(self) -> nn.Module:
        return self.model.network(self.scale.size, output_gain=0.01)

    @cached_property
    def critics(self) -> Critics:
        return Critics(self.spec, self.model)

    def init_networks(self, key: Key) -> dict[str, Any]:
        actor_key, critics_key = jax.random.split(key)
        actor = dict(self.actor.init(actor_key, jnp.zeros((1, self.input_size))))
        return {"actor": actor, "critics": self.critics.init(critics_key)}

    def optimizers(self) -> dict[str, optax.GradientTransformation]:
        return {"actor": optax.adam(self.actor_learning_rate), "critics": optax.adam(self.critic_learning_rate)}

    def action(self, params: dict, inputs: Float[Array, "*batch d"]) -> Float[Array, "*batch A"]:
        """Return the action of the policy with these parameters, in [-1, 1]."""
        return jnp.tanh(apply(self.actor, params, inputs))

    def gradient_step(
        self, state: OfflineState, batch: Batch, index: Int[Array, ""], key: Key
    ) -> tuple[OfflineState, Metrics]:
        noise = self.target_noise * jax.random.normal(key, batch.action.shape)
        noise = jnp.clip(noise, -self.target_noise_clip, self.target_noise_clip)
        next_action = jnp.clip(self.action(state.targets["actor"], batch.next_inputs) + noise, -1.0, 1.0)
        after = jnp.min(self.critics.values(state.targets["critics"], batch.next_inputs, next_action), axis=0)
        after = after - self.distance_from_next(batch, next_action)
        target = batch.reward + self.discount * jnp.where(batch.terminated, batch.absorbing_value, after)

        def critic_loss(critics: dict) -> tuple[Array, Array]:
            values = self.critics.values(critics, batch.inputs, batch.action)
            return masked_mean(jnp.sum(jnp.square(values - target), axis=0), batch.valid), values

        (loss, values), gradients = jax.value_and_grad(critic_loss, has_aux=True)(state.params["critics"])
        state = self.descend(state, "critics", gradients)
        turn = index % self.actor_every == self.actor_every - 1
        state, metrics = step_if(turn, lambda s: self._actor_step(s, batch), state)
        scale = state.reward_scale
        return state, metrics | {
            "agent/critic_loss": loss / self.critics.count,
            "agent/q_recorded": scale * masked_mean(jnp.mean(values, axis=0), batch.valid),
            "agent/q_largest": scale * jnp.max(jnp.where(batch.valid, values, -jnp.inf)),
        }

    def distance_from_next(self, batch: Batch, next_action: Float[Array, "N A"]) -> Float[Array, " N"] | float:
        """Return what the target subtracts for next actions unlike the recorded ones; nothing here (see ReBRAC)."""
        return 0.0

    def distance(self, action: Float[Array, "N A"], recorded: Float[Array, "N A"]) -> Float[Array, " N"]:
        """Return the squared distance between actions, a mean over their entries as in the authors' code."""
        return jnp.mean(jnp.square(action - recorded), axis=-1)

    def actor_value(self, values: Float[Array, "E N"]) -> Float[Array, " N"]:
        """Return the value that the actor maximises, of the estimates by all critics: the first one's."""
        return values[0]

    def weights(self, value: Float[Array, " N"], valid: Array) -> tuple[Array | float, Array | float]:
        """Return the weights of the value and of the squared distance from recorded actions in the actor's loss."""
        return self.value_weight / jnp.maximum(masked_mean(jnp.abs(value), valid), 1e-6), 1.0

    def _actor_step(self, state: OfflineState, batch: Batch) -> tuple[OfflineState, Metrics]:
        def loss(params: dict) -> tuple[Array, tuple[Array, Array]]:
            action = self.action(params, batch.inputs)
            value = self.actor_value(self.critics.values(state.params["critics"], batch.inputs, action))
            distance = self.distance(action, batch.action)
            of_value, of_distance = self.weights(jax.lax.stop_gradient(value), batch.valid)
            return masked_mean(of_distance * distance - of_value * value, batch.valid), (value, distance)

        (actor_loss, (value, distance)), gradients = jax.value_and_grad(loss, has_aux=True)(state.params["actor"])
        state = self.follow(self.descend(state, "actor", gradients), self.target_rate)
        return state, {
            "agent/actor_loss": actor_loss,
            "agent/q_policy": state.reward_scale * masked_mean(value, batch.valid),
            "agent/distance": masked_mean(distance, batch.valid),
        }

    def sample(self, state: OfflineState, inputs: Float[Array, "B d"], key: Key) -> Array:
        return self.action(state.params["actor"], inputs)

    def mode(self, state: OfflineState, inputs: Float[Array, "B d"]) -> Array:
        return self.action(state.params["actor"], inputs)

    def state_value(self, state: OfflineState, inputs: Float[Array, "B d"], key: Key) -> Float[Array, " B"]:
        action = self.action(state.params["actor"], inputs)
        return jnp.min(self.critics.values(state.params["critics"], inputs, action), axis=0)

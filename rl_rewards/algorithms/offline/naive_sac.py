"""Soft actor-critic on a fixed data set: the naive way, which overestimates what was never tried.

y  = r + gamma E_{a'~pi}[min_i Q'_i(s', a') - alpha log pi(a'|s')]                     Q:  E sum_i (Q_i(s, a) - y)^2
pi: E_{a~pi}[alpha log pi(a|s) - min_i Q_i(s, a)]                 alpha:  -log alpha (E log pi + target entropy)
(Haarnoja et al. 2018, arXiv:1812.05905, equations 5-9 and 18.) The actions a' are the policy's own. Where the data has
none like them, Q' is arbitrary, the policy seeks its errors, and no new experience corrects them. Over discrete actions
all expectations are exact (Christodoulou 2019, arXiv:1910.07207).
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from rl_rewards.algorithms.offline.critics import Critics
from rl_rewards.algorithms.offline.learner import OfflineLearner
from rl_rewards.algorithms.offline.records import Batch, OfflineState
from rl_rewards.core.checks import require
from rl_rewards.core.distributions import Categorical, TanhNormal
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.types import Action, Discrete, Key, Metrics, Obs
from rl_rewards.models.policy import PolicyHead, SquashedPolicyHead

DISCRETE_ENTROPY = 0.3
"""The target entropy over n discrete actions, as a fraction of log n; Christodoulou's 0.98 is nearly uniform."""


@dataclass(frozen=True, kw_only=True)
class NaiveSAC(OfflineLearner):
    """Soft actor-critic offline, for bounded real actions and discrete ones; configs/algorithm/naive_sac.yaml."""

    actor_learning_rate: float
    critic_learning_rate: float
    target_rate: float
    temperature: Literal["auto"] | float
    initial_temperature: float
    temperature_learning_rate: float
    target_entropy: float | None
    entropy_in_target: bool
    log_std_range: tuple[float, ...]

    targets = ("critics",)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.discount < 1, f"algorithm.discount={self.discount} must be below 1.")
        require(
            self.discrete or math.isfinite(self._limit),
            f"This algorithm needs discrete actions, or real ones within bounds, which those of {self.spec.name} are "
            "not; algorithm=iql supports all actions.",
        )
        low_high = self.log_std_range
        require(
            len(low_high) == 2 and low_high[0] < low_high[1],
            f"algorithm.log_std_range={list(low_high)} must be two numbers, the smaller one first.",
        )
        for name in ("temperature", "initial_temperature"):
            value = getattr(self, name)
            require(value == "auto" or value > 0, f"algorithm.{name}={value} must be positive.")

    @cached_property
    def policy(self) -> SquashedPolicyHead | PolicyHead:
        if self.discrete:
            return PolicyHead(self.spec, self.model, 0.0)
        low, high = self.log_std_range
        return SquashedPolicyHead(self.spec, self.model, (low, high))

    @cached_property
    def critics(self) -> Critics:
        return Critics(self.spec, self.model)

    def init_networks(self, key: Key) -> dict[str, Any]:
        actor_key, critics_key = jax.random.split(key)
        first = self.initial_temperature if self.temperature == "auto" else self.temperature
        return {
            "actor": self.policy.init(actor_key, jnp.zeros((1, self.input_size))),
            "critics": self.critics.init(critics_key),
            "log_temperature": jnp.log(jnp.asarray(first, jnp.float32)),
        }

    def optimizers(self) -> dict[str, optax.GradientTransformation]:
        return {
            "actor": optax.adam(self.actor_learning_rate),
            "critics": optax.adam(self.critic_learning_rate),
            "log_temperature": optax.adam(self.temperature_learning_rate),
        }

    def gradient_step(
        self, state: OfflineState, batch: Batch, index: Int[Array, ""], key: Key
    ) -> tuple[OfflineState, Metrics]:
        target_key, critic_key, actor_key = jax.random.split(key, 3)
        target = self._target(state, batch, target_key)

        def critic_loss(critics: dict) -> tuple[Array, tuple[Array, Metrics]]:
            values = self.critics.values(critics, batch.inputs, batch.action)
            squares = masked_mean(jnp.sum(jnp.square(values - target), axis=0), batch.valid)
            penalty, told = self.penalty(state, critics, batch, values, critic_key)
            return squares + penalty, (values, {"agent/critic_loss": squares / self.critics.count, **told})

        gradients, (values, metrics) = jax.grad(critic_loss, has_aux=True)(state.params["critics"])
        state = self.follow(self.descend(state, "critics", gradients), self.target_rate)
        state, told = self._actor_step(state, batch, actor_key)
        metrics["agent/q_recorded"] = state.reward_scale * masked_mean(jnp.mean(values, axis=0), batch.valid)
        metrics["agent/q_largest"] = state.reward_scale * jnp.max(jnp.where(batch.valid, values, -jnp.inf))
        return state, metrics | told

    def penalty(
        self, state: OfflineState, critics: dict, batch: Batch, values: Float[Array, "E N"], key: Key
    ) -> tuple[Array, Metrics]:
        """Return a further term of the critics' loss, and its metrics; there is none here, and CQL has one."""
        return jnp.zeros(()), {}

    def expected(
        self, state: OfflineState, actor: dict, critics: dict, inputs: Float[Array, "N d"], key: Key
    ) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
        """Return the mean of min_i Q_i over the policy's actions, and the policy's negative entropy E[log pi].

        Over real actions, both are of one sampled action for each state.
        """
        distribution = self.policy.distribution(actor, inputs)
        if isinstance(distribution, Categorical):
            log_probs = jax.nn.log_softmax(distribution.logits)
            probs = jnp.exp(log_probs)
            values = jnp.min(self.critics.of_all_actions(critics, inputs), axis=0)
            return jnp.sum(probs * values, axis=-1), jnp.sum(probs * log_probs, axis=-1)
        assert isinstance(distribution, TanhNormal)
        action, log_prob = distribution.sample_and_log_prob(key)
        return jnp.min(self.critics.values(critics, inputs, action), axis=0), log_prob

    def _target(self, state: OfflineState, batch: Batch, key: Key) -> Float[Array, " N"]:
        value, log_prob = self.expected(state, state.params["actor"], state.targets["critics"], batch.next_inputs, key)
        if self.entropy_in_target:
            value = value - jnp.exp(state.params["log_temperature"]) * log_prob
        after = jnp.where(batch.terminated, batch.absorbing_value, value)
        return jax.lax.stop_gradient(batch.reward + self.discount * after)

    def _actor_step(self, state: OfflineState, batch: Batch, key: Key) -> tuple[OfflineState, Metrics]:
        temperature = jnp.exp(state.params["log_temperature"])

        def loss(actor: dict) -> tuple[Array, tuple[Array, Array]]:
            value, log_prob = self.expected(state, actor, state.params["critics"], batch.inputs, key)
            return masked_mean(temperature * log_prob - value, batch.valid), (value, log_prob)

        (actor_loss, (value, log_prob)), gradients = jax.value_and_grad(loss, has_aux=True)(state.params["actor"])
        state = self.descend(state, "actor", gradients)
        if self.temperature == "auto":
            surplus = masked_mean(log_prob, batch.valid) + self._wanted_entropy
            state = self.descend(state, "log_temperature", -surplus)  # the gradient of -log alpha * surplus
        return state, {
            "agent/actor_loss": actor_loss,
            "agent/q_policy": state.reward_scale * masked_mean(value, batch.valid),
            "agent/entropy": -masked_mean(log_prob, batch.valid),
            "agent/temperature": temperature,
        }

    @property
    def _wanted_entropy(self) -> float:
        if self.target_entropy is not None:
            return self.target_entropy
        space = self.spec.action
        return DISCRETE_ENTROPY * math.log(space.n) if isinstance(space, Discrete) else -float(self.scale.size)

    def sample(self, state: OfflineState, inputs: Float[Array, "B d"], key: Key) -> Array:
        return self.policy.distribution(state.params["actor"], inputs).sample(key)

    def mode(self, state: OfflineState, inputs: Float[Array, "B d"]) -> Array:
        return self.policy.distribution(state.params["actor"], inputs).mode()

    def log_prob(self, state: OfflineState, obs: Obs, action: Action) -> Float[Array, "*batch"]:
        distribution = self.policy.distribution(state.params["actor"], self.inputs(state, obs))
        return distribution.log_prob(self.scale.from_env(action))

    def state_value(self, state: OfflineState, inputs: Float[Array, "B d"], key: Key) -> Float[Array, " B"]:
        return self.expected(state, state.params["actor"], state.params["critics"], inputs, key)[0]

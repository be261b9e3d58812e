"""Proximal policy optimisation with a clipped surrogate (Schulman et al. 2017, arXiv:1707.06347).

loss = mean[-min(rho A, clip(rho, 1-e, 1+e) A)] + value_weight * mean[(V - A - V_old)^2] - entropy_weight * H

Rewards are computed once per rollout by the current reward source, so they are never outdated.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Bool, Float

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.algorithms.ppo_settings import PPOSettings
from rl_rewards.algorithms.shuffled_passes import PPOBatch, shuffled_passes
from rl_rewards.core.checks import require
from rl_rewards.core.distributions import ActionDistribution, StateDependentNormal
from rl_rewards.core.losses import clipped_surrogate, masked_mean, masked_variance
from rl_rewards.core.normalize import RewardScale, RunningMoments, reward_scale
from rl_rewards.core.pieces import compute_where, mean_over_first
from rl_rewards.core.returns import generalized_advantage
from rl_rewards.core.types import Action, Experience, Key, Memory, Metrics, Obs, RewardFn, Transition
from rl_rewards.models.encoders import ObsEncoder
from rl_rewards.models.exploration import KeptNoise, StateDependentPolicyHead
from rl_rewards.models.networks import apply
from rl_rewards.models.policy import PolicyHead
from rl_rewards.models.recurrence import Recurrence, Sequences, sequences_of, swapped


class PPOState(struct.PyTreeNode):
    params: dict  # {"actor", "critic"}; for images also "encoder", for a recurrent model also "recurrence"
    optimizer: optax.OptState
    obs_moments: RunningMoments
    reward_scale: RewardScale


@dataclass(frozen=True, kw_only=True)
class PPO(PPOSettings, Algorithm):
    """On-policy actor and critic for discrete or continuous actions.

    If observations are images, actor and critic share one encoder, which both losses train (as in the paper's Atari
    agent). They also share the recurrent layer of a model with memory. Such a model learns from whole sequences: the
    rollouts of the minibatch's environments, starting from the memory with which the rollout began and reset at the
    beginning of each episode. No gradient flows to steps before the rollout.
    """

    @cached_property
    def encoder(self) -> ObsEncoder:
        return ObsEncoder(self.model, self.spec.obs)

    @cached_property
    def recurrence(self) -> Recurrence | None:
        return self.model.recurrence()

    @cached_property
    def policy(self) -> PolicyHead:
        head = PolicyHead if self.noise_every is None else StateDependentPolicyHead
        return head(self.spec, self.model, self.initial_log_std, self.min_log_std)

    @cached_property
    def critic(self) -> nn.Module:
        return self.model.network(1)

    @cached_property
    def optimizer(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_gradient_norm), optax.adam(self.learning_rate, eps=1e-5))

    def init(self, key: Key) -> PPOState:
        actor_key, critic_key = jax.random.split(key)
        size = self.encoder.size if self.recurrence is None else self.recurrence.outputs
        inputs = jnp.zeros((1, size))
        params = {"actor": self.policy.init(actor_key, inputs), "critic": self.critic.init(critic_key, inputs)}
        if self.encoder.learns:
            params["encoder"] = self.encoder.init(jax.random.fold_in(key, 1))
        if self.recurrence is not None:
            params["recurrence"] = self.recurrence.init(jax.random.fold_in(key, 2), self.encoder.size)
        return PPOState(
            params=params,
            optimizer=self.optimizer.init(params),
            obs_moments=RunningMoments.init(() if self.encoder.learns else self.spec.obs.shape),
            reward_scale=reward_scale(self.num_envs if self.carries_returns else None, self.reward_scale_floor),
        )

    def initial_memory(self, num_envs: int) -> Memory:
        if self.recurrence is not None:
            return self.recurrence.initial_memory(num_envs)
        if isinstance(self.policy, StateDependentPolicyHead):
            return KeptNoise.none_yet(num_envs, self.policy.features(self.encoder.size), self.policy.size)
        return ()

    def act(
        self, state: PPOState, memory: Memory, obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, Memory, dict[str, jax.Array]]:
        features = self._encoded(state.params, self._inputs(state, obs))
        if self.recurrence is not None:
            memory, features = self.recurrence.step(state.params["recurrence"], memory, features)
        distribution = self._distribution(state.params, features)
        if not explore:
            action = distribution.mode()
        elif isinstance(distribution, StateDependentNormal):
            assert self.noise_every is not None
            memory = memory.next(key, self.noise_every)
            action = distribution.with_noise(memory.noise)
        else:
            action = distribution.sample(key)
        return self.policy.to_env(action), memory, {"log_prob": distribution.log_prob(action)}

    def log_prob(self, state: PPOState, obs: Obs, action: Action) -> Float[Array, "*batch"]:
        require(
            self.recurrence is None,
            f"algorithm.model is a {type(self.model).__name__}, which remembers the steps of an episode, so a single "
            "step has no log_prob, which this reward needs; choose model@algorithm.model=mlp.",
        )
        distribution = self._distribution(state.params, self._encoded(state.params, self._inputs(state, obs)))
        return distribution.log_prob(self.policy.from_env(action))

    def update(
        self, state: PPOState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[PPOState, Metrics]:
        rollout = experience.rollout
        assert rollout is not None, "compatibility.check ensures that an on-policy algorithm gets rollouts"
        rewards = reward_fn(rollout)
        state = self._update_reward_scale(state, rewards, rollout)
        batch = self._batch(state, experience, rewards, reward_fn.absorbing)
        rate_share = self.learning_rate_share(round)
        (params, optimizer), metrics = shuffled_passes(
            partial(self._step, rate_share=rate_share),
            (state.params, state.optimizer),
            batch,
            key,
            epochs=self.epochs,
            minibatches=self.minibatches,
            target_kl=self.target_kl,
        )
        if self.learning_rate_schedule != "constant":  # a constant one is known from the configuration
            metrics["agent/learning_rate"] = self.learning_rate * rate_share
        metrics["agent/reward_mean"] = masked_mean(rewards, rollout.valid)
        metrics["agent/reward_scale"] = state.reward_scale.std()
        # target - V_old = advantage
        spread = jnp.maximum(masked_variance(batch.value_target, batch.valid), 1e-8)
        metrics["agent/explained_variance"] = 1.0 - masked_variance(batch.advantage, batch.valid) / spread
        # Observation statistics are updated last, so that the log-probabilities recorded in the next rollout are those
        # of the policy at the first minibatch of its update.
        moments = state.obs_moments
        if not self.encoder.learns:
            moments = moments.update(rollout.obs, rollout.valid)
        return state.replace(params=params, optimizer=optimizer, obs_moments=moments), metrics

    def adopt(self, state: PPOState, learned: PPOState) -> PPOState:
        """Return ``state`` with the policy, the critic and the observation statistics of ``learned``."""
        params = {**learned.params, "actor": self.policy.above_floor(learned.params["actor"])}
        return state.replace(params=params, obs_moments=learned.obs_moments)

    def _inputs(self, state: PPOState, obs: Obs) -> jax.Array:
        normalize = partial(state.obs_moments.normalize, clip=self.obs_clip) if self.normalize_obs else None
        return self.encoder.flat(obs, normalize)

    def _encoded(self, params: dict, inputs: jax.Array) -> Float[Array, "*batch d"]:
        return self.encoder(params.get("encoder", {}), inputs)

    def _features(self, params: dict, batch: PPOBatch) -> Float[Array, "N *T d"]:
        """Return the input of the actor and the critic."""
        encoded = self._encoded(params, batch.inputs)
        if self.recurrence is None or batch.sequences is None:
            return encoded
        return self.recurrence.over_time(params["recurrence"], batch.sequences, encoded)[1]

    def _distribution(self, params: dict, features: Float[Array, "*batch d"]) -> ActionDistribution:
        return self.policy.distribution(params["actor"], features)

    def _value(self, params: dict, features: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return apply(self.critic, params["critic"], features)[..., 0]

    def _update_reward_scale(self, state: PPOState, rewards: jax.Array, rollout: Transition) -> PPOState:
        if not self.normalize_reward:
            return state
        scale = state.reward_scale.update(rewards, rollout.done, rollout.valid, self.discount, self.reward_scale_decay)
        return state.replace(reward_scale=scale)

    def _batch(self, state: PPOState, experience: Experience, rewards: jax.Array, absorbing: jax.Array) -> PPOBatch:
        """Return the whole rollout with its advantages: steps [T * B, ...], or sequences [B, T, ...]."""
        rollout = experience.rollout
        assert rollout is not None
        scale = state.reward_scale.std() if self.normalize_reward else 1.0
        inputs, next_inputs = self._inputs(state, rollout.obs), self._inputs(state, rollout.next_obs)
        sequences = None if self.recurrence is None else sequences_of(experience)
        values, next_values = self._values(state.params, inputs, next_inputs, sequences, experience.acted)
        advantages = generalized_advantage(
            rewards / scale,
            values,
            next_values,
            rollout.terminated,
            rollout.truncated,
            self.discount,
            self.trace_decay,
            # Without discounting there is no such value: compatibility.check refuses rewards that pay after the end.
            absorbing_value=absorbing / scale / (1.0 - self.discount) if self.discount < 1.0 else 0.0,
        )
        batch = PPOBatch(
            inputs=inputs,
            action=self.policy.from_env(rollout.action),
            log_prob=rollout.behaviour["log_prob"],
            advantage=advantages,
            value_target=advantages + values,
            valid=rollout.valid,
            partly_valid=experience.acted is not None and sequences is None,
        )
        if sequences is None:
            return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch)
        return swapped(batch).replace(sequences=sequences)

    def _values(
        self,
        params: dict,
        inputs: jax.Array,
        next_inputs: jax.Array,
        sequences: Sequences | None,
        acted: Bool[Array, "T B"] | None,
    ) -> tuple[Float[Array, "T B"], Float[Array, "T B"]]:
        """Return V of the observation before each step and of the true observation after it.

        With a recurrent model, the latter uses the memory after the step, even at the end of an episode, so that a
        truncated episode is valued as if it continued. Without one, V is computed only where the policy ``acted``.
        """
        if acted is not None and sequences is None:

            def value(x: jax.Array) -> Float[Array, " P"]:
                return self._value(params, self._encoded(params, x))

            def values(x: jax.Array) -> Float[Array, "T B"]:
                return compute_where(acted.reshape(-1), value, x.reshape(-1, *x.shape[2:])).reshape(acted.shape)

            return values(inputs), values(next_inputs)
        encoded, next_encoded = self._encoded(params, inputs), self._encoded(params, next_inputs)
        if self.recurrence is not None and sequences is not None:
            rows = swapped((encoded, next_encoded))
            encoded, next_encoded = swapped(self.recurrence.around(params["recurrence"], sequences, *rows))
        return self._value(params, encoded), self._value(params, next_encoded)

    def _step(self, carry: tuple, batch: PPOBatch, rate_share: float | jax.Array) -> tuple[tuple, Metrics]:
        params, optimizer = carry
        gradients, metrics = self._gradients(params, self._standardized(batch))
        updates, optimizer = self.optimizer.update(gradients, optimizer, params)
        if self.learning_rate_schedule != "constant":  # Adam's updates are linear in the learning rate
            updates = jax.tree.map(lambda x: rate_share * x, updates)
        params: Any = optax.apply_updates(params, updates)
        return ({**params, "actor": self.policy.above_floor(params["actor"])}, optimizer), metrics

    def _standardized(self, batch: PPOBatch) -> PPOBatch:
        """Return the minibatch with advantages of mean 0 and deviation 1 over its valid steps, if it is configured."""
        if not self.normalize_advantage:
            return batch
        std = jnp.sqrt(masked_variance(batch.advantage, batch.valid))
        return batch.replace(advantage=(batch.advantage - masked_mean(batch.advantage, batch.valid)) / (std + 1e-8))

    def _gradients(self, params: dict, batch: PPOBatch) -> tuple[dict, Metrics]:
        """Return the gradients of a minibatch's loss, and its metrics.

        In a minibatch that is only partly valid, the valid steps come first and the others are not computed.
        """
        gradient = jax.grad(self._loss, has_aux=True)
        if not batch.partly_valid:
            return gradient(params, batch)
        return mean_over_first(
            lambda piece, is_new: gradient(params, piece.replace(valid=is_new)), batch, jnp.sum(batch.valid)
        )

    def _loss(self, params: dict, batch: PPOBatch) -> tuple[jax.Array, Metrics]:
        features = self._features(params, batch)
        distribution = self._distribution(params, features)
        log_ratio = distribution.log_prob(batch.action) - batch.log_prob
        log_ratio = jnp.where(batch.valid, log_ratio, 0.0)  # padding may hold any value, and exp must stay finite
        policy_loss = masked_mean(clipped_surrogate(log_ratio, batch.advantage, self.clip), batch.valid)
        value = self._value(params, features)
        value_loss = masked_mean(jnp.square(value - batch.value_target), batch.valid)
        entropy = masked_mean(distribution.entropy(), batch.valid)
        loss = policy_loss + self.value_weight * value_loss - self.entropy_weight * entropy
        ratio = jnp.exp(log_ratio)
        return loss, {
            "agent/policy_loss": policy_loss,
            "agent/value_loss": value_loss,
            "agent/entropy": entropy,
            "agent/kl": masked_mean(ratio - 1.0 - log_ratio, batch.valid),  # k3 estimator (Schulman 2020)
            "agent/clip_fraction": masked_mean(jnp.abs(ratio - 1.0) > self.clip, batch.valid),
        }

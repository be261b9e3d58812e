"""Soft actor-critic with a replay ring; rewards are computed at sample time by the current reward source.

critic:       sum over i of (Q_i(s, a) - y)^2,  y = r + gamma (min_{i in M} Q'_i(s', a') - alpha log pi(a'|s'))
actor:        alpha log pi(a|s) - min_i Q_i(s, a)       temperature:  -log alpha (log pi(a|s) + target entropy)
With demonstrations, they make up a fraction of every batch (RLPD, arXiv:2302.02948, section 4.1), and the actor's loss
has an additional term c mean|Q| |mode(s) - a|^2 on them (TD3+BC, arXiv:2106.06860, equation 5; cloning as in MEDAL++,
arXiv:2303.01488).
(Haarnoja et al. 2018, arXiv:1812.05905, equations 5-6, 7-9, 18; random subset M: REDQ, arXiv:2101.05982, algorithm 1.)
"""

import math
from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.algorithms.sac_settings import SACSettings
from rl_rewards.core.branches import step_if
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.normalize import RewardScale, RunningMoments, reward_scale
from rl_rewards.core.types import Action, Experience, Key, Memory, Metrics, Obs, RewardFn, Transition
from rl_rewards.models.encoders import ObsEncoder, random_shift
from rl_rewards.models.heads import ActionValue
from rl_rewards.models.networks import apply
from rl_rewards.models.policy import SquashedPolicyHead


class SACState(struct.PyTreeNode):
    actor: dict
    critics: dict  # leaves [E, ...]
    target_critics: dict  # leaves [E, ...]
    encoder: dict  # of images; empty for vectors
    target_encoder: dict
    log_temperature: Float[Array, ""]
    optimizers: dict[str, optax.OptState]
    env_steps: Int[Array, ""]  # env steps so far; counted only up to learning_starts
    obs_moments: RunningMoments
    reward_scale: RewardScale


class SACBatch(struct.PyTreeNode):
    """A sampled minibatch with rewards and with observations in the form that the networks need."""

    inputs: Array  # [N, d], or images [N, H, W, C] uint8
    action: Float[Array, "N A"]  # scaled to [-1, 1]
    reward: Float[Array, " N"]  # divided by the reward scale
    next_inputs: Array
    terminated: Bool[Array, " N"]
    valid: Bool[Array, " N"]
    is_demo: Bool[Array, " N"]
    absorbing_value: Float[Array, ""]  # the value after a termination


@dataclass(frozen=True, kw_only=True)
class SAC(SACSettings, Algorithm):
    """Off-policy actor and critics for bounded real actions.

    If observations are images, actor and critics share one encoder. Only the critics' loss trains it; the actor's
    gradient stops at the features, because it would harm the critics (SAC-AE, Yarats et al. 2019, arXiv:1910.01741,
    section 4). The target critics use a slowly updated copy. Sampled images are shifted at random (DrQ). Unlike in
    SAC-AE and DrQ, the projection after the convolutions is shared too.
    """

    @cached_property
    def encoder(self) -> ObsEncoder:
        return ObsEncoder(self.model, self.spec.obs)

    @cached_property
    def policy(self) -> SquashedPolicyHead:
        low, high = self.log_std_range
        return SquashedPolicyHead(self.spec, self.model, (low, high))

    @cached_property
    def critic(self) -> ActionValue:
        return ActionValue(self.model)

    @cached_property
    def optimizers(self) -> dict[str, optax.GradientTransformation]:
        return {
            "actor": optax.adam(self.actor_learning_rate),
            "critics": optax.adam(self.critic_learning_rate),
            "temperature": optax.adam(self.temperature_learning_rate),
            "encoder": optax.adam(self.critic_learning_rate),
        }

    def init(self, key: Key) -> SACState:
        actor_key, critic_key = jax.random.split(key)
        inputs = jnp.zeros((1, self.encoder.size))
        action = jnp.zeros((1, self.policy.size))
        actor = self.policy.init(actor_key, inputs)
        critic_keys = jax.random.split(critic_key, self.critics)
        critics = jax.vmap(lambda k: dict(self.critic.init(k, inputs, action)))(critic_keys)
        log_temperature = jnp.log(self.initial_temperature if self.temperature == "auto" else self.temperature)
        encoder = self.encoder.init(jax.random.fold_in(key, 1))
        trained = {"actor": actor, "critics": critics, "temperature": log_temperature}
        if self.encoder.learns:
            trained["encoder"] = encoder
        return SACState(
            actor=actor,
            critics=critics,
            target_critics=jax.tree.map(jnp.copy, critics),  # a separate buffer, because the state is donated
            encoder=encoder,
            target_encoder=jax.tree.map(jnp.copy, encoder),
            log_temperature=log_temperature,
            optimizers={name: self.optimizers[name].init(params) for name, params in trained.items()},
            env_steps=jnp.zeros((), jnp.int32),
            obs_moments=RunningMoments.init(() if self.encoder.learns else self.spec.obs.shape),
            reward_scale=reward_scale(self.num_envs if self.carries_returns else None),
        )

    def adopt(self, state: SACState, learned: SACState) -> SACState:
        """Return ``learned`` with the optimisers, the reward scale and the count of env steps of ``state``.

        The new run therefore begins with random actions again until ``learning_starts``.
        """
        return learned.replace(optimizers=state.optimizers, env_steps=state.env_steps, reward_scale=state.reward_scale)

    def act(
        self, state: SACState, memory: Memory, obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, Memory, dict[str, Array]]:
        distribution = self.policy.distribution(state.actor, self.encoder(state.encoder, self._inputs(state, obs)))
        if not explore:
            return self.policy.to_env(distribution.mode()), memory, {}
        sample_key, random_key = jax.random.split(key)
        action = distribution.sample(sample_key)
        anything = jax.random.uniform(random_key, action.shape, minval=-1.0, maxval=1.0)
        action = jnp.where(state.env_steps < self.learning_starts, anything, action)
        return self.policy.to_env(action), memory, {}

    def log_prob(self, state: SACState, obs: Obs, action: Action) -> Float[Array, "*batch"]:
        distribution = self.policy.distribution(state.actor, self.encoder(state.encoder, self._inputs(state, obs)))
        return distribution.log_prob(self.policy.from_env(action))

    def update(
        self, state: SACState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[SACState, Metrics]:
        rollout = experience.rollout
        assert rollout is not None, "compatibility.check ensures that an algorithm with replay gets rollouts"
        rewards = reward_fn(rollout)
        if self.normalize_reward:
            scale = state.reward_scale.update(
                rewards, rollout.done, rollout.valid, self.discount, self.reward_scale_decay
            )
            state = state.replace(reward_scale=scale)
        env_steps = jnp.minimum(state.env_steps + self.round_steps, max(self.learning_starts, 1))
        state = state.replace(env_steps=env_steps)

        def step(state: SACState, inputs: tuple[Array, Key]) -> tuple[SACState, Metrics]:
            index, step_key = inputs
            sample_key, gradient_key = jax.random.split(step_key)
            batch = self._sample(state, experience, reward_fn, sample_key)
            return self._gradient_step(state, batch, index, gradient_key)

        def learn(state: SACState) -> tuple[SACState, Metrics]:
            steps = (jnp.arange(self.gradient_steps), jax.random.split(key, self.gradient_steps))
            state, metrics = jax.lax.scan(step, state, steps)
            return state, jax.tree.map(jnp.nanmean, metrics)

        due = round + 1 >= math.ceil(self.learning_starts / self.round_steps)  # equal for all seeds: a real branch
        state, metrics = step_if(due, learn, state)
        metrics["agent/reward_mean"] = masked_mean(rewards, rollout.valid)
        moments = state.obs_moments
        if self.normalize_obs and not self.encoder.learns:
            moments = moments.update(rollout.obs, rollout.valid)
        return state.replace(obs_moments=moments), metrics

    def _transitions(self, experience: Experience, key: Key) -> Transition:
        """Return a batch of sampled experience and demonstrations."""
        if self.batch_demos == 0:
            return experience.sample(key, self.batch_size)
        assert experience.sample_demos is not None, "build_data loads demonstrations if the algorithm has demos"
        own_key, demo_key = jax.random.split(key)
        own = experience.sample(own_key, self.batch_size - self.batch_demos)
        demos = experience.sample_demos(demo_key, self.batch_demos)
        return jax.tree.map(lambda *parts: jnp.concatenate(parts), own.replace(behaviour={}, info={}), demos)

    def _inputs(self, state: SACState, obs: Obs) -> Array:
        normalize = partial(state.obs_moments.normalize, clip=self.obs_clip) if self.normalize_obs else None
        return self.encoder.flat(obs, normalize)

    def _sample(self, state: SACState, experience: Experience, reward_fn: RewardFn, key: Key) -> SACBatch:
        transitions = self._transitions(experience, key)
        scale = state.reward_scale.std() if self.normalize_reward else 1.0
        inputs, next_inputs = self._inputs(state, transitions.obs), self._inputs(state, transitions.next_obs)
        if self.encoder.learns:
            shift_key, next_shift_key = jax.random.split(jax.random.fold_in(key, 1))
            inputs = random_shift(shift_key, inputs, self.image_shift)
            next_inputs = random_shift(next_shift_key, next_inputs, self.image_shift)
        return SACBatch(
            inputs=inputs,
            action=jnp.clip(self.policy.from_env(transitions.action), -1.0, 1.0),
            reward=reward_fn(transitions) / scale,
            next_inputs=next_inputs,
            terminated=transitions.terminated,
            valid=transitions.valid,
            is_demo=transitions.is_demo,
            absorbing_value=reward_fn.absorbing / scale / (1.0 - self.discount),
        )

    def _gradient_step(self, state: SACState, batch: SACBatch, index: Array, key: Key) -> tuple[SACState, Metrics]:
        """Take one step of the critics, and every ``actor_every``-th time one of the actor and the temperature."""
        target_key, actor_key = jax.random.split(key)
        target = self.target(state, batch, target_key)
        gradients, metrics = jax.grad(self._critic_loss, argnums=(0, 1), has_aux=True)(
            state.critics, state.encoder, batch, target
        )
        critics, optimizer = self._descend("critics", gradients[0], state.optimizers["critics"], state.critics)
        state = state.replace(
            critics=critics,
            target_critics=optax.incremental_update(critics, state.target_critics, self.target_rate),
            optimizers=state.optimizers | {"critics": optimizer},
        )
        if self.encoder.learns:
            encoder, optimizer = self._descend("encoder", gradients[1], state.optimizers["encoder"], state.encoder)
            state = state.replace(
                encoder=encoder,
                target_encoder=optax.incremental_update(encoder, state.target_encoder, self.target_rate),
                optimizers=state.optimizers | {"encoder": optimizer},
            )
        if self.actor_every == 1:
            state, actor_metrics = self._actor_step(state, batch, actor_key)
            return state, metrics | actor_metrics
        turn = index % self.actor_every == self.actor_every - 1
        state, actor_metrics = step_if(turn, lambda s: self._actor_step(s, batch, actor_key), state)
        return state, metrics | actor_metrics

    def target(self, state: SACState, batch: SACBatch, key: Key) -> Float[Array, " N"]:
        """Return y, the reward plus the discounted soft value of the successor by a random subset of target critics."""
        action_key, subset_key = jax.random.split(key)
        features = self.encoder(state.encoder, batch.next_inputs)
        next_action, log_prob = self.policy.distribution(state.actor, features).sample_and_log_prob(action_key)
        values = self._values(state.target_critics, self.encoder(state.target_encoder, batch.next_inputs), next_action)
        if self.target_critics < self.critics:
            subset = jax.random.choice(subset_key, self.critics, (self.target_critics,), replace=False)
            values = values[subset]
        soft_value = jnp.min(values, axis=0) - jnp.exp(state.log_temperature) * log_prob
        return batch.reward + self.discount * jnp.where(batch.terminated, batch.absorbing_value, soft_value)

    def _values(self, critics: dict, inputs: Array, action: Array) -> Float[Array, "E N"]:
        return jax.vmap(lambda params: apply(self.critic, params, inputs, action))(critics)

    def _critic_loss(self, critics: dict, encoder: dict, batch: SACBatch, target: Array) -> tuple[Array, Metrics]:
        values = self._values(critics, self.encoder(encoder, batch.inputs), batch.action)
        squares = jnp.square(values - jax.lax.stop_gradient(target))
        loss = masked_mean(jnp.sum(squares, axis=0), batch.valid)  # a sum, so the gradients do not depend on E
        return loss, {
            "agent/critic_loss": loss / self.critics,
            "agent/q_mean": masked_mean(jnp.mean(values, axis=0), batch.valid),
        }

    def _actor_step(self, state: SACState, batch: SACBatch, key: Key) -> tuple[SACState, Metrics]:
        gradients, (log_prob, metrics) = jax.grad(self._actor_loss, has_aux=True)(state.actor, state, batch, key)
        actor, optimizer = self._descend("actor", gradients, state.optimizers["actor"], state.actor)
        state = state.replace(actor=actor, optimizers=state.optimizers | {"actor": optimizer})
        if self.temperature == "auto":
            surplus = jax.lax.stop_gradient(masked_mean(log_prob, batch.valid) + self._wanted_entropy)
            # -surplus is the gradient of the temperature's loss, -log alpha * surplus.
            log_temperature, optimizer = self._descend(
                "temperature", -surplus, state.optimizers["temperature"], state.log_temperature
            )
            state = state.replace(
                log_temperature=log_temperature, optimizers=state.optimizers | {"temperature": optimizer}
            )
        metrics["agent/temperature"] = jnp.exp(state.log_temperature)
        return state, metrics

    @property
    def _wanted_entropy(self) -> float:
        return -float(self.policy.size) if self.target_entropy is None else self.target_entropy

    def _actor_loss(
        self, actor: dict, state: SACState, batch: SACBatch, key: Key
    ) -> tuple[Array, tuple[Array, Metrics]]:
        features = jax.lax.stop_gradient(self.encoder(state.encoder, batch.inputs))
        distribution = self.policy.distribution(actor, features)
        action, log_prob = distribution.sample_and_log_prob(key)
        values = self._values(state.critics, features, action)
        value = jnp.min(values, axis=0) if self.actor_maximizes == "min" else jnp.mean(values, axis=0)
        loss = masked_mean(jnp.exp(state.log_temperature) * log_prob - value, batch.valid)
        metrics = {"agent/actor_loss": loss, "agent/entropy": -masked_mean(log_prob, batch.valid)}
        if self.bc_weight > 0.0:
            # Not the log-likelihood: it would reduce the entropy without end, and the temperature would counteract.
            error = jnp.sum(jnp.square(distribution.mode() - batch.action), axis=-1)
            imitation_loss = masked_mean(error, batch.is_demo)
            metrics["agent/imitation_loss"] = imitation_loss
            scale = masked_mean(jnp.abs(jax.lax.stop_gradient(value)), batch.valid)
            loss = loss + self.bc_weight * scale * imitation_loss
        return loss, (log_prob, metrics)

    def _descend(self, name: str, gradients, optimizer, params):
        updates, optimizer = self.optimizers[name].update(gradients, optimizer, params)
        return optax.apply_updates(params, updates), optimizer

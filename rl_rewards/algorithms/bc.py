"""Behaviour cloning: supervised learning of demonstrated actions, without an environment or a reward.

loss = -mean log pi(a | s) - entropy_weight * H, on demonstrations. The policy that acts is the one with the lowest loss
on held-out steps (Pomerleau 1989; the usual baseline for learning rewards from demonstrations).
"""

from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Bool, Float, Int, UInt32

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.branches import step_if
from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.distributions import ActionDistribution
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.normalize import RunningMoments
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Action, EnvSpec, Experience, Key, Memory, Metrics, Obs, RewardFn, Transition
from rl_rewards.data.demonstrations.records import require_demos
from rl_rewards.data.draws import draw_true
from rl_rewards.models.base import Model
from rl_rewards.models.encoders import ObsEncoder, check_agent_model
from rl_rewards.models.policy import PolicyHead


class BCState(struct.PyTreeNode):
    params: dict  # {"actor"}, and for images also "encoder"; the parameters in training
    optimizer: optax.OptState
    best: dict  # the parameters with the lowest validation loss so far, which act
    best_loss: Float[Array, ""]  # nats
    rounds_since_best: Int[Array, ""]
    obs_moments: RunningMoments  # of the demonstrations, set in the first round
    split_seed: UInt32[Array, ""]  # seed of the choice of held-out steps, the same in every round


@dataclass(frozen=True, kw_only=True)
class BehaviorCloning(Algorithm):
    """Behaviour cloning of discrete or continuous actions.

    configs/algorithm/bc.yaml explains its arguments.

    Raises:
        ConfigError: if an argument is invalid, or no demonstrations are given.
    """

    spec: EnvSpec
    demos: str | None
    rounds: int
    gradient_steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    entropy_weight: float
    validation_share: float
    patience: int
    model: Model
    initial_log_std: float
    normalize_obs: bool
    obs_clip: float

    def __post_init__(self) -> None:
        check_fields(self, "algorithm")
        require_demos(self.demos, "algorithm=bc")
        for name in ("rounds", "gradient_steps", "batch_size", "patience"):
            require(getattr(self, name) > 0, f"algorithm.{name}={getattr(self, name)} must be at least 1.")
        require(self.learning_rate > 0, f"algorithm.learning_rate={self.learning_rate} must be positive.")
        share = self.validation_share
        require(0 < share < 1, f"algorithm.validation_share={share} must lie between 0 and 1.")
        check_agent_model(self.model, self.spec.obs)

    @property
    def requirements(self) -> Requirements:
        return Requirements(demos=self.demos, learns_from="dataset")

    @cached_property
    def encoder(self) -> ObsEncoder:
        return ObsEncoder(self.model, self.spec.obs)

    @cached_property
    def policy(self) -> PolicyHead:
        return PolicyHead(self.spec, self.model, self.initial_log_std)

    @cached_property
    def optimizer(self) -> optax.GradientTransformation:
        return optax.adamw(self.learning_rate, weight_decay=self.weight_decay)

    def init(self, key: Key) -> BCState:
        actor_key, encoder_key, split_key = jax.random.split(key, 3)
        params = {"actor": self.policy.init(actor_key, jnp.zeros((1, self.encoder.size)))}
        if self.encoder.learns:
            params["encoder"] = self.encoder.init(encoder_key)
        return BCState(
            params=params,
            optimizer=self.optimizer.init(params),
            best=jax.tree.map(jnp.copy, params),  # a separate buffer, because the state is donated
            best_loss=jnp.array(jnp.inf),
            rounds_since_best=jnp.zeros((), jnp.int32),
            obs_moments=RunningMoments.init(() if self.encoder.learns else self.spec.obs.shape),
            split_seed=jax.random.bits(split_key),
        )

    def adopt(self, state: BCState, learned: BCState) -> BCState:
        """Return ``state`` with the best networks of ``learned``; their loss on this run is not known yet."""
        return state.replace(params=learned.best, best=learned.best, obs_moments=learned.obs_moments)

    def act(
        self, state: BCState, memory: Memory, obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, Memory, dict[str, Array]]:
        distribution = self._distribution(state, state.best, obs)
        action = distribution.sample(key) if explore else distribution.mode()
        return self.policy.to_env(action), memory, {"log_prob": distribution.log_prob(action)}

    def log_prob(self, state: BCState, obs: Obs, action: Action) -> Float[Array, "*batch"]:
        return self._distribution(state, state.best, obs).log_prob(self.policy.from_env(action))

    def update(
        self, state: BCState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[BCState, Metrics]:
        """Take ``gradient_steps`` steps, or none if the validation loss has not fallen for ``patience`` rounds."""
        del reward_fn
        dataset = experience.dataset
        assert dataset is not None, "build_data loads demonstrations if the algorithm has demos"
        demos = dataset.transitions
        heldout = self._heldout(state, demos)
        state = jax.lax.cond(round == 0, partial(self._set_moments, demos=demos), lambda s: s, state)
        training = demos.valid & ~heldout

        def step(carry: tuple, step_key: Key) -> tuple[tuple, Array]:
            params, optimizer = carry
            batch = dataset.at(draw_true(step_key, training, self.batch_size))
            loss, gradients = jax.value_and_grad(self._loss)(params, state, batch)
            updates, optimizer = self.optimizer.update(gradients, optimizer, params)
            return (optax.apply_updates(params, updates), optimizer), loss

        def train(state: BCState) -> tuple[BCState, Metrics]:
            keys = jax.random.split(key, self.gradient_steps)
            (params, optimizer), losses = jax.lax.scan(step, (state.params, state.optimizer), keys)
            loss = -masked_mean(self._log_prob(params, state, demos), demos.valid & heldout)
            better = loss < state.best_loss
            state = state.replace(
                params=params,
                optimizer=optimizer,
                best=jax.tree.map(lambda new, old: jnp.where(better, new, old), params, state.best),
                best_loss=jnp.where(better, loss, state.best_loss),
                rounds_since_best=jnp.where(better, 0, state.rounds_since_best + 1),
            )
            return state, {"agent/loss": jnp.mean(losses), "agent/validation_loss": loss}

        state, metrics = step_if(state.rounds_since_best < self.patience, train, state)
        stopped = state.rounds_since_best >= self.patience  # reported already in the round in which training stops
        return state, metrics | {"agent/best_validation_loss": state.best_loss, "agent/stopped": 1.0 * stopped}

    def _heldout(self, state: BCState, demos: Transition) -> Bool[Array, " N"]:
        """Return True for the held-out steps, a fraction ``validation_share``; at least one on each side."""
        lottery = jax.random.uniform(jax.random.key(state.split_seed), demos.valid.shape)
        lottery = jnp.where(demos.valid, lottery, 2.0)
        count = jnp.sum(demos.valid)
        wanted = jnp.clip(jnp.round(self.validation_share * count).astype(jnp.int32), 1, jnp.maximum(count - 1, 1))
        return jnp.argsort(jnp.argsort(lottery)) < wanted

    def _set_moments(self, state: BCState, demos: Transition) -> BCState:
        if self.encoder.learns:
            return state
        return state.replace(obs_moments=state.obs_moments.update(demos.obs, demos.valid))

    def _distribution(self, state: BCState, params: dict, obs: Obs) -> ActionDistribution:
        normalize = partial(state.obs_moments.normalize, clip=self.obs_clip) if self.normalize_obs else None
        features = self.encoder(params.get("encoder", {}), self.encoder.flat(obs, normalize))
        return self.policy.distribution(params["actor"], features)

    def _log_prob(self, params: dict, state: BCState, batch: Transition) -> Float[Array, "*batch"]:
        return self._distribution(state, params, batch.obs).log_prob(self.policy.from_env(batch.action))

    def _loss(self, params: dict, state: BCState, batch: Transition) -> Array:
        distribution = self._distribution(state, params, batch.obs)
        log_prob = distribution.log_prob(self.policy.from_env(batch.action))
        return -jnp.mean(log_prob) - self.entropy_weight * jnp.mean(distribution.entropy())

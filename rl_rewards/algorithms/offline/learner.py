"""The base of algorithms that learn from a data set without stepping an environment.

A round computes the current reward of every recorded step once, since the reward does not change within a round. It
then takes all its gradient steps in one scan, with the data on the device. Which recorded steps a batch has, and what
is learned from them, is up to the subclass.
"""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.algorithms.offline.records import Batch, OfflineState, RoundData
from rl_rewards.core.branches import step_if
from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.losses import masked_mean, masked_variance
from rl_rewards.core.normalize import RunningMoments
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import (
    Action,
    Discrete,
    EnvSpec,
    Experience,
    Key,
    Memory,
    Metrics,
    Obs,
    RewardFn,
    Transition,
)
from rl_rewards.data.dataset import Dataset
from rl_rewards.data.draws import draw_true
from rl_rewards.models.base import Model
from rl_rewards.models.encoders import check_agent_model, is_image
from rl_rewards.models.policy import ActionScale

CHUNK = 1 << 16
"""The largest number of recorded steps that a network sees at once."""


@dataclass(frozen=True, kw_only=True)
class OfflineLearner(Algorithm):
    """A policy that is learned from recorded steps, for observations that are vectors.

    A subclass defines ``init_networks``, ``optimizers``, ``gradient_step``, ``sample`` and ``mode``, and may define
    ``prepare`` and ``state_value``.

    Raises:
        ConfigError: if a setting is invalid, no data is given, or observations are images.
    """

    spec: EnvSpec
    data: str | tuple[str, ...] | None
    rounds: int
    gradient_steps: int
    batch_size: int
    discount: float
    model: Model
    normalize_obs: bool
    obs_clip: float
    normalize_reward: bool

    targets = ()
    """The names of the networks that have a slowly moving copy."""

    def __post_init__(self) -> None:
        check_fields(self, "algorithm")
        require(
            bool(self.data_names),
            f"{type(self).__name__} learns from recorded steps; name some: data=FILE.npz, data=minari:DATASET-ID or "
            "data=run:RUN_DIR (python -m rl_rewards.data make records them).",
        )
        for name in ("rounds", "gradient_steps", "batch_size"):
            require(getattr(self, name) > 0, f"algorithm.{name}={getattr(self, name)} must be at least 1.")
        require(0 < self.discount <= 1, f"algorithm.discount={self.discount} must lie in (0, 1].")
        require(
            not is_image(self.spec.obs),
            f"Observations of {self.spec.name} are images, from which offline algorithms cannot learn yet; choose an "
            "environment whose observations are vectors.",
        )
        check_agent_model(self.model, self.spec.obs)

    @property
    def data_names(self) -> tuple[str, ...]:
        """The names of the recorded data, of which there may be several."""
        return () if self.data is None else (self.data,) if isinstance(self.data, str) else tuple(self.data)

    @property
    def requirements(self) -> Requirements:
        return Requirements(data=self.data_names, learns_from="dataset", discount=self.discount)

    @property
    def discrete(self) -> bool:
        """True if actions are choices, and False if they are real."""
        return isinstance(self.spec.action, Discrete)

    @cached_property
    def scale(self) -> ActionScale:
        """The conversion of actions between the env's units and the networks'."""
        return ActionScale(self.spec)

    @property
    def input_size(self) -> int:
        """d, the number of entries in an observation."""
        return prod(self.spec.obs.shape)

    # What a subclass defines.

    @abstractmethod
    def init_networks(self, key: Key) -> dict[str, Any]:
        """Return the initial parameters by the name of the network."""
        ...

    @abstractmethod
    def optimizers(self) -> dict[str, optax.GradientTransformation]:
        """Return the optimiser of each network."""
        ...

    @abstractmethod
    def gradient_step(
        self, state: OfflineState, batch: Batch, index: Int[Array, ""], key: Key
    ) -> tuple[OfflineState, Metrics]:
        """Take one gradient step.

        Args:
            index: the number of the step in its round. It is equal for all seeds, so that "every second step" remains
                a real branch.
        """
        ...

    @abstractmethod
    def sample(self, state: OfflineState, inputs: Float[Array, "B d"], key: Key) -> Array:
        """Return actions of the stochastic policy, scaled as the networks' [B, A], or choices [B]."""
        ...

    @abstractmethod
    def mode(self, state: OfflineState, inputs: Float[Array, "B d"]) -> Array:
        """Return the most probable actions, as :meth:`sample` does."""
        ...

    def prepare(self, state: OfflineState, recorded: RoundData) -> tuple[OfflineState, dict[str, Array], Metrics]:
        """Return the state, arrays [M, ...] of the recorded steps that hold for a whole round, and metrics.

        Batches have their entries as ``prepared``. If one is named ``drawn``, [M] bool, batches are drawn from the
        steps where it is True.
        """
        return state, {}, {}

    def state_value(self, state: OfflineState, inputs: Float[Array, "B d"], key: Key) -> Float[Array, " B"] | None:
        """Return the value of states under the policy, in scaled rewards; None if nothing estimates it."""
        return None

    # The algorithm.

    def init(self, key: Key) -> OfflineState:
        params = self.init_networks(key)
        return OfflineState(
            params=params,
            targets={name: jax.tree.map(jnp.copy, params[name]) for name in self.targets},
            optimizers={name: one.init(params[name]) for name, one in self.optimizers().items()},
            obs_moments=RunningMoments.init(self.spec.obs.shape),
            reward_scale=jnp.ones(()),
        )

    def adopt(self, state: OfflineState, learned: OfflineState) -> OfflineState:
        """Return ``learned`` with the optimisers of ``state``."""
        return learned.replace(optimizers=state.optimizers)

    def act(
        self, state: OfflineState, memory: Memory, obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, Memory, dict[str, Array]]:
        inputs = self.inputs(state, obs)
        action = self.sample(state, inputs, key) if explore else self.mode(state, inputs)
        return self.scale.to_env(action), memory, {}

    def value_estimate(self, state: OfflineState, obs: Obs, key: Key) -> Float[Array, " B"] | None:
        value = self.state_value(state, self.inputs(state, obs), key)
        return None if value is None else state.reward_scale * value

    def update(
        self, state: OfflineState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[OfflineState, Metrics]:
        """Take ``gradient_steps`` steps on the recorded steps, under the current reward."""
        dataset = experience.dataset
        assert isinstance(dataset, Dataset), "build_data loads the data set of an algorithm that names one"
        draw_key, steps_key = jax.random.split(key)
        steps = dataset.transitions
        state = self._with_moments(state, steps, round)
        raw = rows_in_chunks(reward_fn, steps)
        state, metrics = self._with_scale(state, dataset, steps, raw, reward_fn.absorbing)
        recorded = RoundData(
            dataset=dataset,
            steps=steps,
            reward=raw / state.reward_scale,
            absorbing_value=self._forever(reward_fn.absorbing) / state.reward_scale,
        )
        state, prepared, told = self.prepare(state, recorded)
        drawn = prepared.pop("drawn", steps.valid)
        rows = draw_true(draw_key, drawn, self.gradient_steps * self.batch_size)

        def step(state: OfflineState, inputs: tuple[Array, Array, Key]) -> tuple[OfflineState, Metrics]:
            index, rows, step_key = inputs
            return self.gradient_step(state, self._batch(state, recorded, prepared, rows), index, step_key)

        each = (
            jnp.arange(self.gradient_steps),
            rows.reshape(self.gradient_steps, self.batch_size),
            jax.random.split(steps_key, self.gradient_steps),
        )
        state, learned = jax.lax.scan(step, state, each)
        return state, metrics | told | jax.tree.map(jnp.nanmean, learned)

    def inputs(self, state: OfflineState, obs: Obs) -> Float[Array, "*batch d"]:
        """Return observations [*batch, ...] as flat vectors, normalised if the setting says so."""
        batch = obs.shape[: obs.ndim - len(self.spec.obs.shape)]
        seen = state.obs_moments.normalize(obs, self.obs_clip) if self.normalize_obs else obs.astype(jnp.float32)
        return seen.reshape(*batch, -1)

    def descend(self, state: OfflineState, name: str, gradients: Any) -> OfflineState:
        """Return ``state`` after one step of the network ``name`` along its gradients."""
        optimizer, params = self.optimizers()[name], state.params[name]
        updates, moved = optimizer.update(gradients, state.optimizers[name], params)
        return state.replace(
            params=state.params | {name: optax.apply_updates(params, updates)},
            optimizers=state.optimizers | {name: moved},
        )

    def follow(self, state: OfflineState, rate: float) -> OfflineState:
        """Return ``state`` with the target networks moved by the fraction ``rate`` (Polyak averaging)."""
        return state.replace(
            targets={
                name: optax.incremental_update(state.params[name], target, rate)
                for name, target in state.targets.items()
            }
        )

    def _batch(self, state: OfflineState, recorded: RoundData, prepared: dict[str, Array], rows: Array) -> Batch:
        steps = recorded.dataset.at(rows)
        return Batch(
            inputs=self.inputs(state, steps.obs),
            action=self._scaled(steps.action),
            reward=recorded.reward[rows],
            next_inputs=self.inputs(state, steps.next_obs),
            terminated=steps.terminated,
            valid=steps.valid,
            absorbing_value=recorded.absorbing_value,
            prepared={name: values[rows] for name, values in prepared.items()},
        )

    def _scaled(self, action: Action) -> Array:
        """Return recorded actions as the networks have them; the environment clips them to their bounds."""
        return action if self.discrete else jnp.clip(self.scale.from_env(action), -self._limit, self._limit)

    @cached_property
    def _limit(self) -> float:
        """The largest absolute value of a scaled action: 1 if all bounds are finite, and infinite otherwise."""
        space = self.spec.action
        assert not isinstance(space, Discrete)
        bounded = space.low is not None and np.all(np.isfinite(space.low)) and np.all(np.isfinite(space.high or ()))
        return 1.0 if bounded else np.inf

    def _with_moments(self, state: OfflineState, steps: Transition, round: Array) -> OfflineState:
        """Return ``state`` with the moments of the recorded observations, which the first round computes."""

        def moments(state: OfflineState) -> tuple[OfflineState, Metrics]:
            return state.replace(obs_moments=state.obs_moments.update(steps.obs, steps.valid)), {}

        return step_if(round == 0, moments, state)[0] if self.normalize_obs else state

    def _with_scale(
        self, state: OfflineState, dataset: Dataset, steps: Transition, reward: Array, absorbing: Array
    ) -> tuple[OfflineState, Metrics]:
        """Return ``state`` with the scale of rewards: the standard deviation of the recorded discounted returns."""
        returns = dataset.returns(reward, self.discount, absorbing_value=self._forever(absorbing))
        metrics = {
            "agent/reward_mean": masked_mean(reward, steps.valid),
            "agent/recorded_value": masked_mean(returns, steps.valid),
        }
        if not self.normalize_reward:
            return state, metrics
        scale = jnp.maximum(jnp.sqrt(masked_variance(returns, steps.valid)), 1e-4)
        return state.replace(reward_scale=scale), metrics | {"agent/reward_scale": scale}

    def _forever(self, reward: Array) -> Float[Array, ""]:
        """Return the discounted sum of a reward that is paid at every step from now on."""
        return reward / (1.0 - self.discount) if self.discount < 1 else jnp.zeros(())


def rows_in_chunks(function: Any, rows: Any) -> Float[Array, " M"]:
    """Return ``function(rows)`` [M] of a pytree of arrays [M, ...], computed for ``CHUNK`` rows at a time."""
    if len(jax.tree.leaves(rows)[0]) <= CHUNK:
        return function(rows)
    one = partial(jax.tree.map, lambda x: x[None])
    return jax.lax.map(lambda row: function(one(row))[0], rows, batch_size=CHUNK)

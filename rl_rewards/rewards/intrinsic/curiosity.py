"""Curiosity: a bonus for transitions that cannot be predicted yet, in four variants, without a task.

A predictor (predictors.py) learns from every rollout. The bonus of a step is the error (or the disagreement) of the
predictor as it was before it learned from the newest rollout: otherwise a new step would be paid like an old one.
Nothing is paid after a termination, so that an episode that ends early loses the later bonuses.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array
from jaxtyping import Bool, Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.normalize import RunningMoments
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Discrete, EnvSpec, Examples, Experience, Key, Metrics, Transition, clip_action
from rl_rewards.models.base import Model, check_model, refuse_training_mode
from rl_rewards.models.encoders import is_image
from rl_rewards.models.ensemble import Ensemble
from rl_rewards.models.policy import ActionScale
from rl_rewards.rewards.base import RewardSource, feature_size, make_features
from rl_rewards.rewards.intrinsic.predictors import (
    Distillation,
    ForwardEnsemble,
    ForwardModel,
    InverseFeatures,
    Predictor,
    Steps,
)


class Learned(struct.PyTreeNode):
    """A predictor's parameters, and the statistics that normalise its observations."""

    params: dict  # leaves [E, ...]
    moments: RunningMoments  # of reached states; unused unless normalize_obs


class CuriosityState(struct.PyTreeNode):
    predictor: Learned  # the current one
    before: Learned  # the one before the newest round, which determines the bonus
    fixed: dict  # parameters that are never trained: rnd's random network
    optimizer: optax.OptState  # leaves [E, ...]
    counts: dict[str, Array]  # valid steps so far, if the environment reports them: visits [cells], television []


@dataclass(frozen=True, kw_only=True)
class Curiosity(RewardSource):
    """A curiosity bonus; keys and units: configs/reward/curiosity.yaml."""

    spec: EnvSpec
    kind: Literal["prediction_error", "icm", "rnd", "disagreement"]
    model: Model
    features: int
    ensemble: int
    forward_weight: float
    learning_rate: float
    batch_size: int
    updates_per_round: int
    normalize_obs: bool
    obs_clip: float

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        for name in ("features", "batch_size", "updates_per_round"):
            require(getattr(self, name) > 0, f"reward.{name}={getattr(self, name)} must be at least 1.")
        require(
            self.kind != "disagreement" or self.ensemble > 1,
            f"reward.ensemble={self.ensemble} cannot disagree; it must be at least 2.",
        )
        require(0 <= self.forward_weight <= 1, f"reward.forward_weight={self.forward_weight} must lie in [0, 1].")
        for name in ("learning_rate", "obs_clip"):
            require(getattr(self, name) > 0, f"reward.{name}={getattr(self, name)} must be positive.")
        check_model(self.model, "reward.model")
        refuse_training_mode(self.model, "reward.model")
        require(not is_image(self.spec.obs), "reward=curiosity needs vectors; choose an environment without pictures.")

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=self.predictor.reads, needs_rollouts=True)

    @cached_property
    def predictor(self) -> Predictor:
        obs_size = feature_size(self.spec, "obs")
        network: dict[str, Any] = {"model": self.model, "obs_size": obs_size}
        if self.kind == "rnd":
            return Distillation(**network, features=self.features)
        network["action_size"] = feature_size(self.spec, "obs_action") - obs_size
        if self.kind == "icm":
            discrete = isinstance(self.spec.action, Discrete)
            return InverseFeatures(
                **network, features=self.features, discrete=discrete, forward_weight=self.forward_weight
            )
        return ForwardEnsemble(**network) if self.kind == "disagreement" else ForwardModel(**network)

    @property
    def members(self) -> int:
        """Return E, the number of predictors, each with its own weights and batches."""
        return self.ensemble if self.kind == "disagreement" else 1

    @cached_property
    def _members(self) -> Ensemble:
        return Ensemble(self.members, optax.adam(self.learning_rate))

    def init(self, key: Key) -> CuriosityState:
        member_key, fixed_key = jax.random.split(key)
        params = self._members.init(self.predictor.init, member_key)
        learned = Learned(params=params, moments=RunningMoments.init((feature_size(self.spec, "obs"),)))
        counts = {"visits": jnp.zeros(self.spec.cells, jnp.int32)} if self.spec.cells > 0 else {}
        if "television" in self.spec.info:
            counts["television"] = jnp.zeros((), jnp.int32)
        return CuriosityState(
            predictor=learned,
            before=jax.tree.map(jnp.copy, learned),
            fixed=self.predictor.fixed(fixed_key),
            optimizer=self._members.init_optimizer(params),
            counts=counts,
        )

    def reward(self, state: CuriosityState, transitions: Transition) -> Float[Array, "*batch"]:
        return self._bonus(state.before, state.fixed, self._steps(transitions))

    def update(
        self, state: CuriosityState, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[CuriosityState, Metrics]:
        """Take ``updates_per_round`` gradient steps on the rollout, whose statistics are used from the next round on.

        Those of the first rollout are used at once, instead of random steps before it (arXiv:1810.12894, section 2.4).
        """
        del data, round
        rollout = experience.rollout
        assert rollout is not None, "build refuses an algorithm that collects nothing"
        steps, valid = self._steps(rollout), rollout.valid
        old = state.predictor.moments
        moved = old.update(steps.next_obs, valid)
        now = jax.tree.map(lambda x, y: jnp.where(old.count > 0, x, y), old, moved)
        before = state.predictor.replace(moments=now)
        params, optimizer, metrics = self._train(state, before, steps, valid, key)
        state = state.replace(
            predictor=Learned(params=params, moments=moved),
            before=before,
            optimizer=optimizer,
            counts=self._counted(state.counts, rollout),
        )
        return state, metrics | self._dashboard(state, rollout, self._bonus(before, state.fixed, steps))

    def inspect(self, state: CuriosityState, data: Examples, transitions: Transition) -> dict[str, Array]:
        """Return ``visits``, how often training has visited each cell so far, if the environment has cells."""
        del data, transitions
        return {"visits": state.counts["visits"]} if "visits" in state.counts else {}

    def _steps(self, transitions: Transition) -> Steps:
        """Return flat steps that are not yet normalised."""
        flat = make_features(self.spec, "obs")
        obs, next_obs = (flat(obs, transitions.action) for obs in (transitions.obs, transitions.next_obs))
        if isinstance(self.spec.action, Discrete):
            return Steps(obs, jax.nn.one_hot(transitions.action, self.spec.action.n), next_obs)
        clipped = clip_action(self.spec.action, transitions.action)
        return Steps(obs, ActionScale(self.spec).from_env(clipped), next_obs)

    def _seen(self, moments: RunningMoments, steps: Steps) -> Steps:
        if not self.normalize_obs:
            return steps
        obs, next_obs = (moments.normalize(x, self.obs_clip) for x in (steps.obs, steps.next_obs))
        return Steps(obs, steps.action, next_obs)

    def _bonus(self, learned: Learned, fixed: dict, steps: Steps) -> Float[Array, "*batch"]:
        return self.predictor.bonus(learned.params, fixed, self._seen(learned.moments, steps))

    def _train(
        self, state: CuriosityState, before: Learned, steps: Steps, valid: Bool[Array, "*batch"], key: Key
    ) -> tuple[dict, optax.OptState, Metrics]:
        """Train every member on its own batches of the valid ``steps``; without any, nothing changes."""
        seen = jax.tree.map(lambda x: x.reshape(-1, x.shape[-1]), self._seen(before.moments, steps))
        first_valid = jnp.argsort(~valid.reshape(-1))  # stable sort: indices of the valid steps, then of the others
        total = jnp.sum(valid)

        def objective(params, index):
            batch = jax.tree.map(lambda x: x[index], seen)
            loss, metrics = self.predictor.loss(params, state.fixed, batch)
            return loss, {"reward/loss": loss, **metrics}

        def step(carry, step_key):
            shape = (self.members, self.batch_size)
            index = first_valid[jax.random.randint(step_key, shape, 0, jnp.maximum(total, 1))]
            stepped = self._members.step(objective, *carry, index)
            return (stepped.params, stepped.optimizer), stepped.told

        start = (before.params, state.optimizer)
        trained, metrics = jax.lax.scan(step, start, jax.random.split(key, self.updates_per_round))
        params, optimizer = jax.tree.map(lambda new, old: jnp.where(total > 0, new, old), trained, start)
        return params, optimizer, jax.tree.map(lambda x: jnp.where(total > 0, jnp.mean(x), jnp.nan), metrics)

    def _counted(self, counts: dict[str, Array], rollout: Transition) -> dict[str, Array]:
        """Return ``counts`` plus the valid steps of ``rollout``."""
        counts = dict(counts)
        if "visits" in counts:
            cell = jnp.where(rollout.valid, rollout.info["cell"], 0).astype(jnp.int32)
            counts["visits"] = counts["visits"].at[cell].add(rollout.valid.astype(jnp.int32))
        if "television" in counts:
            counts["television"] += jnp.sum(_watches(rollout) & rollout.valid)
        return counts

    def _dashboard(self, state: CuriosityState, rollout: Transition, bonus: Float[Array, "T B"]) -> Metrics:
        """Return metrics of the rollout's bonus and of the places that the run has visited."""
        metrics = {"reward/bonus_mean": masked_mean(bonus, rollout.valid)}
        if "visits" in state.counts:
            metrics["reward/coverage"] = jnp.mean(state.counts["visits"] > 0)
        if "television" in state.counts:
            watches = _watches(rollout)
            for name, where in (("television", watches), ("elsewhere", ~watches)):
                some = rollout.valid & where
                metrics[f"reward/bonus_{name}"] = jnp.where(jnp.any(some), masked_mean(bonus, some), jnp.nan)
            metrics["reward/television_visits"] = state.counts["television"].astype(jnp.float32)
        return metrics


def _watches(rollout: Transition) -> Bool[Array, "T B"]:
    return rollout.info["television"] > 0.5

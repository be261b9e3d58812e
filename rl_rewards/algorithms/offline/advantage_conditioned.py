"""A policy that is told whether an action was better than usual, and is asked for such actions: RECAP's recipe.

V:  cross-entropy of a distribution over K bins against the recorded Monte Carlo return       (its mean is V(s));
    where a limit or the recording cut an episode, the return goes on with V
A:  sum of the next n rewards + V(s_{t+n}) - V(s_t);  with n = null, the whole return minus V(s_t)
pi: -E log pi(a | s, I),  I = (A > epsilon), dropped at random;  epsilon leaves a fraction of the steps positive
(Physical Intelligence 2025, arXiv:2511.14759, sections IV-V.) The policy that acts is given I = "better". With guidance
w, it acts by pi(a|s) (pi(a|s, I) / pi(a|s))^w: w = 1 is the condition alone, and larger values sharpen it
(classifier-free guidance, Ho and Salimans 2022, arXiv:2207.12598). For normal policies of one deviation, the product is
again normal.
Actions with which an expert corrected the policy (``info["corrected"]``; ``record_corrections_after`` records them)
always count as better.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.algorithms.offline.learner import rows_in_chunks
from rl_rewards.algorithms.offline.records import Batch, OfflineState, RoundData
from rl_rewards.algorithms.offline.regression import RegressedPolicy
from rl_rewards.core.checks import require
from rl_rewards.core.distributions import ActionDistribution, Categorical, DiagonalNormal
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Key, Metrics
from rl_rewards.data.demonstrations.fit import CORRECTED
from rl_rewards.models.networks import apply


@dataclass(frozen=True, kw_only=True)
class AdvantageConditioned(RegressedPolicy):
    """RECAP for real and discrete actions; configs/algorithm/advantage_conditioned.yaml explains its arguments."""

    value_learning_rate: float
    value_bins: int
    advantage_steps: int | None
    positive_share: float
    dropped_share: float
    guidance: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.value_bins > 1, f"algorithm.value_bins={self.value_bins} must be at least 2.")
        steps = self.advantage_steps
        require(steps is None or steps > 0, f"algorithm.advantage_steps={steps} must be at least 1, or null.")
        dropped = self.dropped_share
        require(0 <= dropped < 1, f"algorithm.dropped_share={dropped} must lie in [0, 1).")
        require(
            dropped > 0 or self.guidance == 1,
            f"algorithm.guidance={self.guidance} uses the policy that is not told, which algorithm.dropped_share=0 "
            "never trains; choose algorithm.guidance=1, or drop some.",
        )
        share = self.positive_share
        require(0 < share < 1, f"algorithm.positive_share={share} must lie between 0 and 1.")
        require(self.guidance >= 0, f"algorithm.guidance={self.guidance} must be 0 or more.")

    @property
    def requirements(self) -> Requirements:
        return Requirements(
            data=self.data_names, learns_from="dataset", discount=self.discount, optional_reads=(CORRECTED,)
        )

    @cached_property
    def value(self) -> nn.Module:
        return self.model.network(self.value_bins)

    def init_networks(self, key: Key) -> dict[str, Any]:
        actor_key, value_key = jax.random.split(key)
        return {
            "actor": self.policy.init(actor_key, jnp.zeros((1, self.input_size + 2))),
            "value": dict(self.value.init(value_key, jnp.zeros((1, self.input_size)))),
            "value_range": jnp.array([-1.0, 1.0]),  # the least and the greatest return, from the data
        }

    def optimizers(self) -> dict[str, optax.GradientTransformation]:
        return {"actor": optax.adam(self.learning_rate), "value": optax.adam(self.value_learning_rate)}

    def prepare(self, state: OfflineState, recorded: RoundData) -> tuple[OfflineState, dict[str, Array], Metrics]:
        """Return the state with the range of returns; the returns, and which steps were better than usual."""
        dataset, steps, valid = recorded.dataset, recorded.steps, recorded.steps.valid

        def value(obs: Array) -> Array:
            return self._mean(state, self._log_probs(state.params["value"], self.inputs(state, obs)))

        after = rows_in_chunks(value, steps.next_obs)  # counts where an episode was cut and did not terminate
        returns = dataset.returns(recorded.reward, self.discount, after, recorded.absorbing_value)
        ends = [jnp.min(jnp.where(valid, returns, jnp.inf)), jnp.max(jnp.where(valid, returns, -jnp.inf))]
        low, high = ends[0], jnp.maximum(ends[1], ends[0] + 1e-3)
        state = state.replace(params=state.params | {"value_range": jnp.stack([low, high])})
        now = rows_in_chunks(value, steps.obs)
        advantage = self._ahead(recorded, returns, now) - now
        epsilon = jnp.nanquantile(jnp.where(valid, advantage, jnp.nan), 1.0 - self.positive_share)
        better = advantage > epsilon
        if CORRECTED in steps.info:
            better = better | (steps.info[CORRECTED] > 0)
        told = {
            "agent/positive_share": masked_mean(better, valid),
            "agent/advantage_threshold": state.reward_scale * epsilon,
        }
        return state, {"return": returns, "better": better}, told

    def gradient_step(
        self, state: OfflineState, batch: Batch, index: Int[Array, ""], key: Key
    ) -> tuple[OfflineState, Metrics]:
        aim = self._two_hot(state, batch.prepared["return"])

        def value_loss(params: dict) -> tuple[Array, Array]:
            log_probs = self._log_probs(params, batch.inputs)
            return masked_mean(-jnp.sum(aim * log_probs, axis=-1), batch.valid), self._mean(state, log_probs)

        (loss, value), gradients = jax.value_and_grad(value_loss, has_aux=True)(state.params["value"])
        told = ~jax.random.bernoulli(key, self.dropped_share, batch.valid.shape)
        conditioned = batch.replace(inputs=with_condition(batch.inputs, batch.prepared["better"], told))
        state, actor_loss = self.regress(state, conditioned, jnp.ones_like(batch.reward))
        return self.descend(state, "value", gradients), {
            "agent/actor_loss": actor_loss,
            "agent/value_loss": loss,
            "agent/v_mean": state.reward_scale * masked_mean(value, batch.valid),
        }

    def distribution(self, state: OfflineState, inputs: Float[Array, "*batch d"]) -> ActionDistribution:
        """Return the policy that is asked for better actions, with guidance."""
        asked = jnp.ones(inputs.shape[:-1], bool)
        better, free = (
            self.policy.distribution(state.params["actor"], with_condition(inputs, asked, told))
            for told in (asked, ~asked)
        )
        return guided(better, free, self.guidance)

    def state_value(self, state: OfflineState, inputs: Float[Array, "B d"], key: Key) -> Float[Array, " B"]:
        return self._mean(state, self._log_probs(state.params["value"], inputs))

    def _ahead(self, recorded: RoundData, returns: Float[Array, " M"], now: Float[Array, " M"]) -> Float[Array, " M"]:
        """Return the return of the next n steps with V after them, or the whole one if the episode ends before."""
        n = self.advantage_steps
        if n is None or n >= len(now):
            return returns
        left = recorded.dataset.steps_left
        later = jnp.minimum(jnp.arange(len(now)) + n, len(now) - 1)
        shortened = returns - self.discount**n * (returns[later] - now[later])
        return jnp.where(left > n, shortened, returns)

    def _bins(self, state: OfflineState) -> Float[Array, " K"]:
        low, high = state.params["value_range"]
        return low + (high - low) * jnp.linspace(0.0, 1.0, self.value_bins)

    def _two_hot(self, state: OfflineState, returns: Float[Array, " N"]) -> Float[Array, "N K"]:
        """Return weights of the two bins next to each return, whose mean is the return."""
        low, high = state.params["value_range"]
        place = jnp.clip((returns - low) / (high - low), 0.0, 1.0) * (self.value_bins - 1)
        return jax.nn.relu(1.0 - jnp.abs(place[:, None] - jnp.arange(self.value_bins)))

    def _log_probs(self, params: dict, inputs: Float[Array, "*batch d"]) -> Float[Array, "*batch K"]:
        return jax.nn.log_softmax(apply(self.value, params, inputs))

    def _mean(self, state: OfflineState, log_probs: Float[Array, "*batch K"]) -> Float[Array, "*batch"]:
        return jnp.exp(log_probs) @ self._bins(state)


def with_condition(
    inputs: Float[Array, "*batch d"], better: Bool[Array, "*batch"], told: Bool[Array, "*batch"]
) -> Float[Array, "*batch d+2"]:
    """Return ``inputs`` with two more entries: (1, 0) better, (0, 1) not better, (0, 0) where it is not ``told``."""
    condition = jnp.stack([better & told, ~better & told], axis=-1)
    return jnp.concatenate([inputs, condition.astype(jnp.float32)], axis=-1)


def guided(better: ActionDistribution, free: ActionDistribution, guidance: float) -> ActionDistribution:
    """Return the distribution proportional to free^(1 - w) better^w, with w = ``guidance``; both are of one kind.

    Normals must have equal deviations.
    """
    if isinstance(better, Categorical) and isinstance(free, Categorical):
        ours, plain = (jax.nn.log_softmax(one.logits) for one in (better, free))
        return Categorical(plain + guidance * (ours - plain))
    assert isinstance(better, DiagonalNormal) and isinstance(free, DiagonalNormal)
    return DiagonalNormal(free.mean + guidance * (better.mean - free.mean), better.log_std)

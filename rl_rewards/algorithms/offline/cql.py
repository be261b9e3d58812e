"""Conservative Q-learning: soft actor-critic whose critics are pushed down on actions that were not recorded.

Q:  alpha' E_s[log sum_a exp Q_i(s, a) - E_{a~data} Q_i(s, a)]  added to the squared error       (CQL(H), equation 4)
(Kumar et al. 2020, arXiv:2006.04779; there the squared error has the factor 1/2, so that alpha' counts twice as much.)
The first term is the maximum over mu of E_mu[Q] + H(mu), reached by mu ~ exp(Q).
Over real actions the sum is an integral. It is estimated with importance weights from K uniform actions, K actions of
the policy at s and K at s' (appendix F):  log mean_k exp(Q(s, a_k) - log density(a_k)).
With ``conservative_gap`` = tau the weight is learned instead: max over alpha' >= 0 of alpha' (gap - tau) (appendix F).
"""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from rl_rewards.algorithms.offline.naive_sac import NaiveSAC
from rl_rewards.algorithms.offline.records import Batch, OfflineState
from rl_rewards.core.checks import require
from rl_rewards.core.distributions import TanhNormal
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.types import Key, Metrics

LARGEST_WEIGHT = 1e6
"""The largest learned weight alpha'."""


@dataclass(frozen=True, kw_only=True)
class CQL(NaiveSAC):
    """Conservative Q-learning for bounded real actions and discrete ones; configs/algorithm/cql.yaml."""

    conservative_weight: float
    conservative_gap: float | None
    sampled_actions: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.conservative_weight >= 0,
            f"algorithm.conservative_weight={self.conservative_weight} must be 0 or more.",
        )
        require(self.sampled_actions > 0, f"algorithm.sampled_actions={self.sampled_actions} must be at least 1.")

    def init_networks(self, key: Key) -> dict[str, Any]:
        networks = super().init_networks(key)
        if self.conservative_gap is None:
            return networks
        return networks | {"log_weight": jnp.log(jnp.maximum(self.conservative_weight, 1e-6))}

    def optimizers(self) -> dict[str, optax.GradientTransformation]:
        found = super().optimizers()
        return found if self.conservative_gap is None else found | {"log_weight": optax.adam(self.critic_learning_rate)}

    def gradient_step(
        self, state: OfflineState, batch: Batch, index: Int[Array, ""], key: Key
    ) -> tuple[OfflineState, Metrics]:
        state, metrics = super().gradient_step(state, batch, index, key)
        if self.conservative_gap is not None:
            # Minus the gradient of alpha' (gap - tau) with respect to log alpha', because alpha' maximises it.
            rise = self._weight(state) * (
                metrics["agent/conservative_gap"] / state.reward_scale - self.conservative_gap
            )
            state = self.descend(state, "log_weight", -rise)
        return state, metrics

    def penalty(
        self, state: OfflineState, critics: dict, batch: Batch, values: Float[Array, "E N"], key: Key
    ) -> tuple[Array, Metrics]:
        gaps = jax.vmap(lambda x: masked_mean(x, batch.valid))(self._log_sum(state, critics, batch, key) - values)
        gap, weight = jnp.mean(gaps), self._weight(state)
        over = gap if self.conservative_gap is None else gap - self.conservative_gap
        return weight * self.critics.count * over, {
            "agent/conservative_gap": state.reward_scale * gap,
            "agent/conservative_weight": weight,
        }

    def _weight(self, state: OfflineState) -> Float[Array, ""]:
        if self.conservative_gap is None:
            return jnp.asarray(self.conservative_weight, jnp.float32)
        return jnp.minimum(jnp.exp(jax.lax.stop_gradient(state.params["log_weight"])), LARGEST_WEIGHT)

    def _log_sum(self, state: OfflineState, critics: dict, batch: Batch, key: Key) -> Float[Array, "E N"]:
        """Return log sum_a exp Q_i(s, a), exactly or estimated."""
        if self.discrete:
            return jax.nn.logsumexp(self.critics.of_all_actions(critics, batch.inputs), axis=-1)
        uniform_key, here_key, next_key = jax.random.split(key, 3)
        shape = (self.sampled_actions, len(batch.reward), self.scale.size)
        uniform = jax.random.uniform(uniform_key, shape, minval=-1.0, maxval=1.0)
        log_density = [jnp.full(shape[:2], -self.scale.size * math.log(2.0))]
        actions = [uniform]
        for sample_key, inputs in ((here_key, batch.inputs), (next_key, batch.next_inputs)):
            policy = self.policy.distribution(
                state.params["actor"], jnp.broadcast_to(inputs, (*shape[:2], inputs.shape[-1]))
            )
            assert isinstance(policy, TanhNormal)
            action, log_prob = policy.sample_and_log_prob(sample_key)
            actions.append(jax.lax.stop_gradient(action))
            log_density.append(jax.lax.stop_gradient(log_prob))
        tried, densities = jnp.concatenate(actions), jnp.concatenate(log_density)  # [3 K, N, A], [3 K, N]
        inputs = jnp.broadcast_to(batch.inputs, (*tried.shape[:2], batch.inputs.shape[-1]))
        weighted = self.critics.values(critics, inputs, tried) - densities
        return jax.nn.logsumexp(weighted, axis=1) - math.log(len(tried))

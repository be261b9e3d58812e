"""Behaviour cloning of the best recorded episodes: the simplest way to use rewards offline.

Episodes are ordered by their return under the current reward, and the policy imitates the best ones that together have
a fraction of the steps ("10% BC", Chen et al. 2021, arXiv:2106.01345, section 5.1). With a fraction of 1 it is plain
cloning of the data set. An episode that the recording cut counts with the rewards that it has: where every step costs
something, short fragments look good, and should not be in the data.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from rl_rewards.algorithms.offline.records import Batch, OfflineState, RoundData
from rl_rewards.algorithms.offline.regression import RegressedPolicy
from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.types import Key, Metrics


@dataclass(frozen=True, kw_only=True)
class TopCloning(RegressedPolicy):
    """Cloning of the best episodes, for real and discrete actions; configs/algorithm/bc_top.yaml explains it."""

    best_share: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.best_share <= 1, f"algorithm.best_share={self.best_share} must lie in (0, 1].")

    def init_networks(self, key: Key) -> dict[str, Any]:
        return {"actor": self.policy.init(key, jnp.zeros((1, self.input_size)))}

    def optimizers(self) -> dict[str, optax.GradientTransformation]:
        return {"actor": optax.adam(self.learning_rate)}

    def prepare(self, state: OfflineState, recorded: RoundData) -> tuple[OfflineState, dict[str, Array], Metrics]:
        """Return the steps of the best episodes, as the entry ``drawn``."""
        valid = recorded.steps.valid
        episode = recorded.dataset.episode_index()
        paid = jnp.where(valid, recorded.reward, 0.0)
        of_episode = jax.ops.segment_sum(paid, episode, recorded.dataset.episodes)
        total = jnp.where(valid, of_episode[episode], -jnp.inf)
        order = jnp.argsort(-total)  # steps by the return of their episode, the best first
        wanted = jnp.ceil(self.best_share * jnp.sum(valid)).astype(jnp.int32)
        least = total[order[jnp.maximum(wanted - 1, 0)]]
        chosen = valid & (total >= least)  # whole episodes, and all of several equally good ones
        told = {
            "agent/cloned_share": masked_mean(chosen, valid),
            "agent/cloned_return_least": state.reward_scale * least,
        }
        return state, {"drawn": chosen}, told

    def gradient_step(
        self, state: OfflineState, batch: Batch, index: Int[Array, ""], key: Key
    ) -> tuple[OfflineState, Metrics]:
        state, loss = self.regress(state, batch, jnp.ones_like(batch.reward))
        return state, {"agent/actor_loss": loss}

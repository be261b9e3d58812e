"""ReBRAC: TD3 with the distance from recorded actions in both the actor's and the critics' loss.

y  = r + gamma (min_i Q'_i(s', a') - beta_2 |a' - a'_data|^2),  a' = pi'(s') + clip(noise)
pi: E beta_1 |pi(s) - a|^2 - lambda min_i Q_i(s, pi(s)),  lambda = 1 / mean |min_i Q_i|
(Tarasov et al. 2023, arXiv:2305.09836, equations 2-4.) a'_data is the next recorded action of the episode; where the
recording stops there is none, and the distance is left out. The paper also uses layer norm in the critics, a third
hidden layer and large batches: see configs/algorithm/rebrac.yaml.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from rl_rewards.algorithms.offline.records import Batch, OfflineState, RoundData
from rl_rewards.algorithms.offline.td3_bc import TD3BC
from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.types import Metrics


@dataclass(frozen=True, kw_only=True)
class ReBRAC(TD3BC):
    """ReBRAC for bounded real actions; configs/algorithm/rebrac.yaml explains its arguments."""

    actor_distance_weight: float
    critic_distance_weight: float
    normalize_value: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("actor_distance_weight", "critic_distance_weight"):
            require(getattr(self, name) >= 0, f"algorithm.{name}={getattr(self, name)} must be 0 or more.")

    def prepare(self, state: OfflineState, recorded: RoundData) -> tuple[OfflineState, dict[str, Array], Metrics]:
        """Return the next recorded action of every step, and whether there is one."""
        goes_on = recorded.dataset.goes_on
        following = jnp.minimum(jnp.arange(len(goes_on)) + 1, len(goes_on) - 1)
        return state, {"next_action": self._scaled(recorded.steps.action[following]), "has_next": goes_on}, {}

    def distance_from_next(self, batch: Batch, next_action: Float[Array, "N A"]) -> Float[Array, " N"]:
        distance = self.distance(next_action, batch.prepared["next_action"])
        return jnp.where(batch.prepared["has_next"], self.critic_distance_weight * distance, 0.0)

    def distance(self, action: Float[Array, "N A"], recorded: Float[Array, "N A"]) -> Float[Array, " N"]:
        """Return the squared distance between actions, a sum over their entries as in the authors' code."""
        return jnp.sum(jnp.square(action - recorded), axis=-1)

    def actor_value(self, values: Float[Array, "E N"]) -> Float[Array, " N"]:
        return jnp.min(values, axis=0)

    def weights(self, value: Float[Array, " N"], valid: Array) -> tuple[Array | float, Array | float]:
        scale = jnp.maximum(masked_mean(jnp.abs(value), valid), 1e-6) if self.normalize_value else 1.0
        return self.value_weight / scale, self.actor_distance_weight

"""The environment's reward plus a fixed random error of each text: a proxy whose errors have a known distribution.

    r(y) = gold(y) + scale * e(y),

where e(y) is drawn once for every text, from a normal distribution or from Student's t with 2 degrees of freedom. If
errors have light tails, RL with a KL penalty raises gold. If they have heavy tails, a policy can gain an arbitrarily
large reward at a small KL divergence, without any gold ("catastrophic Goodhart": Kwa et al. 2024, arXiv:2407.14503,
theorems 2 and 3).
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float, UInt32

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.text_measures import sequence_hash
from rl_rewards.core.types import EnvSpec, Key, Transition
from rl_rewards.rewards.base import RewardSource


class ErrorState(struct.PyTreeNode):
    salt: UInt32[Array, ""]  # decides which error each text has


@dataclass(frozen=True, kw_only=True)
class ErroneousReward(RewardSource[ErrorState]):
    """r = env_reward + scale * e(next_obs); keys: configs/reward/erroneous.yaml.

    Raises:
        ConfigError: if an argument is invalid, or the environment has no texts.
    """

    spec: EnvSpec
    error: Literal["normal", "student_t"]
    scale: float

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        require(self.scale >= 0, f"reward.scale={self.scale} must be 0 (no error) or positive.")
        require(
            self.spec.text is not None,
            f"reward=erroneous gives every text an error, and {self.spec.name} has no texts; choose env=text.",
        )

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=("env_reward", "next_obs"), stationary=True)

    def init(self, key: Key) -> ErrorState:
        return ErrorState(salt=jax.random.bits(key, dtype=jnp.uint32))

    def reward(self, state: ErrorState, transitions: Transition) -> Float[Array, "*batch"]:
        return transitions.env_reward + self.scale * self._errors(state, transitions.next_obs)

    def _errors(self, state: ErrorState, texts: Array) -> Float[Array, "*batch"]:
        """Return the error of every text, the quantile of a uniform number that its hash gives."""
        salted = jnp.concatenate([texts, jnp.broadcast_to(state.salt, (*texts.shape[:-1], 1)).astype(jnp.int32)], -1)
        uniform = (sequence_hash(salted).astype(jnp.float32) + 0.5) / 2.0**32
        uniform = jnp.clip(uniform, 2.0**-24, 1.0 - 2.0**-24)  # float32 rounds the last numbers to 1
        if self.error == "normal":
            return jax.scipy.stats.norm.ppf(uniform)
        return (2.0 * uniform - 1.0) / jnp.sqrt(2.0 * uniform * (1.0 - uniform))

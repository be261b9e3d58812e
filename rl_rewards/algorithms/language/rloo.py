"""REINFORCE leave-one-out: the baseline of a response is the mean return of the others to the same prompt.

A_i = R_i - mean_{j != i} R_j over K responses (Kool et al. 2019; Ahmadian et al. 2024, arXiv:2402.14740, equation 8).
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array

from rl_rewards.algorithms.language.learner import LanguageState
from rl_rewards.algorithms.language.policy_gradient import (
    PolicyGradient,
    RewardedResponses,
    returns_of,
    same_for_tokens,
)
from rl_rewards.core.checks import require
from rl_rewards.core.types import Metrics


@dataclass(frozen=True, kw_only=True)
class RLOO(PolicyGradient):
    """REINFORCE leave-one-out; configs/algorithm/rloo.yaml explains its arguments."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.same_start > 1,
            f"algorithm.same_start={self.same_start} must be at least 2: the baseline of a response is the mean of the "
            "others to the same prompt.",
        )

    def token_advantages(self, state: LanguageState, judged: RewardedResponses) -> tuple[Array, Array, Metrics]:
        returns = returns_of(judged).reshape(-1, self.same_start)
        others = (jnp.sum(returns, axis=1, keepdims=True) - returns) / (self.same_start - 1)
        return same_for_tokens((returns - others).reshape(-1), judged), jnp.zeros(judged.kl.shape), {}

"""Group relative policy optimisation: returns are standardised among the responses to the same prompt.

A_i = (R_i - mean R) / std R over K responses (Shao et al. 2024, arXiv:2402.03300, equation 3). Dividing by the standard
deviation favours prompts whose rewards hardly differ, and the mean over each response's own tokens favours long wrong
responses. Without both, the length bias is gone (Liu et al. 2025, arXiv:2503.20783, "Dr. GRPO"): set
``divide_by_deviation=false loss_mean=constant``.
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

LEAST_DEVIATION = 1e-4


@dataclass(frozen=True, kw_only=True)
class GRPO(PolicyGradient):
    """Group relative policy optimisation; configs/algorithm/grpo.yaml explains its arguments."""

    divide_by_deviation: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.same_start > 1,
            f"algorithm.same_start={self.same_start} must be at least 2: responses are compared with others to the "
            "same prompt.",
        )

    def token_advantages(self, state: LanguageState, judged: RewardedResponses) -> tuple[Array, Array, Metrics]:
        returns = returns_of(judged).reshape(-1, self.same_start)
        advantage = returns - jnp.mean(returns, axis=1, keepdims=True)
        if self.divide_by_deviation:
            advantage /= jnp.std(returns, axis=1, keepdims=True) + LEAST_DEVIATION
        return same_for_tokens(advantage.reshape(-1), judged), jnp.zeros(judged.kl.shape), {}

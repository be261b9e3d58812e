"""REINFORCE on responses: A = R - b, where b is the mean return of the batch (Williams 1992)."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array

from rl_rewards.algorithms.language.learner import LanguageState
from rl_rewards.algorithms.language.policy_gradient import (
    PolicyGradient,
    RewardedResponses,
    returns_of,
    same_for_tokens,
)
from rl_rewards.core.types import Metrics


@dataclass(frozen=True, kw_only=True)
class ReinforceLanguage(PolicyGradient):
    """REINFORCE; configs/algorithm/reinforce_lm.yaml explains its arguments."""

    baseline: Literal["mean", "none"]

    def token_advantages(self, state: LanguageState, judged: RewardedResponses) -> tuple[Array, Array, Metrics]:
        returns = returns_of(judged)
        advantage = returns - jnp.mean(returns) if self.baseline == "mean" else returns
        return same_for_tokens(advantage, judged), jnp.zeros(judged.kl.shape), {}

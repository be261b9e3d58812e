"""PPO on tokens: a critic predicts the return after every token, and the reward is paid with the last one.

r_t = -beta log(pi(y_t) / reference(y_t)), plus the reward of the response where it ends; advantages are GAE over tokens
(Ziegler et al. 2019, arXiv:1909.08593; Ouyang et al. 2022, arXiv:2203.02155, section 3.5 and appendix C.4).
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rl_rewards.algorithms.language.learner import LanguageState
from rl_rewards.algorithms.language.policy_gradient import LanguageBatch, PolicyGradient, RewardedResponses
from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean, masked_variance
from rl_rewards.core.returns import generalized_advantage
from rl_rewards.core.types import Key, Metrics
from rl_rewards.models.heads import TokenValue


@dataclass(frozen=True, kw_only=True)
class PPOLanguage(PolicyGradient):
    """PPO on tokens; configs/algorithm/ppo_lm.yaml explains its arguments."""

    discount: float
    trace_decay: float
    value_weight: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.discount <= 1, f"algorithm.discount={self.discount} must lie in (0, 1].")
        require(0 <= self.trace_decay <= 1, f"algorithm.trace_decay={self.trace_decay} must lie in [0, 1].")
        require(self.value_weight >= 0, f"algorithm.value_weight={self.value_weight} must be 0 or positive.")

    def init_networks(self, key: Key) -> dict[str, Any]:
        model_key, value_key = jax.random.split(key)
        value = TokenValue().init(value_key, jnp.zeros((1, self.transformer.width)))
        return {**super().init_networks(model_key), "value": value}

    def token_advantages(self, state: LanguageState, judged: RewardedResponses) -> tuple[Array, Array, Metrics]:
        mask = judged.responses.mask
        values = jnp.where(mask, self._values(state.params, judged.hidden), 0.0)
        last = mask & ~jnp.concatenate([mask[:, 1:], jnp.zeros_like(mask[:, :1])], axis=1)
        rewards = jnp.where(last, judged.reward[:, None], 0.0) - judged.kl
        after = jnp.concatenate([values[:, 1:], jnp.zeros_like(values[:, :1])], axis=1)
        never = jnp.zeros_like(mask)
        steps = [x.T for x in (rewards, values, after, last, never)]  # the axis of tokens is that of time
        advantage = generalized_advantage(*steps, discount=self.discount, trace_decay=self.trace_decay).T
        advantage = jnp.where(mask, advantage, 0.0)
        target = values + advantage
        unexplained = masked_variance(target - values, mask) / jnp.maximum(masked_variance(target, mask), 1e-8)
        return advantage, target, {"agent/explained_variance": 1.0 - unexplained}

    def value_loss(
        self, params: dict, hidden: Float[Array, "N L W"], batch: LanguageBatch
    ) -> tuple[Float[Array, ""], Metrics]:
        error = masked_mean(jnp.square(self._values(params, hidden) - batch.value_target), batch.responses.mask)
        return self.value_weight * error, {"agent/value_loss": error}

    def _values(self, params: dict, hidden: Float[Array, "N L W"]) -> Float[Array, "N L"]:
        values: Any = TokenValue().apply(params["value"], hidden)
        return values

"""The base of algorithms that sample responses, have them rewarded, and follow the policy gradient.

    loss = mean[-min(rho A, clip(rho, 1 - e, 1 + e) A)] + beta KL(pi || reference) - entropy_weight * H,

rho is the ratio of a token's probability to that when it was sampled. The KL divergence from the policy that the stage
began with is either a part of the reward (Ziegler et al. 2019, arXiv:1909.08593, equation 2) or of the loss (Shao et
al. 2024, arXiv:2402.03300, equation 3). A subclass says what the advantage A of every token is.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from rl_rewards.algorithms.language.distance import distance_metrics
from rl_rewards.algorithms.language.learner import LanguageLearner, LanguageState
from rl_rewards.algorithms.language.responses import Responses, responses_of
from rl_rewards.algorithms.language.sampler import check_groups
from rl_rewards.algorithms.shuffled_passes import shuffled_passes
from rl_rewards.core.checks import require
from rl_rewards.core.kl_estimators import KLEstimator, estimated_kl, exact_kl
from rl_rewards.core.losses import clipped_surrogate, masked_mean, masked_variance
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.text_measures import text_metrics
from rl_rewards.core.types import Experience, Key, Metrics, RewardFn

KL_STEP = 0.2
"""The largest relative error of the KL divergence that the adaptive coefficient reacts to."""


class RewardedResponses(NamedTuple):
    """Responses with their rewards and their distance from the reference, before the advantages are known."""

    responses: Responses
    reward: Float[Array, " N"]  # of the response, with penalties, without the KL divergence
    kl: Float[Array, "N L"]  # the estimate of each token that is subtracted from the reward; 0 if it is in the loss
    hidden: Float[Array, "N L W"]  # the model's hidden state from which each token was predicted


class LanguageBatch(struct.PyTreeNode):
    """The data of a minibatch: N responses of L tokens."""

    responses: Responses
    advantage: Float[Array, "N L"]
    value_target: Float[Array, "N L"]  # 0 without a critic
    reference_log_prob: Float[Array, "N L"]
    reference_logits: Float[Array, "N L V"] | None  # only where the loss has the exact divergence
    partly_valid: bool = struct.field(pytree_node=False, default=False)

    @property
    def log_prob(self) -> Float[Array, "N L"]:
        """The log-probability of each token when it was sampled."""
        return self.responses.log_prob

    @property
    def valid(self) -> Array:
        """True for the tokens of the responses [N, L]."""
        return self.responses.mask


@dataclass(frozen=True, kw_only=True)
class PolicyGradient(LanguageLearner):
    """A policy gradient over responses. The YAML of each algorithm explains the arguments.

    Raises:
        ConfigError: if an argument is invalid.
    """

    num_envs: int
    same_start: int
    epochs: int
    minibatches: int
    clip: float
    target_kl: float | None
    kl_coefficient: float
    kl_in: Literal["reward", "loss"]
    kl_estimator: KLEstimator
    kl_goal: float | None
    kl_gain: float
    exact_kl: bool
    entropy_weight: float
    missing_end_penalty: float
    normalize_advantage: bool
    loss_mean: Literal["token", "response", "constant"]

    uses_reference = True
    rollout_length = 1
    """A response is one step of the environment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_groups(self.num_envs, self.same_start)
        for name in ("epochs", "minibatches"):
            require(getattr(self, name) > 0, f"algorithm.{name}={getattr(self, name)} must be at least 1.")
        require(
            self.num_envs % self.minibatches == 0,
            f"algorithm.minibatches={self.minibatches} must divide algorithm.num_envs={self.num_envs}.",
        )
        require(self.clip > 0, f"algorithm.clip={self.clip} must be positive.")
        for name in ("kl_coefficient", "kl_gain", "missing_end_penalty"):
            value = getattr(self, name)
            require(value >= 0, f"algorithm.{name}={value} must be 0 (off) or positive.")
        for name in ("target_kl", "kl_goal"):
            value = getattr(self, name)
            require(value is None or value > 0, f"algorithm.{name}={value} must be positive, or null.")
        require(
            self.kl_in == "reward" or self.kl_estimator != "k1",
            "algorithm.kl_in=loss needs another algorithm.kl_estimator than k1, whose gradient is 0 on average; choose "
            "k2, k3 or exact.",
        )
        require(
            self.kl_in == "loss" or self.kl_estimator == "k1",
            f"algorithm.kl_estimator={self.kl_estimator} cannot be part of the reward, whose expectation only k1 gets "
            "right for every policy; choose k1, or algorithm.kl_in=loss.",
        )
        require(
            self.kl_goal is None or self.kl_coefficient > 0,
            f"algorithm.kl_goal={self.kl_goal} changes the coefficient of the KL divergence by factors, so that it "
            "cannot begin with algorithm.kl_coefficient=0.",
        )

    @property
    def requirements(self) -> Requirements:
        return Requirements(needs_texts=True, follows_reward=True, same_start=self.same_start)

    def init(self, key: Key) -> LanguageState:
        return super().init(key).replace(kl_coefficient=jnp.asarray(self.kl_coefficient, jnp.float32))

    # What a subclass defines.

    @abstractmethod
    def token_advantages(self, state: LanguageState, judged: RewardedResponses) -> tuple[Array, Array, Metrics]:
        """Return the advantage [N, L] of every token, the target [N, L] of its value, and metrics.

        Responses to the same prompt follow one another, ``same_start`` of them.
        """
        ...

    def value_loss(
        self, params: dict, hidden: Float[Array, "N L W"], batch: LanguageBatch
    ) -> tuple[Float[Array, ""], Metrics]:
        """Return the critic's part of the loss; 0 without a critic."""
        return jnp.zeros(()), {}

    # The algorithm.

    def update(
        self, state: LanguageState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[LanguageState, Metrics]:
        """Learn from the responses of a rollout."""
        rollout = experience.rollout
        assert rollout is not None, "compatibility.check ensures that an on-policy algorithm gets rollouts"
        responses = responses_of(self.text, rollout)
        raw = reward_fn(rollout).reshape(-1)
        exactly = self.kl_in == "loss" and self.kl_estimator == "exact"
        policy = self.scored(state.params["model"], responses, with_logits=self.exact_kl)
        reference = self.scored(self.reference_of(state), responses, with_logits=self.exact_kl or exactly)
        responses = responses.replace(log_prob=jax.lax.stop_gradient(policy.log_prob))
        metrics = distance_metrics(responses, policy, reference, self.exact_kl)
        metrics["agent/kl_coefficient"] = state.kl_coefficient
        kl = jnp.zeros(responses.mask.shape)
        if self.kl_in == "reward":
            k1 = estimated_kl(responses.log_prob, reference.log_prob, "k1")
            kl = jnp.where(responses.mask, state.kl_coefficient * k1, 0.0)
        penalty = jnp.where(responses.ended, 0.0, self.missing_end_penalty)
        judged = RewardedResponses(responses, raw - penalty, kl, policy.hidden)
        advantage, value_target, told = self.token_advantages(state, judged)
        if self.normalize_advantage:
            spread = jnp.sqrt(masked_variance(advantage, responses.mask))
            advantage = (advantage - masked_mean(advantage, responses.mask)) / jnp.maximum(spread, 1e-6)
        batch = LanguageBatch(
            responses=responses,
            advantage=jax.lax.stop_gradient(advantage),
            value_target=jax.lax.stop_gradient(value_target),
            reference_log_prob=reference.log_prob,
            reference_logits=reference.logits if exactly else None,
        )
        state, learned = shuffled_passes(
            self._step,
            state,
            batch,
            key,
            epochs=self.epochs,
            minibatches=self.minibatches,
            target_kl=self.target_kl,
        )
        state = self._with_coefficient(state, metrics["agent/reference_kl"])
        groups = raw.reshape(-1, self.same_start)
        rewards = {
            "agent/reward_mean": jnp.mean(raw),
            "agent/reward_deviation": jnp.std(raw),
            "agent/reward_deviation_same_prompt": jnp.mean(jnp.std(groups, axis=1)),
        }
        written = text_metrics(responses.response, responses.mask, responses.ended)
        return state, {**metrics, **told, **rewards, **written, **learned}

    def _with_coefficient(self, state: LanguageState, kl: Float[Array, ""]) -> LanguageState:
        """Return ``state`` with a larger coefficient if the divergence exceeds its goal, and a smaller one otherwise.

        beta <- beta (1 + gain * clip(KL / goal - 1, -0.2, 0.2)) (Ziegler et al. 2019, section 2.2).
        """
        if self.kl_goal is None:
            return state
        error = jnp.clip(kl / self.kl_goal - 1.0, -KL_STEP, KL_STEP)
        return state.replace(kl_coefficient=state.kl_coefficient * (1.0 + self.kl_gain * error))

    def _step(self, state: LanguageState, batch: LanguageBatch) -> tuple[LanguageState, Metrics]:
        """Take one gradient step on a minibatch."""
        (_, metrics), gradients = self.value_and_grad(self._loss, has_aux=True)(state.params, state, batch)
        return self.descend(state, gradients), metrics

    def _loss(self, params: dict, state: LanguageState, batch: LanguageBatch) -> tuple[Array, Metrics]:
        mask = batch.responses.mask
        exactly = batch.reference_logits is not None
        scored = self.scored(params["model"], batch.responses, with_logits=exactly)
        log_ratio = jnp.where(mask, scored.log_prob - batch.log_prob, 0.0)
        policy_loss = self._mean(clipped_surrogate(log_ratio, batch.advantage, self.clip), mask)
        loss = policy_loss - self.entropy_weight * self._mean(scored.entropy, mask)
        if self.kl_in == "loss":
            if exactly:
                divergence = exact_kl(*map(jax.nn.log_softmax, (scored.logits, batch.reference_logits)))
            else:
                divergence = estimated_kl(scored.log_prob, batch.reference_log_prob, self.kl_estimator)
            loss += state.kl_coefficient * self._mean(divergence, mask)
        of_values, told = self.value_loss(params, scored.hidden, batch)
        clipped = jnp.abs(jnp.expm1(log_ratio)) > self.clip
        return loss + of_values, told | {
            "agent/policy_loss": policy_loss,
            "agent/kl": masked_mean(jnp.expm1(log_ratio) - log_ratio, mask),
            "agent/clip_fraction": masked_mean(clipped, mask),
        }

    def _mean(self, values: Float[Array, "N L"], mask: Array) -> Float[Array, ""]:
        """Return the mean over tokens, over responses of their means, or the sum divided by the constant N L."""
        if self.loss_mean == "token":
            return masked_mean(values, mask)
        total = jnp.sum(jnp.where(mask, values, 0.0), axis=1)
        if self.loss_mean == "response":
            return jnp.mean(total / jnp.maximum(jnp.sum(mask, axis=1), 1))
        return jnp.mean(total) / mask.shape[1]


def same_for_tokens(advantage: Float[Array, " N"], judged: RewardedResponses) -> Float[Array, "N L"]:
    """Return the advantage of every response at each of its tokens."""
    return jnp.broadcast_to(advantage[:, None], judged.responses.mask.shape)


def returns_of(judged: RewardedResponses) -> Float[Array, " N"]:
    """Return the reward of every response minus the KL divergence that belongs to the reward."""
    return judged.reward - jnp.sum(judged.kl, axis=1)

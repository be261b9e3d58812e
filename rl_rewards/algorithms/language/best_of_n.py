"""Fine-tuning on the best of n responses: the model imitates the response to each prompt that has the most reward.

loss = -mean log pi(y*), y* = argmax of the reward over n responses (rejection sampling: Stiennon et al. 2020,
arXiv:2009.01325; as fine-tuning, Dong et al. 2023, arXiv:2304.06767). The control imitates a random one of the n
responses instead, so that what comes from the reward is told apart from what comes from training on own samples.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from rl_rewards.algorithms.language.distance import distance_metrics
from rl_rewards.algorithms.language.learner import LanguageLearner, LanguageState
from rl_rewards.algorithms.language.responses import Responses, responses_of
from rl_rewards.algorithms.language.sampler import check_groups
from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.text_measures import text_metrics
from rl_rewards.core.types import Experience, Key, Metrics, RewardFn
from rl_rewards.data.draws import shuffled


@dataclass(frozen=True, kw_only=True)
class BestOfN(LanguageLearner):
    """Fine-tuning on the best of n; configs/algorithm/best_of_n.yaml explains its arguments."""

    num_envs: int
    same_start: int
    epochs: int
    minibatches: int
    keep: Literal["best", "random"]

    uses_reference = True
    rollout_length = 1
    """A response is one step of the environment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_groups(self.num_envs, self.same_start)
        for name in ("epochs", "minibatches"):
            require(getattr(self, name) > 0, f"algorithm.{name}={getattr(self, name)} must be at least 1.")
        prompts = self.num_envs // self.same_start
        require(
            prompts % self.minibatches == 0,
            f"algorithm.minibatches={self.minibatches} must divide the {prompts} prompts of a round.",
        )

    @property
    def requirements(self) -> Requirements:
        return Requirements(needs_texts=True, follows_reward=True, same_start=self.same_start)

    def update(
        self, state: LanguageState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[LanguageState, Metrics]:
        """Imitate the kept response to each prompt of the rollout."""
        rollout = experience.rollout
        assert rollout is not None, "compatibility.check ensures that this algorithm gets rollouts"
        responses = responses_of(self.text, rollout)
        reward = reward_fn(rollout).reshape(-1, self.same_start)
        choose_key, shuffle_key = jax.random.split(key)
        lottery = jax.random.uniform(choose_key, reward.shape)
        member = jnp.argmax(reward if self.keep == "best" else lottery, axis=1)
        rows = jnp.arange(len(member)) * self.same_start + member
        kept = jax.tree.map(lambda x: x[rows], responses)
        policy, reference = (self.scored(one, responses) for one in (state.params["model"], self.reference_of(state)))
        distance = distance_metrics(responses, policy, reference, exact=False)

        def epoch(state: LanguageState, key: Key) -> tuple[LanguageState, Array]:
            order = shuffled(key, len(rows)).reshape(self.minibatches, -1)
            return jax.lax.scan(lambda s, i: self._step(s, jax.tree.map(lambda x: x[i], kept)), state, order)

        state, losses = jax.lax.scan(epoch, state, jax.random.split(shuffle_key, self.epochs))
        written = text_metrics(responses.response, responses.mask, responses.ended)
        return state, {
            "agent/reward_mean": jnp.mean(reward),
            "agent/reward_kept": jnp.mean(reward.reshape(-1)[rows]),
            "agent/loss": jnp.mean(losses),
            **distance,
            **written,
        }

    def _step(self, state: LanguageState, responses: Responses) -> tuple[LanguageState, Float[Array, ""]]:
        def loss(params: dict) -> Float[Array, ""]:
            return -masked_mean(self.scored(params["model"], responses).log_prob, responses.mask)

        value, gradients = self.value_and_grad(loss)(state.params)
        return self.descend(state, gradients), value

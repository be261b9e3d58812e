"""A language model that answers prompts and does not learn, such as the policy whose responses are labelled."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array

from rl_rewards.algorithms.language.learner import LanguagePolicy, LanguageState
from rl_rewards.algorithms.language.responses import responses_of
from rl_rewards.core.checks import require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.text_measures import text_metrics
from rl_rewards.core.types import Experience, Key, Metrics, RewardFn


@dataclass(frozen=True, kw_only=True)
class SamplingPolicy(LanguagePolicy):
    """A fixed policy; configs/algorithm/sampler.yaml explains its arguments."""

    num_envs: int
    same_start: int

    rollout_length = 1
    """A response is one step of the environment."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_groups(self.num_envs, self.same_start)

    @property
    def requirements(self) -> Requirements:
        return Requirements(needs_texts=True, same_start=self.same_start)

    def update(
        self, state: LanguageState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[LanguageState, Metrics]:
        """Return ``state`` unchanged, and metrics of the responses."""
        rollout = experience.rollout
        assert rollout is not None, "compatibility.check ensures that this algorithm gets rollouts"
        responses = responses_of(self.text, rollout)
        written = text_metrics(responses.response, responses.mask, responses.ended)
        return state, {"agent/reward_mean": jnp.mean(reward_fn(rollout)), **written}


def check_groups(num_envs: int, same_start: int) -> None:
    """Check the number of responses in a round, and of those to the same prompt.

    Raises:
        ConfigError: if one is below 1, or the second does not divide the first.
    """
    for name, value in {"num_envs": num_envs, "same_start": same_start}.items():
        require(value > 0, f"algorithm.{name}={value} must be at least 1.")
    require(
        num_envs % same_start == 0,
        f"algorithm.num_envs={num_envs} responses must be a multiple of the algorithm.same_start={same_start} "
        "responses to each prompt.",
    )

"""A language model that criticises its own responses by principles and revises them, and does not learn.

response -> critique by a random principle -> revision, unless the critique finds no fault; then perhaps by the next
principle (Bai et al. 2022, arXiv:2212.08073, section 3.1; there, up to four times). Its revisions are the texts of the
supervised stage of Constitutional AI, and pairs of a response and its revision are comparisons for a preference model.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from rl_rewards.algorithms.language.learner import LanguageState
from rl_rewards.algorithms.language.sampler import SamplingPolicy
from rl_rewards.core.checks import require
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.text_spec import CritiqueSpec
from rl_rewards.core.types import REVISED_BY, Action, Experience, Key, Memory, Metrics, Obs, RewardFn
from rl_rewards.models.transformer.critique import critique_prompts, finds_no_fault, revision_prompts


@dataclass(frozen=True, kw_only=True)
class SelfRevision(SamplingPolicy):
    """A fixed policy that writes revisions; configs/algorithm/self_revision.yaml explains its arguments.

    Raises:
        ConfigError: if the environment has no words for critiques, or an argument is invalid.
    """

    revisions: int
    writes: Literal["revisions", "pairs"]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.text.critique is not None,
            f"algorithm=self_revision asks a model for critiques, and {self.spec.name} has no principles; choose "
            "env=constitutional.",
        )
        most = len(self.words.principles)
        require(
            1 <= self.revisions <= most,
            f"algorithm.revisions={self.revisions} must lie between 1 and {most}, the number of principles.",
        )
        require(
            self.writes == "revisions" or self.same_start == 2,
            f"algorithm.writes=pairs writes a response and its revision, so that algorithm.same_start="
            f"{self.same_start} must be 2.",
        )

    @property
    def words(self) -> CritiqueSpec:
        """The words in which the model is asked."""
        assert self.text.critique is not None
        return self.text.critique

    @property
    def requirements(self) -> Requirements:
        return Requirements(needs_texts=True, same_start=self.same_start, revisions=True)

    def act(
        self, state: LanguageState, memory: Memory, obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, Memory, dict[str, Array]]:
        """Return a revision [B, L] of an own response to every prompt; with ``writes=pairs`` of every second one.

        Also ``REVISED_BY`` [B], the number of the last principle by which a fault was found, or -1 for a response
        that is not revised; the ``original`` [B, L]; and the ``critique`` [B, C] that the last principle led to.
        """
        first_key, order_key, key = jax.random.split(key, 3)
        original, memory, _ = super().act(state, memory, obs, first_key, explore)
        prompt = obs[:, : self.text.prompt_tokens]
        if self.writes == "pairs":
            original = _of_first(prompt, original)
        order = jnp.argsort(jax.random.uniform(order_key, (len(obs), len(self.words.principles))), axis=1)
        may_be_revised = (jnp.arange(len(obs)) % 2 == 1) | (self.writes == "revisions")

        def step(now: tuple[Array, Array, Array], given: tuple[Array, Array]) -> tuple[tuple[Array, ...], None]:
            (response, critique, by), (principle, key) = now, given
            found, revision, said = self._revised(state, prompt, response, principle, key, explore)
            found &= may_be_revised
            response = jnp.where(found[:, None], revision, response)
            critique = jnp.where(found[:, None], said, critique)
            return (response, critique, jnp.where(found, principle, by)), None

        no_critique = jnp.full((len(obs), self.words.critique_tokens), self.text.pad, jnp.int32)
        first = (original, no_critique, jnp.full(len(obs), -1, order.dtype))
        given = (order.T[: self.revisions], jax.random.split(key, self.revisions))
        (response, critique, by), _ = jax.lax.scan(step, first, given)
        return response, memory, {REVISED_BY: by, "original": original, "critique": critique}

    def _revised(
        self,
        state: LanguageState,
        prompt: Int[Array, "B P"],
        response: Int[Array, "B L"],
        principle: Int[Array, " B"],
        key: Key,
        explore: bool,
    ) -> tuple[Array, Array, Array]:
        """Return whether the model finds a fault [B], its revision [B, L] and its critique [B, C]."""
        critique_key, revision_key = jax.random.split(key)
        asked = critique_prompts(self.text, self.words, prompt, response, principle)
        said = self.write(state, asked, critique_key, self.words.critique_tokens, not explore).response
        again = revision_prompts(self.text, self.words, asked, said)
        revision = self.write(state, again, revision_key, self.text.response_tokens, not explore).response
        return ~finds_no_fault(self.text, self.words, said), revision, said

    def update(
        self, state: LanguageState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[LanguageState, Metrics]:
        """Return ``state`` unchanged, and metrics of the texts: also the share that was revised."""
        state, metrics = super().update(state, experience, reward_fn, round, key)
        assert experience.rollout is not None, "compatibility.check ensures that this algorithm gets rollouts"
        revised = experience.rollout.behaviour[REVISED_BY] >= 0
        return state, metrics | {"agent/revised": jnp.mean(revised.astype(jnp.float32))}


def _of_first(prompt: Int[Array, "B P"], response: Int[Array, "B L"]) -> Int[Array, "B L"]:
    """Return for every second row the response of the row before, if both have the same prompt."""
    before = jnp.roll(response, 1, axis=0)
    second = (jnp.arange(len(prompt)) % 2 == 1) & jnp.all(prompt == jnp.roll(prompt, 1, axis=0), axis=1)
    return jnp.where(second[:, None], before, response)

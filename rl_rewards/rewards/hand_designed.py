"""A reward written by hand: a weighted sum of named terms, each a map of one quantity of the transition.

r(s, a, s') = sum over terms of weight * map(quantity)
This is the lecture's first way to specify a task: every fix of a hand-designed reward opens a new way to fool it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition
from rl_rewards.rewards.base import NamedTerm, RewardSource
from rl_rewards.rewards.terms import Term, parse_term


@dataclass(frozen=True, kw_only=True)
class HandDesigned(RewardSource):
    """A reward without a state that learns nothing. Keys and syntax of terms: configs/reward/hand_designed.yaml.

    Raises:
        ConfigError: if a term asks for something that does not exist, before anything compiles.
    """

    spec: EnvSpec
    terms: dict[str, Any]

    def __post_init__(self) -> None:
        require(
            isinstance(self.terms, dict) and len(self.terms) > 0,
            "reward.terms is empty; add at least one, for example "
            "'+reward.terms.near={weight: -1.0, of: next_obs, map: norm}'.",
        )
        _ = self._terms  # reading the terms checks them

    @cached_property
    def _terms(self) -> tuple[Term, ...]:
        return tuple(parse_term(name, raw, self.spec) for name, raw in self.terms.items())

    @property
    def requirements(self) -> Requirements:
        reads = tuple(sorted({term.quantity.reads for term in self._terms}))
        return Requirements(reads=reads, stationary=True)

    def reward(self, state: dict, transitions: Transition) -> Float[Array, "*batch"]:
        del state
        return jnp.sum(jnp.stack([term.weight * term.value(transitions) for term in self._terms]), axis=0)

    def named_terms(self, state: dict, transitions: Transition) -> dict[str, NamedTerm]:
        del state
        return {
            term.name: NamedTerm(term.weight * term.value(transitions), term.switches(transitions))
            for term in self._terms
            if term.weight != 0.0
        }

    def update(
        self, state: dict, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[dict, Metrics]:
        """Learn nothing, and log the mean of each term over the rollout, mapped but not weighted."""
        del data, round, key
        if experience.rollout is None:
            return state, {}
        return state, {f"reward/{name}": mean for name, mean in self._means(experience.rollout).items()}

    def inspect(self, state: dict, data: Examples, transitions: Transition) -> dict[str, Array]:
        """Return ``term_NAME``, the mean of each term over the evaluation episodes, not weighted."""
        del state, data
        return self._means(transitions)

    def _means(self, transitions: Transition) -> dict[str, Array]:
        return {f"term_{term.name}": masked_mean(term.value(transitions), transitions.valid) for term in self._terms}

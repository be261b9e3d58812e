"""Base class of rewards that ask about segments: the schedule, the candidates and the ids of their queries."""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from rl_rewards.core.checks import require
from rl_rewards.core.queries import NOBODY, QueryPlan, Question
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.schedules import Schedule, Sessions
from rl_rewards.core.types import EnvSpec, Experience, Key, Transition

NOWHERE = 2**31 - 1
"""The slot of a query that is not asked; it is outside of every array, so that writing there changes nothing."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A reward's schedule of queries about segments; keys and units: configs/reward/preferences.yaml."""

    spec: EnvSpec
    segment_steps: int
    budget: int
    sessions: int
    rounds_per_session: int
    schedule: Schedule
    first_share: float
    candidates: int
    history: int

    def check_asking(self) -> None:
        """Check the settings of the queries; raise ConfigError if one is wrong."""
        for name in ("segment_steps", "budget", "sessions", "rounds_per_session", "candidates", "history"):
            require(getattr(self, name) > 0, f"reward.{name}={getattr(self, name)} must be at least 1.")
        require(0 <= self.first_share <= 1, f"reward.first_share={self.first_share} must lie in [0, 1].")
        require(
            self.segment_steps <= self.spec.max_episode_steps,
            f"reward.segment_steps={self.segment_steps} is more than an episode of {self.spec.name} can have; a "
            f"segment lies within one episode, so that it must be at most {self.spec.max_episode_steps}.",
        )

    @property
    def first_round(self) -> int:
        """Return the first round that may ask."""
        return 0

    @cached_property
    def released(self) -> Sessions:
        return Sessions(
            schedule=self.schedule,
            budget=self.budget,
            count=self.sessions,
            every=self.rounds_per_session,
            first_share=self.first_share,
            start=self.first_round,
        )

    @property
    def queries_per_round(self) -> int:
        """Return Q, the largest number of queries in a round."""
        return self.released.most

    def requirements_of(
        self,
        reads: tuple[str, ...],
        clips: int,
        acquisition: str,
        question: Question = "quality",
        features: tuple[str, ...] = (),
    ) -> Requirements:
        """Return the requirements of a reward that learns from answers about segments of the policy's rollouts."""
        plan = QueryPlan(
            question=question,
            queries_per_round=self.queries_per_round,
            clips=clips,
            budget=self.budget,
            acquisition=acquisition,
            features=features,
        )
        return Requirements(reads=reads, history=self.history, needs_experience=True, queries=plan)

    def may_ask(self, round: Int[Array, ""]) -> Bool[Array, ""]:
        return self.released.is_session(round)

    def draw(self, experience: Experience, clips: int, key: Key) -> Transition:
        """Return candidates, leaves [N, K, L, ...]: N is ``candidates`` times the queries, K is ``clips``."""
        n = self.candidates * self.queries_per_round
        if self.spec.text is not None and clips > 1:  # responses to different prompts cannot be compared
            return experience.sample_same_start(key, n, clips)
        drawn = experience.sample_segments(key, n * clips, self.segment_steps)
        return jax.tree.map(lambda x: x.reshape(n, clips, *x.shape[1:]), drawn)

    def places(
        self, drawn: Transition, round: Int[Array, ""], asked: Int[Array, ""]
    ) -> tuple[Int[Array, ""], Int[Array, " Q"], Int[Array, " Q"]]:
        """Return how many of ``drawn`` this round asks, their ids, and their slots (NOWHERE for those not asked)."""
        n = jnp.where(jnp.all(drawn.valid), self.released.due(round, asked), 0)
        place = jnp.arange(self.queries_per_round)
        ids = jnp.where(place < n, asked + place, NOBODY)
        return n, ids, jnp.where(ids == NOBODY, NOWHERE, ids)

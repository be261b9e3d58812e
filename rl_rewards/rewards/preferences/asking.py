"""What rewards that ask about segments share: when, how many, drawn from where, and under which ids."""

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Int

from rl_rewards.core.checks import require
from rl_rewards.core.queries import NOBODY, QueryPlan
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.schedules import Schedule, Sessions
from rl_rewards.core.types import EnvSpec, Experience, Key, Transition


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Keys and units: configs/reward/preferences.yaml."""

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
        """Raises ConfigError for what no run can ask."""
        for name in ("segment_steps", "budget", "sessions", "rounds_per_session", "candidates", "history"):
            require(getattr(self, name) > 0, f"reward.{name}={getattr(self, name)} must be at least 1.")
        require(0 <= self.first_share <= 1, f"reward.first_share={self.first_share} must lie in [0, 1].")
        require(
            self.segment_steps <= self.spec.max_episode_steps,
            f"reward.segment_steps={self.segment_steps} is more than an episode of {self.spec.name} can have "
            f"({self.spec.max_episode_steps}); a segment never crosses its end.",
        )

    @property
    def first_round(self) -> int:
        """Before which nothing is asked."""
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
        """Q, the most that a round asks."""
        return self.released.most

    def requirements_of(self, reads: tuple[str, ...], clips: int, acquisition: str) -> Requirements:
        """Those of a reward that learns from answers about segments of what the policy did."""
        plan = QueryPlan(
            question="quality",
            queries_per_round=self.queries_per_round,
            clips=clips,
            budget=self.budget,
            acquisition=acquisition,
        )
        return Requirements(reads=reads, history=self.history, needs_rollouts=True, queries=plan)

    def may_ask(self, round: Int[Array, ""]) -> Bool[Array, ""]:
        return self.released.is_session(round)

    def draw(self, experience: Experience, clips: int, key: Key) -> Transition:
        """Candidates to choose from, leaves [N, K, L, ...]: N is ``candidates`` for each query, K is ``clips``."""
        n = self.candidates * self.queries_per_round
        drawn = experience.sample_segments(key, n * clips, self.segment_steps)
        return jax.tree.map(lambda x: x.reshape(n, clips, *x.shape[1:]), drawn)

    def places(
        self, drawn: Transition, round: Int[Array, ""], asked: Int[Array, ""]
    ) -> tuple[Int[Array, ""], Int[Array, " Q"], Int[Array, " Q"]]:
        """How many of ``drawn`` this round asks; their ids, and where to keep them: beyond the budget for none."""
        n = jnp.where(jnp.all(drawn.valid), self.released.due(round, asked), 0)
        place = jnp.arange(self.queries_per_round)
        ids = jnp.where(place < n, asked + place, NOBODY)
        return n, ids, jnp.where(ids == NOBODY, self.budget, ids)

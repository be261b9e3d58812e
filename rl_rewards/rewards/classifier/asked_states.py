"""Yes/no queries during training: is the task done in the visited states with the highest reward?

every ``rounds_per_session`` rounds:  s* = argmax r(s) over the states of the rollout, at most one per episode
yes: D+ <- D+ + s*;  no: D- <- D- + s*
(VICE-RAQ, Singh et al. 2019, arXiv:1904.07854.) The answered states fill a fixed share a of each half of a batch:

p+ = (1 - a) p_goals + a p_yes,  p- = (1 - a) p_negatives + a p_no,  and still D = p+ / (p+ + p-)

The paper draws uniformly from D+ including the answers, and its published code ignores the "no" answers of VICE-RAQ.
With uniform draws, a dozen "no" answers would be lost among the visited states, and a dozen "yes" answers among the
goal examples. A state answered "yes" can also be among the visited negatives, as every visited goal state is, and is
not removed from them. In the worst case the policy visits only that state, so that all of p_negatives is there: then
D = a if other states were answered "no", and D = a / (1 + a) if none was.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int

from rl_rewards.core.checks import require
from rl_rewards.core.queries import NOBODY, Labels, Query, QueryPlan
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.schedules import Sessions
from rl_rewards.core.types import EnvSpec, Experience, Key, Metrics, Transition
from rl_rewards.rewards.base import AsksForLabels, Judges
from rl_rewards.rewards.classifier.goal import GoalClassifier

YES, NO = 1, -1


class AskedStates(struct.PyTreeNode):
    """States of queries; that of query i stays at index i, so that even a late answer finds it."""

    obs: Array  # [N, ...]
    action: Array  # [N, ...]
    answer: Int[Array, " N"]  # YES, NO, or 0: not asked, not answered yet, or refused
    count: Int[Array, ""]  # queries so far

    @classmethod
    def init(cls, spec: EnvSpec, queries: int) -> "AskedStates":
        """Return empty storage for the states of ``queries`` queries."""
        return cls(
            obs=jnp.zeros((queries, *spec.obs.shape), spec.obs.dtype),
            action=jnp.zeros((queries, *spec.action.shape), spec.action.dtype),
            answer=jnp.zeros((queries,), jnp.int32),
            count=jnp.zeros((), jnp.int32),
        )

    def ask(self, obs: Array, action: Array, n: Int[Array, ""]) -> tuple["AskedStates", Int[Array, " Q"]]:
        """Return the storage with the first ``n`` of the states ``obs`` [Q, ...] and ``action``, and the query ids."""
        place, room = jnp.arange(len(obs)), self.answer.shape[0]
        ids = jnp.where((place < n) & (self.count + place < room), self.count + place, NOBODY)
        slot = jnp.where(ids == NOBODY, room, ids)  # indices out of range are dropped
        asked = self.replace(
            obs=self.obs.at[slot].set(obs, mode="drop"),
            action=self.action.at[slot].set(action, mode="drop"),
            count=self.count + jnp.sum(ids != NOBODY),
        )
        return asked, ids

    def absorb(self, labels: Labels) -> "AskedStates":
        """Return the storage with the answers to its queries; a refused query stays without an answer."""
        slot = jnp.where(labels.id == NOBODY, self.answer.shape[0], labels.id)
        score = labels.scores[:, 0]
        answer = jnp.where(jnp.isnan(score), 0, jnp.where(score >= 0.5, YES, NO))
        return self.replace(answer=self.answer.at[slot].set(answer, mode="drop"))

    def draw(self, answer: int, shape: tuple[int, ...], key: Key) -> tuple[Array, Array, Bool[Array, ""]]:
        """Return obs and action of uniformly drawn states [*shape] with ``answer``, and True if there are any."""
        found = self.answer == answer
        count = jnp.sum(found)
        first = jnp.argsort(~found, stable=True)  # states with the answer come first
        rows = first[jax.random.randint(key, shape, 0, jnp.maximum(count, 1))]
        return self.obs[rows], self.action[rows], count > 0


@dataclass(frozen=True, kw_only=True)
class AsksAboutStates(GoalClassifier, AsksForLabels):
    """A goal classifier that may ask a labeler; its state has a field ``asked`` if ``queries`` is above 0.

    Keys and units: configs/reward/adversarial_classifier.yaml.
    """

    queries: int = 0
    queries_per_session: int = 1
    rounds_per_session: int = 4
    query_share: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.queries >= 0, f"reward.queries={self.queries} must be 0 (off) or positive.")
        for name in ("queries_per_session", "rounds_per_session"):
            require(getattr(self, name) > 0, f"reward.{name}={getattr(self, name)} must be at least 1.")
        require(
            0 < self.query_share < 1,
            f"reward.query_share={self.query_share} must lie between 0 and 1; reward.queries=0 asks nothing.",
        )

    @property
    def requirements(self) -> Requirements:
        plan = QueryPlan(
            question="success",
            queries_per_round=self.queries_per_session,
            clips=1,
            budget=self.queries,
            acquisition="highest_reward",
        )
        return replace(super().requirements, queries=plan if self.queries > 0 else None)

    @cached_property
    def _released(self) -> Sessions:
        """Return the schedule: the same number of queries in every session until the budget is used up."""
        return Sessions(
            schedule="constant",
            budget=self.queries,
            count=-(-self.queries // self.queries_per_session),
            every=self.rounds_per_session,
            first_share=0.0,
        )

    def may_ask(self, round: Int[Array, ""]) -> Bool[Array, ""]:
        return self._released.is_session(round)

    def propose(self, state: Any, experience: Experience, round: Array, key: Key) -> tuple[Any, Query]:
        """Ask about the states of this rollout with the highest updated rewards, at most one per episode."""
        rollout = experience.rollout
        assert rollout is not None, "build refuses an algorithm that collects nothing"
        states, askable = judged_states(rollout, self.judges)
        index, found = highest_rewards(
            self.reward(state, rollout), askable, rollout.done, self.queries_per_session, key
        )
        chosen = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[index], states)
        n = jnp.minimum(self._released.due(round, state.asked.count), jnp.sum(found))
        asked, ids = state.asked.ask(chosen.obs, chosen.action, n)
        segments = jax.tree.map(lambda x: x[:, None, None], chosen)  # [Q, K, L, ...]: one clip of one state each
        return state.replace(asked=asked), Query(id=ids, segments=segments)

    def absorb(self, state: Any, labels: Labels) -> Any:
        return state.replace(asked=state.asked.absorb(labels))

    def with_answered(
        self, state: Any, positives: Float[Array, "E n d"], negatives: Float[Array, "E m d"], key: Key
    ) -> tuple[Float[Array, "E n d"], Float[Array, "E m d"]]:
        """Return both halves of a batch, with ``query_share`` of each replaced by answered states, if there are any.

        States answered "yes" replace the first rows, and those answered "no" the last rows: the gradient penalty, which
        pairs rows by their index, then pairs them with the other rows of the batch.
        """
        if self.queries == 0:
            return positives, negatives

        def drawn(batch: Array, answer: int, at: slice, key: Key) -> Array:
            old = batch[:, at]
            obs, action, found = state.asked.draw(answer, old.shape[:2], key)
            return batch.at[:, at].set(jnp.where(found, self._inputs(obs, action), old))

        yes_key, no_key = jax.random.split(key)
        yeses, noes = (max(1, round(self.query_share * half.shape[1])) for half in (positives, negatives))
        return (
            drawn(positives, YES, slice(0, yeses), yes_key),
            drawn(negatives, NO, slice(negatives.shape[1] - noes, None), no_key),
        )

    def asked_metrics(self, state: Any) -> Metrics:
        """Return the numbers of queries and of answers; nothing if nobody is asked."""
        if self.queries == 0:
            return {}
        yes, no = (jnp.sum(state.asked.answer == kind).astype(jnp.float32) for kind in (YES, NO))
        return {
            "reward/queries": state.asked.count.astype(jnp.float32),
            "reward/labels": yes + no,
            "reward/answered_yes": yes,
            "reward/answered_no": no,
        }


def judged_states(rollout: Transition, judges: Judges) -> tuple[Transition, Bool[Array, "T B"]]:
    """Return the states of ``rollout`` [T, B, ...] that ``judges`` selects, and True for those a query can show.

    Each is a step whose ``obs`` and ``next_obs`` are both the state, with the ``env_reward`` and ``info`` of reaching
    it, so that a labeler or an oracle sees exactly the state that is judged. If ``judges`` selects ``obs``, the first
    states of an episode and of the rollout cannot be asked about, since no step of the rollout led to them.
    """
    if judges == "next_obs":
        return rollout.replace(obs=rollout.next_obs), rollout.valid
    reward, info, led_here = jax.tree.map(
        lambda x: jnp.roll(x, 1, axis=0), (rollout.env_reward, rollout.info, rollout.valid & ~rollout.done)
    )
    states = rollout.replace(next_obs=rollout.obs, env_reward=reward, info=info)
    return states, rollout.valid & led_here.at[0].set(False)


def highest_rewards(
    reward: Float[Array, "T B"], askable: Bool[Array, "T B"], done: Bool[Array, "T B"], n: int, key: Key
) -> tuple[Int[Array, " n"], Bool[Array, " n"]]:
    """Return the indices of the ``n`` highest rewards in the flattened T x B, at most one per episode.

    The second array is False where no state was left. Neighbours in an episode are nearly the same state, so that one
    answer about them is enough. Ties, for example of probabilities that have reached 1, are broken at random.
    """
    episode = jnp.cumsum(done, axis=0) - done
    episode = (episode * done.shape[1] + jnp.arange(done.shape[1])).reshape(-1)
    lottery = jax.random.uniform(key, episode.shape)
    start = jnp.where(askable, reward, -jnp.inf).reshape(-1)

    def pick(left: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        best = jnp.max(left)
        index = jnp.argmax(jnp.where(left == best, lottery, -1.0))
        return jnp.where(episode == episode[index], -jnp.inf, left), (index, best > -jnp.inf)

    _, (index, found) = jax.lax.scan(pick, start, None, length=n)
    return index, found

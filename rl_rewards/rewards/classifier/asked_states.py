"""Yes/no questions in the loop: a labeler is asked whether the task is done in the visited states that earn most.

every ``rounds_per_session`` rounds:  s* = argmax r(s) over the states of the rollout, at most one of an episode
yes: D+ <- D+ + s*;  no: D- <- D- + s*
(VICE-RAQ, Singh et al. 2019, arXiv:1904.07854.) The answered states fill a fixed share a of each half of a batch:

p+ = (1 - a) p_goals + a p_yes,  p- = (1 - a) p_negatives + a p_no,  and still D = p+ / (p+ + p-)

The paper draws uniformly from D+ with the answers in it, and its published program leaves the noes of VICE-RAQ out; a
dozen noes would drown in the visited states, and a dozen yeses in the goals of an example set. A state with the answer
yes may lie among the visited negatives too, as every state of a success does, and is not taken out of them: at worst
the policy visits nothing else and p_negatives is all there, and then D = a with noes elsewhere, a / (1 + a) without.
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
    """The state asked about by query i stays at index i, so that an answer finds it however late it comes."""

    obs: Array  # [N, ...]
    action: Array  # [N, ...]
    answer: Int[Array, " N"]  # YES, NO, or 0: not asked, not answered yet, or refused
    count: Int[Array, ""]  # asked so far

    @classmethod
    def init(cls, spec: EnvSpec, queries: int) -> "AskedStates":
        """Room for the states of ``queries`` questions, none of them asked."""
        return cls(
            obs=jnp.zeros((queries, *spec.obs.shape), spec.obs.dtype),
            action=jnp.zeros((queries, *spec.action.shape), spec.action.dtype),
            answer=jnp.zeros((queries,), jnp.int32),
            count=jnp.zeros((), jnp.int32),
        )

    def ask(self, obs: Array, action: Array, n: Int[Array, ""]) -> tuple["AskedStates", Int[Array, " Q"]]:
        """With the first ``n`` of the states ``obs`` [Q, ...] and ``action``, and the ids of their queries."""
        place, room = jnp.arange(len(obs)), self.answer.shape[0]
        ids = jnp.where((place < n) & (self.count + place < room), self.count + place, NOBODY)
        slot = jnp.where(ids == NOBODY, room, ids)  # out of range: dropped
        asked = self.replace(
            obs=self.obs.at[slot].set(obs, mode="drop"),
            action=self.action.at[slot].set(action, mode="drop"),
            count=self.count + jnp.sum(ids != NOBODY),
        )
        return asked, ids

    def absorb(self, labels: Labels) -> "AskedStates":
        """With answers put to their queries; a refusal leaves a state without one."""
        slot = jnp.where(labels.id == NOBODY, self.answer.shape[0], labels.id)
        score = labels.scores[:, 0]
        answer = jnp.where(jnp.isnan(score), 0, jnp.where(score >= 0.5, YES, NO))
        return self.replace(answer=self.answer.at[slot].set(answer, mode="drop"))

    def draw(self, answer: int, shape: tuple[int, ...], key: Key) -> tuple[Array, Array, Bool[Array, ""]]:
        """(obs, action) of uniformly drawn states that got ``answer``, ``shape`` of them, and whether there is any."""
        found = self.answer == answer
        count = jnp.sum(found)
        first = jnp.argsort(~found, stable=True)  # those that got it come first
        rows = first[jax.random.randint(key, shape, 0, jnp.maximum(count, 1))]
        return self.obs[rows], self.action[rows], count > 0


@dataclass(frozen=True, kw_only=True)
class AsksAboutStates(GoalClassifier, AsksForLabels):
    """A goal classifier that may ask a labeler; its state has a field ``asked`` where ``queries`` is above 0.

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
        """The same number in every session, until the budget is used up."""
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
        """Ask about the states of this round's rollout that earn most under the updated reward, one of an episode."""
        rollout = experience.rollout
        assert rollout is not None, "build refuses an algorithm that collects nothing"
        states, askable = judged_states(rollout, self.judges)
        index, found = earning_most(self.reward(state, rollout), askable, rollout.done, self.queries_per_session, key)
        chosen = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[index], states)
        n = jnp.minimum(self._released.due(round, state.asked.count), jnp.sum(found))
        asked, ids = state.asked.ask(chosen.obs, chosen.action, n)
        segments = jax.tree.map(lambda x: x[:, None, None], chosen)  # [Q, K, L, ...]: a clip of one state each
        return state.replace(asked=asked), Query(id=ids, segments=segments)

    def absorb(self, state: Any, labels: Labels) -> Any:
        return state.replace(asked=state.asked.absorb(labels))

    def with_answered(
        self, state: Any, positives: Float[Array, "E n d"], negatives: Float[Array, "E m d"], key: Key
    ) -> tuple[Float[Array, "E n d"], Float[Array, "E m d"]]:
        """Both halves of a batch, ``query_share`` of each drawn anew from the states answered yes and no, if any was.

        Yeses take the first rows and noes the last: a gradient penalty, which pairs row by row, then pairs them with
        what else is in the batch.
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
        """How many were asked, and how they were answered; nothing where nobody is asked."""
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
    """The states of ``rollout`` [T, B, ...] that ``judges`` looks at, and of which of them a question can be answered.

    Each as a step whose ``obs`` and ``next_obs`` both are the state, with the ``env_reward`` and ``info`` of reaching
    it: what a labeler sees and what an oracle knows is of the state that is judged. A state in which an episode, or the
    rollout, begins has no such record, and cannot be asked about where ``obs`` is judged.
    """
    if judges == "next_obs":
        return rollout.replace(obs=rollout.next_obs), rollout.valid
    reward, info, led_here = jax.tree.map(
        lambda x: jnp.roll(x, 1, axis=0), (rollout.env_reward, rollout.info, rollout.valid & ~rollout.done)
    )
    states = rollout.replace(next_obs=rollout.obs, env_reward=reward, info=info)
    return states, rollout.valid & led_here.at[0].set(False)


def earning_most(
    reward: Float[Array, "T B"], askable: Bool[Array, "T B"], done: Bool[Array, "T B"], n: int, key: Key
) -> tuple[Int[Array, " n"], Bool[Array, " n"]]:
    """The ``n`` highest rewards, as indices into the flattened T x B; at most one of an episode.

    The second array is False where there was none left. Neighbours in an episode are nearly the same state, and one
    answer about them is enough. Ties, as between probabilities that have reached 1, are broken at random.
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

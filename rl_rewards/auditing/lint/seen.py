"""What a reward paid in the steps that were played: its terms, and the episodes as a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True)
class SeenSwitch:
    """What one ``clip`` or ``where`` did over all steps."""

    text: str
    is_condition: bool
    at: Mapping[int, float]  # side -1, 0 or 1 -> its share of the values; see rl_rewards.rewards.base.Switch


@dataclass(frozen=True)
class Finding:
    """A warning about a reward."""

    check: str
    message: str  # one or two sentences
    term: str | None = None  # None is about the whole reward
    numbers: Mapping[str, float] | None = None


@dataclass(frozen=True)
class SeenSteps:
    """Steps [T, B] of several policies, one for each environment, under one reward."""

    names: tuple[str, ...]  # of the policies
    policy: Int[np.ndarray, " B"]
    terms: Mapping[str, Float[np.ndarray, "T B"]]  # as they are: perhaps not a number
    switches: Mapping[str, tuple[SeenSwitch, ...]]
    reward: Float[np.ndarray, "T B"]  # as it is paid
    true_reward: Float[np.ndarray, "T B"] | None
    terminated: Bool[np.ndarray, "T B"]
    done: Bool[np.ndarray, "T B"]
    success: Bool[np.ndarray, "T B"] | None  # None if the environment does not record it
    ends_early: bool
    max_episode_steps: int
    discount: float
    for_success: frozenset[str] = frozenset()  # terms that are not 0 in success, whether or not it was reached
    of_goals: float | None = None  # the mean reward of a step in example states of the goal; None if not known

    @property
    def steps(self) -> int:
        return self.reward.size

    @cached_property
    def finite(self) -> Float[np.ndarray, "T B"]:
        """The reward, with 0 where it is not a number or infinite."""
        return np.where(np.isfinite(self.reward), self.reward, 0.0)

    def worth(self, per_step: float, steps: int | None = None) -> float:
        """Return the discounted sum of ``per_step`` over ``steps``, by default a whole episode."""
        count = self.max_episode_steps if steps is None else steps
        return per_step * (count if self.discount == 1.0 else (1 - self.discount**count) / (1 - self.discount))

    @cached_property
    def episodes(self) -> "tuple[Episode, ...]":
        """The whole episodes, and those that fill all steps of their environment."""
        found = []
        for b in range(self.done.shape[1]):
            ends = np.flatnonzero(self.done[:, b])
            firsts = [0, *(ends + 1)]
            for first, last in zip(firsts, [*ends, len(self.done) - 1], strict=True):
                whole = last in ends or first == 0
                if whole and first <= last:
                    found.append(self._episode(b, first, last))
        return tuple(found)

    def _episode(self, b: int, first: int, last: int) -> "Episode":
        steps = slice(first, last + 1)
        success = None if self.success is None else self.success[steps, b]
        return Episode(
            policy=self.names[self.policy[b]],
            rewards=self.finite[steps, b],
            true_rewards=None if self.true_reward is None else self.true_reward[steps, b],
            terminated=bool(self.terminated[last, b]),
            success=success,
        )


@dataclass(frozen=True)
class Episode:
    """One episode of L steps."""

    policy: str
    rewards: Float[np.ndarray, " L"]
    true_rewards: Float[np.ndarray, " L"] | None
    terminated: bool
    success: Bool[np.ndarray, " L"] | None  # in the state that each step reached; None if not recorded

    @property
    def succeeded(self) -> bool:
        """True if the episode ended in success."""
        return self.success is not None and bool(self.success[-1])

    @property
    def died(self) -> bool:
        """True if the episode terminated without success, or without anyone knowing whether it was one."""
        return self.terminated and not self.succeeded

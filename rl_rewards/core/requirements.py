"""Requirements: the parts of a run declare here what they need, each in one :class:`Requirements`.

Whatever combines or wraps parts makes its own out of theirs by :func:`merge` and :meth:`Requirements.frozen`, so that
an entry that is added here is handed on everywhere.

A new capability touches four files: the entry here, with its default and how those of several parts become one; a value
that differs from the default in ``tests/core/test_requirements.py``; the part that declares it; and the one that reads
it, mostly ``loop/compatibility.py``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

from rl_rewards.core.queries import QueryPlan


def _entry(default: Any, merge: Callable[[list[Any]], Any]) -> Any:
    """A field with a default, and how those of several parts become one."""
    return field(default=default, metadata={"merge": merge})


def _union(found: list[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in found for name in names))


def _widest(found: list[str]) -> str:
    return "trajectory" if "trajectory" in found else "transition"


def _first(found: list[Any]) -> Any:
    return next((value for value in found if value is not None), None)


def _least(found: list[int | None]) -> int | None:
    return min((value for value in found if value is not None), default=None)


DATA = ("rollout", "replay", "dataset")
"""The data that an algorithm can learn from, ordered from the newest steps to recorded ones."""


@dataclass(frozen=True, kw_only=True)
class Requirements:
    """Declares what a part needs of a run, and what a run must know about it.

    A part names the entries that differ from the defaults. The first group is declared by parts of several kinds, the
    others by reward sources, by algorithms, by labelers and by environments, in this order.
    """

    history: int = _entry(0, max)
    """Env steps of experience that the replay ring keeps for it; with 0 the newest rollout is enough."""
    demos: str | None = _entry(None, _first)
    """The demonstrations that it learns from, a file or ``minari:ID``; None: it needs none."""
    memory: tuple[str, int] | None = _entry(None, _first)
    """The key that most of its memory hangs on and its value, where that can be large: whoever runs out lowers it."""
    reads: tuple[str, ...] = _entry(("obs", "action", "next_obs"), _union)
    """The parts of a transition that a reward or a labeler reads: obs, action, next_obs, env_reward, is_demo, info.KEY.
    """

    scope: Literal["transition", "trajectory"] = _entry("transition", _widest)
    """``trajectory``: what a step earns depends on other steps of its rollout, so that none can be replayed alone."""
    needs_examples: bool = _entry(False, any)
    """It learns from examples of goals and of other states; without, nobody is asked for them and ``data`` is empty."""
    needs_example_actions: bool = _entry(False, any)
    """These examples must have actions."""
    needs_rollouts: bool = _entry(False, any)
    """It learns from what the policy does, so that no offline algorithm can be used with it."""
    queries: QueryPlan | None = _entry(None, _first)
    """The questions that it asks a labeler in the run. With None it asks nothing, and no labeler is made."""
    needs_demos_in_batches: bool = _entry(False, any)
    """It pays demonstrated steps, which the algorithm must therefore have in its batches."""
    pays_to_linger: bool = _entry(False, any)
    """Every step earns something, so that ending an episode early is a loss."""
    pays_after_the_end: bool = _entry(False, any)
    """A termination leads to an absorbing state that is paid at every step, for ever."""
    stands_still: bool = _entry(False, all)
    """The reward never changes; only then do learned returns of different rounds compare."""
    warnings: tuple[str, ...] = _entry((), _union)
    """Sentences about settings that can work but have been seen to fail."""

    learns_from: Literal["rollout", "replay", "dataset"] = _entry("rollout", lambda found: max(found, key=DATA.index))
    """The newest rollout, what a replay ring keeps, or demonstrations alone: then it steps no environment."""
    demo_fraction: float = _entry(0.0, max)
    """The share of demonstrations in the batches that the algorithm has judged."""
    discount: float | None = _entry(None, _first)
    """The discount factor of future rewards, per env step; None: the algorithm discounts none."""

    reads_if_there: tuple[str, ...] = _entry((), _union)
    """Keys of info that it reads where the environment has them."""
    waits_for_answers: bool = _entry(True, any)
    """Training waits until everything asked is answered; else answers are learned from as they come."""
    asks_people: bool = _entry(False, any)
    """People answer, whose labels are too dear to be asked for several times: the run has one seed."""

    most_copies: int | None = _entry(None, _least)
    """The most copies of the environment that can be stepped together on this device; None: there is no limit."""
    notes: tuple[str, ...] = _entry((), _union)
    """Sentences about what was found by trying the environment, for a person to know."""

    @property
    def info_keys(self) -> tuple[str, ...]:
        """The keys of ``transitions.info`` that it reads, whatever the environment."""
        return tuple(name.removeprefix("info.") for name in self.reads if name.startswith("info."))

    def frozen(self) -> "Requirements":
        """Those of the same reward once it learns no more: it needs nothing to learn from, and the rest holds."""
        nothing_to_learn: dict[str, Any] = {"history": 0, "demos": None, "needs_rollouts": False, "queries": None}
        return replace(self, **nothing_to_learn, stands_still=True, warnings=())


Declared = TypeVar("Declared", bound=Requirements)


def merge(parts: Iterable[Declared]) -> Declared:
    """The requirements of several parts, at least one, that are used together as one."""
    found = list(parts)
    kind = type(found[0])
    return kind(**{one.name: one.metadata["merge"]([vars(each)[one.name] for each in found]) for one in fields(kind)})

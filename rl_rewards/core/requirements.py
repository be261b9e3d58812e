"""The :class:`Requirements` with which every part of a run declares what it needs.

A class that combines or wraps parts derives its own requirements from theirs with :func:`merge` and
:meth:`Requirements.frozen`, so that a new entry is passed on everywhere.

A new capability touches four files: the entry here, with its default and the function that merges it; a value other
than the default in ``tests/core/test_requirements.py``; the part that declares it; and the code that reads it, usually
``loop/compatibility.py``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeVar

from rl_rewards.core.queries import QueryPlan


def _entry(default: Any, merge: Callable[[list[Any]], Any]) -> Any:
    """Return a dataclass field with a default and the function that merges the values of several parts."""
    return field(default=default, metadata={"merge": merge})


def _union(found: list[tuple[Any, ...]]) -> tuple[Any, ...]:
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
    """The needs of a part, and the properties that the other parts of a run must know.

    A part sets only the entries that differ from the defaults. The first group is for several kinds of parts; the
    following groups are for reward sources, algorithms, labelers and environments, in this order.
    """

    history: int = _entry(0, max)
    """Environment steps of experience that the replay ring keeps for it; with 0 the newest rollout is enough."""
    demos: str | None = _entry(None, _first)
    """The demonstrations that it learns from, a file or ``minari:ID``; None if it needs none."""
    data: tuple[str, ...] = _entry((), _union)
    """The recorded steps that it learns from instead of stepping an environment: files, ``minari:ID``, ``run:RUN_DIR``
    or ``env:KIND``, the environment's own texts."""
    size_key: tuple[str, int] | None = _entry(None, _first)
    """If it can take much of the machine's memory: the config key to lower when that runs out, and the key's value."""
    reads: tuple[str, ...] = _entry(("obs", "action", "next_obs"), _union)
    """The fields of a transition that a reward or a labeler reads: obs, action, next_obs, env_reward, is_demo,
    info.KEY."""

    scope: Literal["transition", "trajectory"] = _entry("transition", _widest)
    """With ``trajectory``, the reward of a step depends on other steps of its rollout, so single steps cannot be
    replayed."""
    needs_examples: bool = _entry(False, any)
    """It learns from examples of goals and of other states; if False, none are required and ``data`` is empty."""
    needs_example_actions: bool = _entry(False, any)
    """These examples must have actions."""
    needs_rollouts: bool = _entry(False, any)
    """It learns from the policy's newest rollout, so it cannot be combined with an offline algorithm."""
    needs_experience: bool = _entry(False, any)
    """It learns from sampled steps: those of the policy or, offline, those of a data set (``data``)."""
    queries: QueryPlan | None = _entry(None, _first)
    """The queries that it asks a labeler during the run; with None it asks nothing, and no labeler is made."""
    needs_demos_in_batches: bool = _entry(False, any)
    """It rewards demonstrated steps, so the algorithm must have demonstrations in its batches."""
    pays_to_linger: bool = _entry(False, any)
    """Every step has a positive reward, so ending an episode early costs reward."""
    pays_after_the_end: bool = _entry(False, any)
    """A termination leads to an absorbing state that has a reward at every step, forever."""
    begins_with_policy: bool = _entry(False, any)
    """Its networks begin with the layers of the pretrained policy (``pretrain``)."""
    takes_comparisons: bool = _entry(False, any)
    """It begins with the comparisons that the environment's file has."""
    heldout_prompts: tuple[int, ...] = _entry((), _union)
    """It never learns from texts about one prompt in this many (``core.text_measures.held_out_prompts``)."""
    keeps_comparisons: bool = _entry(False, any)
    """It keeps the answers that it was given, with what they are about, even when it is frozen."""
    stationary: bool = _entry(False, all)
    """The reward never changes; only then can learned returns of different rounds be compared."""
    warnings: tuple[str, ...] = _entry((), _union)
    """Sentences about settings that can work but have been seen to fail."""

    learns_from: Literal["rollout", "replay", "dataset"] = _entry("rollout", lambda found: max(found, key=DATA.index))
    """The newest rollout, a replay ring, or recorded steps only; in the last case it steps no environment."""
    demo_fraction: float = _entry(0.0, max)
    """The fraction of demonstrations, in [0, 1], in the batches for which the algorithm computes rewards."""
    discount: float | None = _entry(None, _first)
    """The discount factor of future rewards, per environment step; None if the algorithm does not use one."""

    needs_texts: bool = _entry(False, any)
    """It is a language model, for environments whose observations and actions are texts."""
    follows_reward: bool = _entry(False, any)
    """It is a language model that changes so as to get more reward, and thereby finds the errors of a learned one."""
    needs_comparisons: bool = _entry(False, any)
    """It learns from the comparisons that the reward keeps, or else from those of the environment's file."""
    same_start: int = _entry(1, max)
    """The number of successive environments of a rollout that begin in the same state, such as with the same prompt."""

    revisions: bool = _entry(False, any)
    """For an algorithm: it marks some of its responses as revisions, in ``behaviour[REVISED_BY]``. For a labeler: it
    needs to know which responses are revisions."""

    asks_model: tuple[str, int | None] | None = _entry(None, _first)
    """The run whose language model it asks, and the seed of that model; None takes that of each seed."""
    optional_reads: tuple[str, ...] = _entry((), _union)
    """Keys of info that it reads if the environment has them."""
    soft_answers: bool = _entry(False, any)
    """For a labeler: its answers to pairs say how much better a segment is, as a probability. For a reward: it learns
    from that."""
    restarts: bool = _entry(False, any)
    """For a reward: it asks what other actions would have done, so that the environment must be able to begin in any
    observation (``begin_at``)."""
    describes: bool = _entry(False, any)
    """For a labeler: it can say which feature of a segment should be higher or lower (the question "description")."""
    waits_for_answers: bool = _entry(True, any)
    """Training waits until every query is answered; if False, answers are used as they arrive."""
    asks_people: bool = _entry(False, any)
    """People answer. Their labels are too expensive to ask for repeatedly, so the run has one seed."""
    at_terminal: bool = _entry(False, any)
    """It asks a person at the terminal, where nothing else may then be redrawn."""

    most_copies: int | None = _entry(None, _least)
    """The largest number of environment copies that this device can step together; None if there is no limit."""
    notes: tuple[str, ...] = _entry((), _union)
    """Sentences for the user about what was found by trying the environment."""

    @property
    def info_keys(self) -> tuple[str, ...]:
        """The keys of ``transitions.info`` that it reads in every environment."""
        return tuple(name.removeprefix("info.") for name in self.reads if name.startswith("info."))

    def frozen(self) -> "Requirements":
        """Return the requirements of the same reward when it no longer learns: it needs no data to learn from."""
        nothing_to_learn: dict[str, Any] = {
            "history": 0,
            "demos": None,
            "data": (),
            "queries": None,
            "heldout_prompts": (),
        }
        asks_nothing_of_the_run: dict[str, Any] = {
            "needs_rollouts": False,
            "needs_experience": False,
            "begins_with_policy": False,
            "takes_comparisons": False,
        }
        return replace(self, **nothing_to_learn, **asks_nothing_of_the_run, stationary=True, warnings=())


Declared = TypeVar("Declared", bound=Requirements)


def merge(parts: Iterable[Declared]) -> Declared:
    """Return the merged requirements of several parts (at least one) that are used together as one."""
    found = list(parts)
    kind = type(found[0])
    return kind(**{one.name: one.metadata["merge"]([vars(each)[one.name] for each in found]) for one in fields(kind)})

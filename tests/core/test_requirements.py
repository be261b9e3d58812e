"""Tests that every class that wraps or combines parts passes on every requirement, also one that is added later."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import pytest

import rl_rewards
from rl_rewards.core.queries import QueryPlan
from rl_rewards.core.requirements import Requirements, merge
from rl_rewards.rewards.frozen import Frozen
from rl_rewards.rewards.mixture import Mixture
from rl_rewards.rewards.null import Constant
from tests.probes import make_spec

DIFFERENT = {
    "history": 7,
    "demos": "some.npz",
    "data": ("some.npz",),
    "size_key": ("keep_visited", 9),
    "reads": ("env_reward",),
    "scope": "trajectory",
    "needs_examples": True,
    "needs_example_actions": True,
    "needs_rollouts": True,
    "needs_experience": True,
    "queries": QueryPlan(question="quality", queries_per_round=2, clips=2, budget=9, acquisition="uniform"),
    "needs_demos_in_batches": True,
    "pays_to_linger": True,
    "pays_after_the_end": True,
    "begins_with_policy": True,
    "takes_comparisons": True,
    "heldout_prompts": (7,),
    "keeps_comparisons": True,
    "stationary": True,
    "warnings": ("Take care.",),
    "learns_from": "replay",
    "demo_fraction": 0.5,
    "discount": 0.9,
    "needs_texts": True,
    "follows_reward": True,
    "needs_comparisons": True,
    "same_start": 4,
    "revisions": True,
    "asks_model": ("some_run", 3),
    "optional_reads": ("scene",),
    "waits_for_answers": False,
    "asks_people": True,
    "soft_answers": True,
    "restarts": True,
    "describes": True,
    "at_terminal": True,
    "most_copies": 9,
    "notes": ("Success was found.",),
}
OF_ALL_PARTS = {"stationary": False, "waits_for_answers": True}
"""Merged entries that one part with the default decides: the reward changes, or training waits, if one part does."""
OF_LEARNING = {
    "history": 0,
    "demos": None,
    "data": (),
    "needs_rollouts": False,
    "needs_experience": False,
    "begins_with_policy": False,
    "takes_comparisons": False,
    "heldout_prompts": (),
    "queries": None,
    "stationary": True,
    "warnings": (),
}
"""The entries that a frozen reward replaces, and their new values."""


def test_every_entry_is_tried_here():
    assert {entry.name for entry in fields(Requirements)} == set(DIFFERENT)
    assert all(getattr(Requirements(), name) != value for name, value in DIFFERENT.items())


@pytest.mark.parametrize("name", DIFFERENT)
def test_every_entry_of_a_part_is_one_of_the_whole(name):
    modest, one = Requirements(reads=()), Requirements(**{"reads": (), name: DIFFERENT[name]})
    expected = OF_ALL_PARTS.get(name, DIFFERENT[name])
    for parts in ((modest, one), (one, modest)):
        assert getattr(merge(parts), name) == expected
        assert merge(parts) == replace(modest, **{name: expected})
    assert merge([one]) == merge([one, one]) == one


def test_values_of_several_parts_become_one():
    parts = [
        Requirements(history=3, reads=("obs", "info.height"), warnings=("a",), most_copies=5),
        Requirements(history=7, reads=("next_obs", "obs"), demo_fraction=0.25, most_copies=3),
        Requirements(history=5, reads=("info.speed",), warnings=("b", "a"), demo_fraction=0.5),
    ]
    found = merge(parts)
    assert (found.history, found.demo_fraction, found.warnings, found.most_copies) == (7, 0.5, ("a", "b"), 3)
    assert found.reads == ("obs", "info.height", "next_obs", "info.speed")
    assert found.info_keys == ("height", "speed")


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_frozen_reward_keeps_all_but_what_it_learned_with(name):
    found = Requirements(**{name: DIFFERENT[name]}).frozen()
    assert getattr(found, name) == OF_LEARNING.get(name, DIFFERENT[name])


# A new capability of a reward, needs_gravity.

SPEC = make_spec(obs=2, action=1)


@dataclass(frozen=True, kw_only=True)
class WithGravity(Requirements):
    """Requirements with one more entry."""

    needs_gravity: bool = field(default=False, metadata={"merge": any})


@dataclass(frozen=True, kw_only=True)
class Falls(Constant):
    """A reward whose new entry has the value that a test sets."""

    declares: bool

    @property
    def requirements(self):
        return WithGravity(needs_gravity=self.declares)


def test_a_new_entry_reaches_the_check_through_everything_that_wraps_a_reward():
    falls, floats = (Falls(spec=SPEC, value=1.0, declares=one) for one in (True, False))
    mixed = Mixture(parts={"a": floats, "b": falls}, weights={"a": 1.0, "b": 1.0})
    still = Frozen(
        spec=SPEC, source=mixed, learned={}, learned_spec=SPEC, per_seed=False, run="run", seed=None,
        early_end="refuse",
    )  # fmt: skip
    again = Mixture(parts={"a": still}, weights={"a": 1.0})
    for source in (falls, mixed, still, again):
        assert source.requirements.needs_gravity
    assert not replace(mixed, parts={"a": floats, "b": floats}).requirements.needs_gravity


@pytest.mark.parametrize(
    ("entry", "files"),
    [
        ("pays_after_the_end", {"rewards/imitation/gail.py", "loop/compatibility.py"}),
        ("needs_demos_in_batches", {"rewards/imitation/sqil.py", "loop/compatibility.py"}),
        ("most_copies", {"envs/pencil_case/mjx.py", "loop/compatibility.py"}),
    ],
)
def test_a_capability_touches_its_declaration_one_part_one_reader_and_this_file(entry, files):
    """A new capability touches core/requirements.py, the part that declares it, its reader, and DIFFERENT here."""
    package = Path(rl_rewards.__file__).parent
    named = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if entry in path.read_text(encoding="utf-8")
    }
    assert named == {"core/requirements.py", *files}

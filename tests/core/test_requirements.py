"""What parts declare: every entry is handed on by a mixture and by a frozen reward, also one that is added later."""

from dataclasses import fields, replace

import pytest

from rl_rewards.core.requirements import Requirements, merge

DIFFERENT = {
    "history": 7,
    "demos": "some.npz",
    "memory": ("keep_visited", 9),
    "reads": ("env_reward",),
    "scope": "trajectory",
    "needs_examples": True,
    "needs_example_actions": True,
    "needs_rollouts": True,
    "needs_demos_in_batches": True,
    "pays_to_linger": True,
    "pays_after_the_end": True,
    "stands_still": True,
    "warnings": ("Take care.",),
    "demo_fraction": 0.5,
    "discount": 0.9,
}
OF_LEARNING = {"history": 0, "demos": None, "needs_rollouts": False, "stands_still": True, "warnings": ()}
"""What a reward that learns no more has of these."""


def test_every_entry_is_tried_here():
    assert {entry.name for entry in fields(Requirements)} == set(DIFFERENT)
    assert all(getattr(Requirements(), name) != value for name, value in DIFFERENT.items())


@pytest.mark.parametrize("name", DIFFERENT)
def test_every_entry_of_a_part_is_one_of_the_whole(name):
    modest, one = Requirements(reads=()), Requirements(**{"reads": (), name: DIFFERENT[name]})
    expected = False if name == "stands_still" else DIFFERENT[name]  # the whole moves with any of its parts
    for parts in ((modest, one), (one, modest)):
        assert getattr(merge(parts), name) == expected
        assert merge(parts) == replace(modest, **{name: expected})
    assert merge([one]) == merge([one, one]) == one


def test_values_of_several_parts_become_one():
    parts = [
        Requirements(history=3, reads=("obs", "info.height"), warnings=("a",)),
        Requirements(history=7, reads=("next_obs", "obs"), demo_fraction=0.25),
        Requirements(history=5, reads=("info.speed",), warnings=("b", "a"), demo_fraction=0.5),
    ]
    found = merge(parts)
    assert (found.history, found.demo_fraction, found.warnings) == (7, 0.5, ("a", "b"))
    assert found.reads == ("obs", "info.height", "next_obs", "info.speed")
    assert found.info_keys == ("height", "speed")


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_frozen_reward_keeps_all_but_what_it_learned_with(name):
    found = Requirements(**{name: DIFFERENT[name]}).frozen()
    assert getattr(found, name) == OF_LEARNING.get(name, DIFFERENT[name])

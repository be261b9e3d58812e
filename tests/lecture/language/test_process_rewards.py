"""The verdicts of the study of process rewards on invented arms, and its measures on invented responses."""

import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.lecture.language.chains import DrawnChains, auc, credit_auc
from rl_rewards.lecture.language.process_rewards import ProcessRewards, measured, verified
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes

STUDY = ProcessRewards(prompts=2, responses=64)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "SSSSSS"),
        ({"credit": {"process": 0.75}}, "RSSSSS"),
        ({"told_apart": {"outcome": 0.85}}, "SRSSSS"),
        ({"best_sound": {"process": 0.5}}, "SSRSSS"),
        ({"best_answer": {"process": 0.5}}, "SSSRSS"),
        ({"rl_sound": {"outcome": 0.9}}, "SSSSRS"),
        ({"credit": {"completions": 0.75}}, "SSSSSR"),
    ],
)
def test_models_are_judged_by_what_they_find_pick_and_teach(changes, expected):
    ends = {"process": 0.9, "outcome": 0.7, "completions": 0.88}
    wanted = ("credit", "told_apart", "best_sound", "best_answer", "rl_sound")
    arms = {what: {name: about(mean) for name, mean in (ends | changes.get(what, {})).items()} for what in wanted}
    if "process" in changes.get("credit", {}):  # worse than completions, which then are as good
        arms["credit"]["completions"] = about(0.75)
    assert outcomes(conclude(STUDY.claims(**arms))) == expected


def test_steps_after_the_first_wrong_one_do_not_count():
    right = np.array([[1.0, -1.0, 0.0, 0.0], [1.0, 1.0, -1.0, 1.0]])
    scores = np.array([[0.9, 0.0, 0.5, 1.0], [0.4, 0.8, 0.0, 0.7]])
    assert credit_auc(scores, right) == pytest.approx(3 / 4)  # .9, .8 and .7 are above .5, and .4 is below
    assert auc(np.array([1.0]), np.array([1.0])) == 0.5 and np.isnan(auc(np.zeros(0), np.ones(3)))


def test_a_model_that_knows_steps_tells_right_answers_by_wrong_steps_apart():
    """One problem is solved soundly half of the time and else by a wrong step; the other is of a kind without steps."""
    n, length = 64, 3
    sound = np.stack([np.arange(n) % 2 == 0, np.ones(n, bool)])
    right = np.full((2, n, length), -1.0)
    right[0, :, 0], right[:, :, 2] = sound[0], 1.0
    texts = np.zeros((2, n, 4), int)
    texts[0, :, 0], texts[1, :, 0] = sound[0], 1
    kind = np.array([[1] * n, [2] * n])
    drawn = DrawnChains(texts, right, np.ones((2, n), bool), sound, kind)

    def knows(state, some):
        del state
        return jnp.stack([some[:, 0], jnp.ones(len(some)), jnp.ones(len(some))], axis=1)

    found = measured(drawn, knows, lambda scores, _: scores.min(axis=1), None)
    assert found["credit"] == found["told_apart"] == 1.0 and found["by_kind"]["worked"] == 1.0
    assert found["best_sound"][64] == pytest.approx(1.0) and found["best_sound"][1] == pytest.approx(0.75)
    assert verified(drawn)["best_answer"][64] == pytest.approx(1.0)
    blind = measured(drawn, lambda _, some: jnp.ones((len(some), 3)), lambda scores, _: scores.min(axis=1), None)
    assert blind["credit"] == blind["told_apart"] == 0.5

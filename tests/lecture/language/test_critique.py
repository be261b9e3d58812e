"""The verdicts of the study of judging against generating on invented arms, and its measures."""

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.language.chains import DrawnChains
from rl_rewards.lecture.language.critique import KINDS, Critique, by_kind
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes


@pytest.mark.parametrize(
    ("judging", "expected"),
    [
        ({}, "SSSS"),
        ({"search": 0.6}, "SRSS"),
        ({"search": 0.3}, "RRSS"),
        ({"worked": 0.9}, "SSRS"),
        ({"mental": 0.9}, "SSSR"),
    ],
)
def test_judging_is_easier_where_checking_is_cheaper(judging, expected):
    skill = {"search": 0.9, "worked": 0.7, "mental": 0.65} | judging
    solved = {"search": 0.15, "worked": 0.5, "mental": 0.4}
    found = Critique(prompts=1, responses=1).claims(
        {kind: about(value) for kind, value in skill.items()}, {kind: about(value) for kind, value in solved.items()}
    )
    assert outcomes(conclude(found)) == expected


def test_a_judge_that_knows_has_an_auc_of_one_for_every_kind():
    kind = np.repeat([[1], [2], [3]], 4, axis=1)
    right = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], bool)
    texts = right[..., None].astype(int)
    drawn = DrawnChains(texts, -np.ones((3, 4, 1)), right, right, kind)
    found = by_kind(drawn, lambda _, some: some[:, 0], None)
    assert found["auc"] == dict.fromkeys(KINDS, 1.0)
    assert found["pass_at_1"] == {"worked": 0.5, "mental": 0.25, "search": 0.75}


def test_nothing_is_measured_on_no_problem():
    with pytest.raises(ConfigError, match=r"study\.prompts=0"):
        Critique(prompts=0, responses=8)

"""The verdicts of the study of oversight on invented arms, and what each way of judging looks at."""

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.language.chains import DrawnChains
from rl_rewards.lecture.language.oversight import Oversight, judged, prompt_accuracy
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "SSSS"),
        ({"alone": 0.7}, "RSSS"),
        ({"alone": 0.8}, "RRSS"),
        ({"random step": 0.8}, "SSRS"),
        ({"decomposition": 0.8}, "SSSR"),
    ],
)
def test_ways_of_judging_are_compared(changes, expected):
    ends = {"alone": 0.55, "decomposition": 0.7, "debate": 0.8, "random step": 0.6} | changes
    found = Oversight(prompts=1, responses=2).claims({way: about(mean) for way, mean in ends.items()})
    assert outcomes(conclude(found)) == expected


def test_a_debate_lets_the_weak_judge_see_the_step_that_the_strong_one_doubts():
    right = np.array([[[1.0, -1.0, 0.0, 1.0], [1.0, -1.0, 1.0, 1.0]]])
    drawn = DrawnChains(np.zeros((1, 2, 5), int), right, np.array([[False, True]]), right.min(-1) > 0, np.ones((1, 2)))
    weak = np.array([[[0.2, 1.0, 0.3, 0.9], [0.1, 1.0, 0.8, 0.6]]])
    strong = np.array([[[0.9, 1.0, 0.1, 0.8], [0.9, 1.0, 0.8, 0.9]]])
    found = judged(drawn, {"whole": weak, "steps": weak, "strong": strong}, np.random.default_rng(0))
    np.testing.assert_array_equal(found["debate"], [[0.3, 0.8]])  # it sees the error, and nothing else
    np.testing.assert_array_equal(found["decomposition"], [[0.2, 0.1]])
    np.testing.assert_array_equal(found["alone"], [[0.9, 0.6]])
    np.testing.assert_array_equal(found["the debater itself"], [[0.1, 0.8]])
    assert set(found["random step"].ravel()) <= {0.2, 0.3, 0.9, 0.1, 0.8, 0.6}
    wins = {way: prompt_accuracy(values, drawn.answer_right) for way, values in found.items()}
    assert (wins["debate"], wins["decomposition"], wins["alone"]) == (1.0, 0.0, 0.0)


def test_only_prompts_with_right_and_wrong_answers_count():
    values = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    right = np.array([[False, True], [True, True], [True, False]])
    assert prompt_accuracy(values, right) == pytest.approx((1.0 + 0.5) / 2)
    assert np.isnan(prompt_accuracy(values[1:2], right[1:2]))


def test_responses_are_compared():
    with pytest.raises(ConfigError, match=r"study\.responses=1"):
        Oversight(prompts=8, responses=1)

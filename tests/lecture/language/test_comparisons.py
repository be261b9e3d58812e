"""The verdicts of the study of the number of comparisons on invented arms."""

import pytest

from rl_rewards.lecture.language.comparisons import ARMS, MEASURES, NumberOfComparisons
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes


@pytest.mark.parametrize(
    ("network", "words", "expected"),
    [
        ((0.55, 0.7, 0.75, 0.8), 0.7, "SSS"),
        ((0.7, 0.7, 0.7, 0.7), 0.69, "RRR"),
        ((0.55, 0.6, 0.6, 0.65), 0.65, "SRR"),
    ],
)
def test_accuracy_is_judged_against_fewer_answers_the_ceiling_and_a_bag_of_words(network, words, expected):
    found = {name: {arm: about(0.5) for arm in ARMS} for name in MEASURES}
    found["network"] = dict(zip(ARMS, map(about, network), strict=True))
    found["bag of words"] = {arm: about(words) for arm in ARMS}
    found["noise ceiling"] = {arm: about(0.82) for arm in ARMS}
    assert outcomes(conclude(NumberOfComparisons().claims(found))) == expected

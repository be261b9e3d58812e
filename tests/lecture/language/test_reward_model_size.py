"""The verdicts of the study of reward models' size on invented arms."""

import pytest

from rl_rewards.lecture.language.reward_model_size import RewardModelSize
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes


@pytest.mark.parametrize(
    ("accuracy", "highest", "end", "expected"),
    [(0.75, 1.4, 0.0, "SSS"), (0.71, 1.4, 0.0, "RSS"), (0.75, 0.9, 0.0, "SRS"), (0.75, 1.4, -1.0, "SSR")],
)
def test_a_wide_model_is_compared_with_a_narrow_one(accuracy, highest, end, expected):
    found = [
        {"narrow": about(narrow), "wide": about(wide)}
        for narrow, wide in ((0.8, highest), (-1.0, end), (0.7, accuracy))
    ]
    assert outcomes(conclude(RewardModelSize().claims(*found))) == expected

"""The verdicts of the study of AI feedback on invented arms."""

import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.language.rlaif import ERRING, LEANING, PLAIN, RLAIF
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes

DOLLARS = {"people": 1.0, "judge": 0.001}


@pytest.mark.parametrize(
    ("gold", "expected"),
    [
        ({}, "SSR"),
        ({"policy_90": 0.2}, "RSR"),
        ({"policy_70": 0.9}, "SRR"),
        ({"policy_position": 0.2}, "SSS"),
    ],
)
def test_ai_feedback_is_judged_by_gold(gold, expected):
    ends = {"rlhf": 1.0, **dict.fromkeys(ERRING, 0.9), "policy_70": 0.2, LEANING: 0.9, **gold}
    found = RLAIF(dollars=DOLLARS).claims(
        {name: about(end) for name, end in ends.items()}, {"people": 1000.0, PLAIN: 1.0}, about(0.8)
    )
    assert outcomes(conclude(found)) == expected


def test_prices_are_numbers():
    with pytest.raises(ConfigError, match=r"study\.dollars\.judge=None must be a number"):
        RLAIF(dollars={"people": 1.0})

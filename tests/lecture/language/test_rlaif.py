"""The verdicts of the study of AI feedback on invented arms."""

import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.language.rlaif import ERRING, LEANING, PLAIN, RLAIF
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import SEEDS, about
from tests.studies.outcomes import outcomes

DOLLARS = {"people": 1.0, "judge": 0.001}


@pytest.mark.parametrize(
    ("gold", "flattery", "tokens", "named", "expected"),
    [
        ({}, 2.0, 25.0, True, "SSSSSS"),
        ({"policy_90": 0.2}, 2.0, 25.0, True, "RSSSSS"),
        ({"policy_70": 0.9}, 2.0, 25.0, True, "SRSSSS"),
        ({}, 0.9, 25.0, True, "SSRSSS"),
        ({}, 2.0, 18.0, True, "SSSRSS"),
        ({}, 2.0, 25.0, False, "SSSSRR"),
    ],
)
def test_ai_feedback_is_judged_by_gold_and_by_what_the_policy_writes(gold, flattery, tokens, named, expected):
    ends = {"rlhf": 1.0, **dict.fromkeys((*ERRING, *LEANING), 0.9), "policy_70": 0.2, **gold}
    manner = {
        "policy_flattered": {"policy_flattered": about(flattery), PLAIN: about(0.5)},
        "policy_verbose": {"policy_verbose": about(tokens), PLAIN: about(16.0)},
    }
    found = RLAIF(dollars=DOLLARS).claims(
        {name: about(end) for name, end in ends.items()},
        manner,
        dict.fromkeys(LEANING, [named] * SEEDS),
        {"people": 1000.0, PLAIN: 1.0},
    )
    assert outcomes(conclude(found)) == expected


def test_prices_are_numbers():
    with pytest.raises(ConfigError, match=r"study\.dollars\.judge=None must be a number"):
        RLAIF(dollars={"people": 1.0})

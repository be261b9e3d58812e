"""The verdicts of the study of Constitutional AI on invented arms."""

import pytest

from rl_rewards.lecture.language.constitutional import BEFORE, BY_CHOICE, BY_REVISION, POLICIES, SL, ConstitutionalAI
from rl_rewards.lecture.language.measures import GOLD
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes

HARMLESS = {BEFORE: -2.0, SL: 0.5, BY_REVISION: 1.0, BY_CHOICE: 1.5}
GOLDS = {BEFORE: -0.5, SL: 0.2, BY_REVISION: 0.5, BY_CHOICE: 1.0}


@pytest.mark.parametrize(
    ("harmless", "helpful", "gold", "new", "expected"),
    [
        ({}, 0.5, {}, 0.7, "SSSSS"),
        ({SL: -1.9}, 0.5, {}, 0.7, "RSSSS"),
        ({SL: 1.4}, 0.5, {}, 0.7, "SRSSS"),
        ({}, -0.1, {}, 0.7, "SSRSS"),
        ({}, 0.5, {BY_CHOICE: 0.5}, 0.7, "SSSRS"),
        ({}, 0.5, {}, 0.94, "SSSSR"),
    ],
)
def test_stages_are_judged_by_harm_help_and_gold(harmless, helpful, gold, new, expected):
    helps = dict.fromkeys(POLICIES, 0.6) | {BY_CHOICE: helpful}
    found = {
        name: {
            "harmless": about((HARMLESS | harmless)[name]),
            "helpful": about(helps[name]),
            GOLD: about((GOLDS | gold)[name]),
        }
        for name in POLICIES
    }
    claims = ConstitutionalAI().claims(found, {"seen": about(0.95), "new": about(new)})
    assert outcomes(conclude(claims)) == expected

"""The verdicts of the study of biased judges on invented arms."""

import pytest

from rl_rewards.lecture.language.judge_bias import DEBIASED, LEANING, PLAIN, JudgeBias
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import SEEDS, about
from tests.studies.outcomes import outcomes

SHORTER = ("policy_controlled", "policy_balanced_verbose")
# Policy -> the metric at the end under a judge that leans, without a bias, and with something done against it.
FOUND = {
    "policy_flattered": (2.0, 0.5, 0.6),
    "policy_verbose": (25.0, 16.0, 17.0),
    "policy_formal": (2.0, 1.0, None),
    "policy_credulous": (0.6, 0.2, None),
}


def manners(changes):
    """Return what the policies write, with the numbers of some of them changed."""
    found = {}
    for name, (leaning, plain, _) in FOUND.items():
        found[name] = {name: about(changes.get(name, leaning)), PLAIN: about(plain)}
    for name, (leaning, _) in DEBIASED.items():
        found[leaning][name] = about(changes.get(name, FOUND[leaning][2]))
    return found


@pytest.mark.parametrize(
    ("changes", "named", "expected"),
    [
        ({}, True, "SSSS SSSS SSS"),
        ({"policy_flattered": 0.9}, True, "RSSS SSSS SSR"),
        ({"policy_verbose": 18.0, **dict.fromkeys(SHORTER, 16.5)}, True, "SRSS SSSS RRS"),
        ({"policy_formal": 1.1, "policy_credulous": 0.2}, True, "SSRR SSSS SSS"),
        ({}, False, "SSSS RRRR SSS"),
        ({"policy_controlled": 24.0, "policy_balanced_flattered": 1.9}, True, "SSSS SSSS RSR"),
    ],
)
def test_biases_are_judged_by_what_the_policy_writes(changes, named, expected):
    found = JudgeBias().claims(manners(changes), dict.fromkeys(LEANING, [named] * SEEDS))
    assert outcomes(conclude(found)) == expected.replace(" ", "")

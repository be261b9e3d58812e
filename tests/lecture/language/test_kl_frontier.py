"""The verdicts of the study of KL penalties on invented arms."""

import pytest

from rl_rewards.lecture.language.kl_frontier import BETAS, KLFrontier
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes

GOLD = {"sft": 0.0, "no_penalty": -1.0, "rl_0_03": 0.9, "rlhf": 1.0, "rl_0_3": 0.8, "rl_1": 0.4}
GOLD |= {"normal_error": 1.0, "heavy_error": 0.1}
NEARER = dict(zip(BETAS, (20.0, 5.0, 2.0, 1.0, 0.2), strict=True))


@pytest.mark.parametrize(
    ("gold", "far", "expected"),
    [
        ({}, {}, "SSSSS"),
        ({"no_penalty": 0.9}, {}, "RSSSS"),
        ({"rl_1": 0.9}, {}, "SRSSS"),
        ({}, {"rl_0_3": 2.5}, "SSRSS"),
        ({"normal_error": 0.1, "heavy_error": -1.0}, {}, "SSSRS"),
        ({"heavy_error": 0.9}, {}, "SSSSR"),
    ],
)
def test_penalties_are_judged_by_gold_and_distance(gold, far, expected):
    found = {name: about(mean) for name, mean in {**GOLD, **gold}.items()}
    distance = {name: about(mean) for name, mean in {**NEARER, **far}.items()}
    assert outcomes(conclude(KLFrontier().claims(found, distance))) == expected

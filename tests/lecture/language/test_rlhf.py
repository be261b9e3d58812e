"""The verdicts of the study of RLHF on invented arms."""

import pytest

from rl_rewards.lecture.language.measures import GOLD, PROXY
from rl_rewards.lecture.language.rlhf import RLHF
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes


def curves(gold: list[float], proxy: list[float]) -> dict[str, list[list[float]]]:
    return {GOLD: [about(one) for one in gold], PROXY: [about(one) for one in proxy]}


RISES = [0.0, 1.0, 2.0, 2.0, 2.0, 2.0]
FALLS = [0.0, 1.0, 1.0, -1.0, -1.0, -1.0]
ACCURACY = {"sft": 0.7, "no_penalty": 0.5, "network": 0.7, "bag of words": 0.6}


@pytest.mark.parametrize(
    ("gold", "without", "accuracy", "expected"),
    [
        ({}, FALLS, {}, "SSSS"),
        ({"rlhf": -0.1}, FALLS, {}, "RSSS"),
        ({}, [0.0, 1.0, 1.0, 0.9, 0.9, 0.9], {}, "SRSS"),
        ({}, [0.0, 3.0, 1.0, 1.6, 1.6, 1.6], {}, "SRSS"),  # a single lucky evaluation is not the best
        ({}, FALLS, {"no_penalty": 0.68}, "SSRS"),
        ({}, FALLS, {"bag of words": 0.69}, "SSSR"),
    ],
)
def test_rlhf_is_judged_by_gold(gold, without, accuracy, expected):
    found = {name: about(mean) for name, mean in {"sft": 0.0, "rlhf": 1.0, **gold}.items()}
    shown = {"rlhf": curves(RISES, RISES), "no_penalty": curves(without, RISES)}
    claims = RLHF().claims(found, shown, {name: about(mean) for name, mean in {**ACCURACY, **accuracy}.items()})
    assert outcomes(conclude(claims)) == expected


def test_gold_that_falls_with_its_proxy_is_no_over_optimisation():
    found = {name: about(1.0) for name in ("sft", "rlhf")}
    falls = curves(FALLS, [0.0, -1.0, -1.0, -1.0, -1.0, -1.0])
    accuracy = {name: about(mean) for name, mean in ACCURACY.items()}
    claims = RLHF().claims(found, {"rlhf": falls, "no_penalty": falls}, accuracy)
    assert outcomes(conclude(claims))[1] == "R"

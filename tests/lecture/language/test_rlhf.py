"""The verdicts of the study of RLHF on invented arms."""

import numpy as np
import pytest

from rl_rewards.lecture.language.rlhf import GOLD, PROXY, RLHF, _best
from rl_rewards.studies.claims import conclude
from tests.studies.outcomes import outcomes

SEEDS = 40
"""As many as exact bounds need for "90% of seeds"."""


def about(mean: float) -> list[float]:
    """Return values with a small spread."""
    return (mean + 0.01 * np.linspace(-1.0, 1.0, SEEDS)).tolist()


def curves(gold: list[float], proxy: list[float]) -> dict[str, list[list[float]]]:
    return {GOLD: [about(one) for one in gold], PROXY: [about(one) for one in proxy]}


RISES = [0.0, 1.0, 2.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("gold", "without", "accuracy", "expected"),
    [
        ({}, [0.0, 1.0, 1.0, -1.0, -1.0, -1.0], 0.5, "SSSS"),
        ({"rlhf": -0.1}, [0.0, 1.0, 1.0, -1.0, -1.0, -1.0], 0.5, "RSSS"),
        ({}, [0.0, 1.0, 1.0, 0.9, 0.9, 0.9], 0.5, "SRSS"),
        ({}, [0.0, 3.0, 1.0, 1.6, 1.6, 1.6], 0.5, "SRSS"),  # a single lucky evaluation is not the best
        ({}, [0.0, 1.0, 1.0, -1.0, -1.0, -1.0], 0.68, "SSRS"),
        ({"dpo": 0.2}, [0.0, 1.0, 1.0, -1.0, -1.0, -1.0], 0.5, "SSSR"),
    ],
)
def test_rlhf_is_judged_by_gold(gold, without, accuracy, expected):
    found = {name: about(mean) for name, mean in {"sft": 0.0, "rlhf": 1.0, "dpo": 1.0, **gold}.items()}
    shown = {"rlhf": curves(RISES, RISES), "no_penalty": curves(without, RISES)}
    claims = RLHF().claims(found, shown, {"sft": about(0.7), "no_penalty": about(accuracy)})
    assert outcomes(conclude(claims)) == expected


def test_gold_that_falls_with_its_proxy_is_no_over_optimisation():
    found = {name: about(1.0) for name in ("sft", "rlhf", "dpo")}
    falls = curves([0.0, 1.0, 1.0, -1.0, -1.0, -1.0], [0.0, -1.0, -1.0, -1.0, -1.0, -1.0])
    claims = RLHF().claims(found, {"rlhf": falls, "no_penalty": falls}, {"sft": about(0.7), "no_penalty": about(0.5)})
    assert outcomes(conclude(claims))[1] == "R"


def test_the_best_is_a_mean_of_two_evaluations_in_a_row():
    np.testing.assert_allclose(_best(np.array([[0.0], [3.0], [1.0], [1.6]])), [2.0])

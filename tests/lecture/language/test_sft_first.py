"""The verdicts of the study of fine-tuning first on invented arms."""

import math

import pytest

from rl_rewards.lecture.language.sft_first import FineTuningFirst
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import SEEDS, about
from tests.studies.outcomes import outcomes


@pytest.mark.parametrize(
    ("rounds", "gold", "expected"),
    [
        ((9.0, 29.0), (1.0, 0.0), "SS"),
        ((9.0, math.inf), (1.0, 0.0), "SS"),  # the pre-trained model never gets there
        ((19.0, 29.0), (1.0, 0.9), "RR"),
    ],
)
def test_fine_tuning_first_is_judged_by_gradient_steps_and_gold(rounds, gold, expected):
    first, without = ([one] * SEEDS for one in rounds)
    claims = FineTuningFirst(target=0.5).claims(
        {"rl_fine_tuned": about(gold[0]), "rl_pretrained": about(gold[1])},
        {"rl_fine_tuned": first, "rl_pretrained": without},
    )
    assert outcomes(conclude(claims)) == expected

"""The verdicts of the study of DPO on invented arms, and its bandit."""

import jax
import pytest

from rl_rewards.lecture.language import dpo
from rl_rewards.lecture.language.dpo import DPO_ARMS, RL_ARMS, DirectPreferences, best_elsewhere, distance_from_optimum
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import about
from tests.studies.outcomes import outcomes


@pytest.mark.parametrize(
    ("gold", "level", "bandit", "expected"),
    [
        ({}, 1.0, 0.005, "SSS"),
        ({"dpo_0_3": 2.0}, 1.0, 0.005, "SSS"),  # more than RL is as far as RL
        ({"rlhf": 1.6}, 1.0, 0.005, "RSS"),
        ({}, 0.2, 0.005, "SRS"),
        ({}, 2.0, 0.005, "SRS"),  # at one distance, more is not the same
        ({}, 1.0, 0.05, "SSR"),
    ],
)
def test_dpo_is_judged_by_gold_and_distance(gold, level, bandit, expected):
    found = {name: about(0.5) for name in (*DPO_ARMS, *RL_ARMS)}
    found |= {name: about(one) for name, one in ({"dpo_0_3": 1.0, "rlhf": 1.0} | gold).items()}
    ways = {name: about(0.0) for name in found} | {"dpo_0_3": about(level), "rlhf": about(1.0)}
    assert outcomes(conclude(DirectPreferences().claims(found, ways, about(bandit)))) == expected


def test_beta_is_chosen_on_the_other_seeds():
    gold = {"a": [0.0, 1.0, 1.0], "b": [0.9, 0.2, 0.2]}
    assert best_elsewhere(gold, gold) == ["a", "b", "b"], "a lucky seed does not choose its own arm"


def test_the_bandit_is_solved_up_to_the_noise_of_its_answers(monkeypatch):
    """With a tenth of the comparisons the distance grows by about the square root of ten."""
    many = float(distance_from_optimum(jax.random.key(0)))
    monkeypatch.setattr(dpo, "COMPARISONS", 2000)
    few = float(distance_from_optimum(jax.random.key(0)))
    assert many < 0.02 < few < 0.2

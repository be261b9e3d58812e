"""Study sac_adversarial: its verdicts on invented arms with known answers."""

import pytest

from rl_rewards.lecture.classifiers.sac_adversarial import SacAdversarial
from rl_rewards.studies.base import Findings
from tests.studies.fake_arms import arm
from tests.studies.outcomes import outcomes

SEEDS = 10
STEADY = [[0.0] * SEEDS, *[[0.9 + 0.01 * i for i in range(SEEDS)]] * 8]
LOST = [[0.0] * SEEDS, *[[0.95] * SEEDS] * 3, *[[0.05 * i for i in range(SEEDS)]] * 5]
SWINGING = [[0.0] * SEEDS, *[[0.95] * SEEDS, [0.3 + 0.01 * i for i in range(SEEDS)]] * 3, *[[0.95] * SEEDS] * 3]


def verdicts(as_it_is, terminal, recent):
    arms = {"as_it_is": arm(as_it_is), "terminal_at_success": arm(terminal), "recent_negatives": arm(recent)}
    return SacAdversarial().judge(arms, range(SEEDS)).verdicts


def test_learning_and_losing_are_told_apart():
    found = verdicts(STEADY, LOST, SWINGING)
    assert outcomes(found) == "USRS", "recent negatives swing, but end at the same success"
    learns, _, _, falls = found
    assert "10 of 10" in learns.measured and learns.seeds_needed == 36
    assert learns.interval == pytest.approx((0.6915, 1.0), abs=1e-3)  # Clopper-Pearson of 10 of 10
    assert falls.per_seed["recent_negatives"] == pytest.approx([1 / 3] * SEEDS)
    assert falls.per_seed["as_it_is"] == [0.0] * SEEDS


def test_the_same_arm_three_times_is_no_worse():
    assert outcomes(verdicts(STEADY, STEADY, STEADY)) == "URRR"


def test_five_bad_seeds_of_ten_are_too_many():
    bad = [[0.0] * 5 + row[5:] for row in STEADY]
    learns, *_ = verdicts(bad, STEADY, STEADY)
    assert outcomes([learns]) == "R" and "5 of 10" in learns.measured


def test_a_seed_that_never_learned_counts_as_fallen():
    never = [[0.0] * SEEDS] * 9
    assert verdicts(STEADY, STEADY, never)[3].per_seed["recent_negatives"] == [1.0] * SEEDS


def test_the_figure_is_drawn(tmp_path):
    arms = {"as_it_is": arm(STEADY), "recent_negatives": arm(SWINGING)}
    SacAdversarial().draw(arms, Findings([]), tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")

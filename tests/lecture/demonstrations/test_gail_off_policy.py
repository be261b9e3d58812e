"""Study gail_off_policy: its verdicts on invented arms."""

import numpy as np
import pytest

from rl_rewards.lecture.demonstrations.gail_off_policy import GailOffPolicy
from rl_rewards.studies.measures import reached_at
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes

STUDY = GailOffPolicy(row="point", metric="eval/success", metric_name="success", solved=0.8, share=0.5, margin=0.05)
SEEDS = range(100, 110)


def reaches(evaluation: int, evaluations: int = 9):
    """Return a run with success 0.1, and 0.9 from that evaluation on, with 640 env steps per evaluation."""
    return arm([[0.9 if i >= evaluation else 0.1] * 10 for i in range(evaluations)])


def test_the_step_at_which_a_seed_first_gets_there():
    curve = [[0.1, 0.9, 0.1], [0.9, 0.1, 0.1], [0.9, 0.9, 0.7]]
    assert reached_at(arm(curve), "eval/success", 0.8) == [1280, 640, np.inf]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "UUSSS"),
        ({"off_policy": reaches(4)}, "UURSS"),  # SAC needs five evaluations, PPO six
        ({"on_policy": reaches(99)}, "URSSS"),
        ({"off_policy": reaches(99), "on_policy": reaches(99)}, "RRRRS"),
        ({"cloning": arm(steady(0.95)), "dummy": arm(steady(0.85))}, "UUSRR"),
    ],
)
def test_verdicts(changes, expected, tmp_path):
    arms = {"off_policy": reaches(2), "on_policy": reaches(5)}
    arms |= {"cloning": arm(steady(0.5)), "dummy": arm(steady(0.05))} | changes
    found = STUDY.judge(arms, SEEDS)
    assert outcomes(found.verdicts) == expected
    STUDY.draw(arms, found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")

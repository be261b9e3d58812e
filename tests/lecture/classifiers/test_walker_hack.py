"""Study walker_hack: the lecture's sums are exact, and behaviours are named by speed and uprightness."""

import pytest

from rl_rewards.lecture.classifiers.walker_hack import WalkerHack, kind_of, reward, window
from tests.studies.fake_arms import arm
from tests.studies.outcomes import outcomes


def walker(forward: float, upright: float, height: float):
    found = {"term_forward": forward, "term_upright": upright, "term_height": height}
    return arm([[0.0] * 5] * 4, metrics={name: [[value] * 5] * 4 for name, value in found.items()})


def test_the_sums_and_the_window_are_exact():
    assert [reward(name, 1.0) for name in ("falling", "standing", "walking")] == pytest.approx([10.0, 2.0, 4.4])
    assert window() == pytest.approx((65 / 9, 25.0))
    for weight, best in ((7.2, "falling"), (7.3, "walking"), (24.9, "walking"), (25.1, "standing")):
        assert max(("falling", "standing", "walking"), key=lambda name: reward(name, weight)) == best


@pytest.mark.parametrize(
    ("forward", "upright", "height", "kind"),
    [
        (1.0, 0.95, 1.2, "walks"),
        (0.0, 0.99, 1.2, "stands"),
        (0.0, 0.5, 1.0, "leans"),
        (1.0, 0.1, 0.4, "crawls"),
        (0.1, 0.98, 0.5, "sits upright"),  # with an upright torso the robot can still sit
        (0.0, -0.2, 0.2, "lies"),
        (1.5, 0.99, 0.5, "slides sitting upright"),
    ],
)
def test_a_behaviour_in_a_word(forward, upright, height, kind):
    assert kind_of(forward, upright, height) == kind


def test_what_the_robot_learns_decides(tmp_path):
    arms = {"lecture_weights": walker(2.0, 0.1, 0.4), "in_window": walker(1.0, 0.95, 1.2)}
    findings = WalkerHack().judge(arms, range(5))
    assert outcomes(findings.verdicts) == "SSUU", "five seeds do not show 80%"
    WalkerHack().draw(arms, findings, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")
    upright = {"lecture_weights": walker(1.0, 0.95, 1.2), "in_window": walker(0.0, 0.99, 0.5)}
    assert outcomes(WalkerHack().judge(upright, range(5)).verdicts) == "SSRR"

"""Study robot_recipe: its verdicts on invented arms."""

import numpy as np
import pytest

from rl_rewards.lecture.classifiers.robot_recipe import RobotRecipe
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.run_files import RunFiles
from tests.studies.fake_arms import Series, arm, steady
from tests.studies.outcomes import outcomes

SEEDS = range(100, 110)
SWINGING = [[0.0] * 10, *[[0.5] * 10, [0.9] * 10] * 4]
STEPS, EPISODES, KEPT = 5, 6, 2


def recorded(success: Series, depth: float = 0.1) -> RunFiles:
    """Return an arm whose cases end ``depth`` metres behind the notebook; steps after an episode's end are ignored."""
    valid = np.ones((10, STEPS, EPISODES), bool)
    valid[:, -1] = False
    scene = np.zeros((10, STEPS, KEPT, 9), np.float32)
    scene[:, -2, :, 1] = depth
    nothing = np.zeros(valid.shape, np.float32)
    last = StoredEvaluation(8, 5760, nothing, nothing, valid, None, {"scene": scene})
    return arm(success, evaluations=[last])


def test_the_recipe_and_its_parts(tmp_path):
    arms = {name: recorded(steady(0.3)) for name in ("cloning", "no_demonstrations", "no_adversary")}
    arms |= {"recipe": recorded(steady(0.8)), "no_regulariser": recorded(SWINGING)}
    arms |= {"recipe_1": recorded(steady(0.4)), "recipe_pictures": recorded(steady(0.4))}
    arms |= {"cloning_1": recorded(steady(0.1)), "cloning_pictures": recorded(steady(0.2))}
    found = RobotRecipe().judge(arms, SEEDS)
    assert outcomes(found.verdicts) == "SSRSSSS"
    poor = arms | {"recipe": recorded(steady(0.5))}
    assert outcomes(RobotRecipe().judge(poor, SEEDS).verdicts) == "RSRSRSS"
    RobotRecipe().draw(arms, found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


def test_other_demonstrators_have_their_verdicts_and_where_the_case_is_left():
    arms = {"recipe": recorded(steady(0.2), 0.18), "cloning": recorded(steady(0.9), 0.15)}
    arms |= {"recipe_of_second": recorded(steady(0.9), 0.1), "cloning_of_second": recorded(steady(0.5), 0.1)}
    found = RobotRecipe().judge(arms, SEEDS)
    assert outcomes(found.verdicts) == "RS"
    assert "left at 0.180 m against 0.150 m" in found.verdicts[0].measured
    assert "second demonstrator" in found.verdicts[1].claim
    assert found.details["recipe"]["depth"][0] == pytest.approx(0.18, abs=1e-6)

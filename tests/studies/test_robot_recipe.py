"""Study robot_recipe: made-up arms."""

from rl_rewards.studies.robot_recipe import RobotRecipe
from tests.studies.fake_arms import arm, steady

SEEDS = range(100, 110)
SWINGING = [[0.0] * 10, *[[0.5] * 10, [0.9] * 10] * 4]


def test_the_recipe_and_its_parts(tmp_path):
    arms = {name: arm(steady(0.3)) for name in ("cloning", "no_demonstrations", "no_adversary")}
    arms |= {"recipe": arm(steady(0.8)), "no_regulariser": arm(SWINGING)}
    arms |= {"recipe_1": arm(steady(0.4)), "recipe_pictures": arm(steady(0.4))}
    arms |= {"cloning_1": arm(steady(0.1)), "cloning_pictures": arm(steady(0.2))}
    found = RobotRecipe().judge(arms, SEEDS)
    assert [one.holds for one in found.verdicts] == [True, True, False, True, True, True, True]
    poor = arms | {"recipe": arm(steady(0.5))}
    assert [one.holds for one in RobotRecipe().judge(poor, SEEDS).verdicts] == [
        False,
        True,
        False,
        True,
        False,
        True,
        True,
    ]
    RobotRecipe().draw(arms, found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")

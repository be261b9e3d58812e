"""Study gail_benchmark: its verdicts on invented arms, with plain and with normalised returns."""

import pytest

from rl_rewards.lecture.demonstrations.gail_benchmark import GailBenchmark
from tests.studies.fake_arms import arm, steady

SEEDS = range(100, 110)
UNTRAINED, EXPERT = 20.0, 200.0


def learned(value: float):
    """Return a run with an untrained first evaluation and later ones of about ``value``."""
    returns = [[UNTRAINED] * 10, *steady(value)[1:]]
    shown = [[EXPERT] * 10] * len(returns)
    metrics = {"true_return": returns, "true_return_deterministic": returns, "demo_return": shown}
    return arm(steady(0.0), metrics=metrics)


def arms(**changes):
    found = {"zero": 20.0, "constant": 21.0, "random": 30.0, "dummy": 25.0}
    found |= {"gail_1": 199.0, "gail_10": 200.0, "bc_1": 60.0, "bc_10": 150.0} | changes
    return {name: learned(value) for name, value in found.items()}


@pytest.mark.parametrize(("target", "normalised"), [(195.0, False), (0.95, True)])
def test_solved_better_than_cloning_and_nothing_from_nothing(tmp_path, target, normalised):
    study = GailBenchmark(row="cartpole", target=target, normalised=normalised)
    found = study.judge(arms(), SEEDS)
    assert [one.holds for one in found.verdicts] == [True] * 7
    leaking = study.judge(arms(constant=200.0), SEEDS)
    assert [one.holds for one in leaking.verdicts] == [True] * 5 + [False, True]
    unsolved = study.judge(arms(gail_1=55.0), SEEDS)
    assert [one.holds for one in unsolved.verdicts][:3] == [False, False, True]
    study.draw(arms(), found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


def test_scores_are_between_an_untrained_policy_and_the_demonstrator():
    found = GailBenchmark(row="cartpole", target=195.0).judge(arms(gail_1=110.0), SEEDS)
    assert found.details["arms"]["gail_1"]["normalised"][0] == pytest.approx(0.5, abs=0.03)
    assert found.details["arms"]["zero"]["normalised"][0] == pytest.approx(0.0, abs=0.03)

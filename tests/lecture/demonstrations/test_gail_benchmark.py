"""Study gail_benchmark: its verdicts on invented arms, with plain and with normalised returns."""

import pytest
from omegaconf import OmegaConf

from rl_rewards.lecture.demonstrations import gail_benchmark
from rl_rewards.lecture.demonstrations.constant_action import constant_action_return
from rl_rewards.lecture.demonstrations.gail_benchmark import GailBenchmark
from tests.runs import composed
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes

SEEDS = range(100, 110)
UNTRAINED, EXPERT = 20.0, 200.0


def learned(value: float):
    """Return a run with an untrained first evaluation and later ones of about ``value``."""
    returns = [[UNTRAINED] * 10, *steady(value)[1:]]
    shown = [[EXPERT] * 10] * len(returns)
    metrics = {"true_return": returns, "true_return_deterministic": returns, "demo_return": shown}
    return arm(steady(0.0), metrics=metrics, config={"evaluation": {"episodes": 50}})


@pytest.fixture
def constant(monkeypatch):
    """Make constant actions earn the one number of a list."""
    earned = [10.0]
    monkeypatch.setattr(gail_benchmark, "constant_action_return", lambda config, episodes, seed: earned[0])
    return earned


def arms(**changes):
    found = {"zero": 20.0, "constant": 21.0, "random": 30.0, "dummy": 25.0}
    found |= {"gail_1": 199.0, "gail_10": 200.0, "bc_1": 60.0, "bc_10": 150.0} | changes
    return {name: learned(value) for name, value in found.items()}


@pytest.mark.parametrize(("target", "normalised"), [(195.0, False), (0.95, True)])
@pytest.mark.usefixtures("constant")
def test_solved_better_than_cloning_and_nothing_from_nothing(tmp_path, target, normalised):
    study = GailBenchmark(row="cartpole", target=target, normalised=normalised)
    found = study.judge(arms(), SEEDS)
    assert outcomes(found.verdicts) == "SSSSSSS"
    leaking = study.judge(arms(constant=200.0), SEEDS)
    assert outcomes(leaking.verdicts) == "SSSSSRS"
    unsolved = study.judge(arms(gail_1=55.0), SEEDS)
    assert outcomes(unsolved.verdicts)[:3] == "RRS"
    study.draw(arms(), found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


def test_a_score_is_0_for_the_better_of_an_untrained_mode_and_a_constant_action(constant):
    study = GailBenchmark(row="cartpole", target=195.0)
    found = study.judge(arms(gail_1=110.0), SEEDS)
    assert found.details["arms"]["gail_1"]["normalised"][0] == pytest.approx(0.5, abs=0.03)
    assert found.details["arms"]["zero"]["normalised"][0] == pytest.approx(0.0, abs=0.03)
    constant[0] = 110.0
    found = study.judge(arms(gail_1=155.0), SEEDS)
    assert (found.details["zero"], found.details["untrained_mode"]) == (110.0, UNTRAINED)
    assert found.details["arms"]["gail_1"]["normalised"][0] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(
    ("env", "low", "high"),
    [
        (["env=gymnax", "env.id=CartPole-v1", "env.max_episode_steps=30"], 8.0, 11.0),  # the better side falls as soon
        (["env=point", "env.max_episode_steps=20"], 0.0, 0.5),  # it starts elsewhere, and stays there
    ],
)
def test_a_constant_action_is_played(env, low, high):
    config = OmegaConf.to_container(composed(*env), resolve=True)
    first, again = (constant_action_return(config, 20, 100) for _ in range(2))
    assert low <= first <= high and first == again

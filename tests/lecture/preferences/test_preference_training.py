"""Studies preference_loop and backflip: their verdicts on invented arms."""

import pytest

from rl_rewards.lecture.preferences.backflip import Backflip
from rl_rewards.lecture.preferences.preference_loop import PreferenceLoop
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes

SEEDS = range(100, 110)
UNTRAINED = -1200.0


def learned(value: float, labels: int):
    """Return a run with an untrained first evaluation and later ones of about ``value``."""
    run = arm(steady(0.0), metrics={"true_return": [[UNTRAINED] * 10, *steady(value)[1:]]})
    run.rows[-1]["reward/labels"] = [labels] * 10
    return run


def loop_arms(**changes):
    found = {"true_reward": -200.0, "labels_350": -300.0, "labels_700": -250.0, "labels_1400": -210.0}
    found |= {"labels_700_offline": -600.0} | changes
    return {name: learned(value, 700) for name, value in found.items()}


def test_labels_make_up_for_the_reward_or_do_not(tmp_path):
    study = PreferenceLoop(row="pendulum", target=0.8)
    found = study.judge(loop_arms(), SEEDS)
    assert outcomes(found.verdicts) == "SSS"
    assert found.details["arms"]["labels_700"]["score"][0] == pytest.approx(0.95, abs=0.01)
    assert found.details["labels"]["labels_350"] == [700] * 10
    poor = study.judge(loop_arms(labels_700=-500.0, labels_700_offline=-400.0, labels_350=-200.0), SEEDS)
    assert outcomes(poor.verdicts) == "RRR"
    study.draw(loop_arms(), found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


def flips(success: float, turned: float):
    returns = steady(turned)
    return arm(steady(success), metrics={"true_return": returns, "learned_return": returns})


def test_flips(tmp_path):
    study = Backflip(target=0.7, queries=900)
    arms = {"true_reward": flips(0.99, 20.0), "queries_100": flips(0.5, 5.0), "queries_900": flips(0.9, 18.0)}
    worse, alike = arms | {"queries_900_mistaken": flips(0.8, 12.0)}, arms | {"queries_900_mistaken": flips(0.9, 18.0)}
    found = study.judge(worse, SEEDS)
    assert outcomes(found.verdicts) == "SS"
    assert outcomes(study.judge(alike, SEEDS).verdicts) == "SR"
    assert outcomes(study.judge(worse | {"queries_900": flips(0.6, 18.0)}, SEEDS).verdicts)[0] == "R"
    study.draw(worse, found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")

"""Study written_rewards: its random expressions, its choice of the fittest, and its verdicts on invented arms."""

import re

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.preferences import written_rewards
from rl_rewards.lecture.preferences.written_rewards import WrittenRewards, random_reward
from rl_rewards.loop.build import build_study
from tests.runs import composed
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes

ROWS = ("point", "pendulum", "walker2d")
FEATURES = {
    "point": ["next_obs[0]", "next_obs[1]", "action[0]", "action[1]", "norm(next_obs)"],
    "pendulum": ["next_obs[0]", "next_obs[1]", "next_obs[2]", "action[0]"],
    "walker2d": ["next_obs[0]", "next_obs[1]", "next_obs[8]", "info.x_velocity", "norm(action)"],
}


@pytest.mark.parametrize("row", ROWS)
def test_random_arms_are_those_of_the_generator(row):
    config = composed(f"experiment=lecture/preferences/written_rewards/{row}")
    assert build_study(config)[0].row == row
    arms = {name: [str(one) for one in changes] for name, changes in config.arms.items() if name.startswith("random")}
    for name, changes in arms.items():
        found = dict(
            match.groups() for one in changes if (match := re.fullmatch(r"\+reward\.terms\.(\w+)='(.*)'", one))
        )
        assert found == random_reward(int(name.removeprefix("random_")), FEATURES[row])


def study(**changes):
    return WrittenRewards(**{"row": "point", "measure": "success", "selection": 2} | changes)


def learned(value, seeds=12):
    return {"learned_return": steady(value, seeds=seeds)}


def arms(first=0.6, second=0.95, random=0.1, lucky=None):
    found = {"hand": arm(steady(0.95, seeds=12), metrics=learned(5.0))}
    for name, success in {
        "candidate_1_1": first,
        "candidate_1_2": 0.05,
        "candidate_2_1": second,
        "random_1": random,
    }.items():
        series = steady(success, seeds=12)
        if lucky == name:  # on the seeds of the selection alone
            series = [[0.99, 0.99, *row[2:]] for row in series]
        found[name] = arm(series, metrics=learned(5.0))
    return found


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    """No lint, which would play in an environment; an alarm for what reaches less than 0.08."""

    class Seen:
        warnings = ()

    monkeypatch.setattr(written_rewards, "lint", lambda config: [Seen])

    class Trained:
        def __init__(self, text, run, index, measure):
            self.alarm = "an alarm" if run.rows[-1]["eval/success"][index] < 0.08 else None

    monkeypatch.setattr(written_rewards, "trained", Trained)


def test_each_claim_is_supported_or_refuted(tmp_path):
    found = study().judge(arms(), range(108, 120))
    assert outcomes(found.verdicts) == "SSSSS"
    assert found.details["fittest"] == "candidate_2_1" and "candidate_1_2" in found.details["alarms"]
    assert found.details["hacked"]["candidate_1_2"] == [True] * 12 and not any(found.details["hacked"]["candidate_2_1"])
    study().draw({}, found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")
    assert outcomes(study().judge(arms(0.3, 0.3, 0.4), range(108, 120)).verdicts)[:4] == "RRRR"


def test_the_fittest_is_chosen_on_other_seeds_than_it_is_judged_on():
    found = study().judge(arms(second=0.2, lucky="candidate_2_1"), range(108, 120))
    assert found.details["fittest"] == "candidate_2_1"
    best = found.verdicts[0].per_seed["candidate_2_1"]
    assert len(best) == 10 and float(np.mean(best)) < 0.3 and found.verdicts[0].outcome == "refuted"


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ConfigError, match=r"study.selection=2 of 2 seeds leaves none to judge"):
        study().judge(arms(), range(2))
    with pytest.raises(ConfigError, match=r"study.measure=fame must be one of success, true_return"):
        study(measure="fame")

"""Study driving_design: bounds by hand, verdicts on invented drives, real drives of a small run, and its arms."""

from functools import partial
from itertools import pairwise

import jax
import numpy as np
import pytest
from omegaconf import OmegaConf
from scipy.stats import poisson

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.keys import new_key
from rl_rewards.lecture.preferences.driving_design.drives import COUNTED, TOGETHER, Drives, drive, measured
from rl_rewards.lecture.preferences.driving_design.figure import drawn
from rl_rewards.lecture.preferences.driving_design.outcome import bound, claims, miles_needed, table
from rl_rewards.lecture.preferences.driving_design.study import DrivingDesign
from rl_rewards.loop.build import build, build_study
from rl_rewards.rewards.mixture import Mixture
from rl_rewards.rewards.written.written import WrittenReward
from rl_rewards.studies.arms import resolved_arms
from tests.finished import finished_run
from tests.runs import composed
from tests.studies.outcomes import outcomes

ARMS = ("rules", "progress", "distance", "lanes", "answers", "limits", "limits_alone")
CLOSED = {"standing": 0.0, "tailgating": 0.01, "straddling": 0.1, "jerky": 0.2}


def study() -> DrivingDesign:
    return build_study(composed("experiment=lecture/preferences/driving_design"))[0]


def seeds(collisions=10, **changes):
    """Return ten seeds that differ a little."""
    shares = CLOSED | changes
    return [
        Drives(
            **{name: share * (0.99 + 0.002 * i) for name, share in shares.items()}, off_road=0.0, speed=20.0, jerk=1.5,
            largest_jerk=5.0 + 0.01 * i, collisions=collisions + (i % 2 if collisions else 0), miles=1000.0,
        )
        for i in range(10)
    ]  # fmt: skip


def ladder(**changes):
    found = {
        "rules": seeds(standing=0.6, straddling=0.7),
        "progress": seeds(tailgating=0.2, straddling=0.6),
        "distance": seeds(straddling=0.6),
        "lanes": seeds(100),
        "answers": seeds(50, jerky=0.05),
        "limits": seeds(20, jerky=0.01),
        "limits_alone": seeds(20, jerky=0.01),
    }
    return found | changes


def judged(drives):
    one = study()
    return claims(drives, one.predicted, one.held, "700 labels")


def test_bounds_are_exact():
    assert bound(0, 3e6).high == pytest.approx(0.9986e-6, rel=1e-3), "the rule of three"
    assert miles_needed() == pytest.approx(2_995_732, abs=1)
    found = bound(4, 1000.0)
    assert found.rate == 0.004 and poisson.cdf(4, 1000.0 * found.high) == pytest.approx(0.05)
    assert poisson.sf(3, 1000.0 * found.low) == pytest.approx(0.05)


def test_verdicts():
    """Found, reduced and closed, for three exploits; then answers (2), limits (3), collisions, a million."""
    assert outcomes(judged(ladder())) == "SSS" * 3 + "SSS" + "R" + "RSR"
    not_found = ladder(rules=seeds(standing=0.0))
    assert outcomes(judged(not_found))[:3] == "RRS", "an exploit that does not appear is refuted"
    assert outcomes(judged(ladder(distance=seeds(tailgating=0.19))))[3:6] == "SRR", "a fix that does not help"
    back = ladder(answers=seeds(standing=0.3), limits=seeds(90, tailgating=0.1))
    assert outcomes(judged(back))[9:] == "RRR" + "R" + "RRR"
    assert outcomes(judged(ladder(limits_alone=seeds(20, jerky=0.1))))[13] == "S", "then the answers were needed"
    few = claims_of_million(ladder(limits=seeds(0)))
    assert outcomes([few]) == "R" and "0 collisions in 10,000 miles of 10 seeds" in few.measured
    assert "0.3 with 95% confidence" in few.measured and few.measured.endswith("2,995,732 miles without any collision.")


def claims_of_million(drives):
    return judged(drives)[-1]


def test_the_figure(tmp_path):
    one = study()
    exploits = {name: exploit._asdict() for name, exploit in one.predicted.items()}
    drawn({"table": table(ladder(limits=seeds(0))), "exploits": exploits}, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


def test_a_drive_is_counted():
    """A policy that nobody taught, for 2 s: the mean of its speed is the distance, and jerk has a value every step."""
    parts = build(composed("env=highway", "env.max_episode_steps=10", "reward=environment")).parts
    agent = parts.algorithm.init(new_key(0))
    counts, jerk = jax.jit(partial(drive, parts.env, parts.algorithm))(agent, new_key(1))
    found = dict(zip(COUNTED, np.asarray(counts), strict=True))
    assert jerk.shape == (10 * TOGETHER,) and found["jerky"] == np.sum(np.asarray(jerk) > 2.0) > 0
    assert found["first_crash"] <= TOGETHER and found["before_crash"] <= found["speed"] * 1.0001
    assert found["standing"] == 0.0 and 18.0 < found["speed"] / len(jerk) < 27.0


@pytest.mark.long
def test_policies_of_a_run_are_driven(tmp_path):
    """A car that nobody taught coasts or swerves for 10 s; each seed has its own traffic."""
    words = ["env=highway", "env.max_episode_steps=50", "reward=environment", "num_seeds=2", "total_env_steps=80"]
    words += ["algorithm.num_envs=4", "algorithm.rollout_length=20", "algorithm.minibatches=1"]
    finished_run(tmp_path, *words, evaluated=False)
    first, second = found = measured(tmp_path, [0, 1], 1)
    assert first != second, "a single episode is rounded up to TOGETHER"
    for one in found:
        most = one.speed * TOGETHER * 10.0 / 1609.344
        assert 0.5 * most < one.miles <= most * 1.0001, "miles count up to a collision"
        assert 0 < one.collisions < TOGETHER
        assert 0.0 <= one.straddling <= 1.0 and one.largest_jerk >= one.jerk > 0.0


def test_each_arm_adds_a_fix_to_the_one_before():
    experiment = "experiment=lecture/preferences/driving_design"
    arms = resolved_arms(OmegaConf.to_container(composed(experiment).arms))
    assert tuple(arms) == ARMS
    terms = {}
    for name, changes in arms.items():
        reward = build(composed(experiment, *changes)).parts.source
        parts = reward.parts.values() if isinstance(reward, Mixture) else [reward]
        (hand,) = (one for one in parts if isinstance(one, WrittenReward))
        terms[name] = [*hand.terms]
    assert [len(terms[name]) for name in ARMS] == [3, 4, 5, 6, 6, 6, 6]
    assert all(terms[after][: len(terms[before])] == terms[before] for before, after in pairwise(ARMS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("study.episodes=0", r"study\.episodes=0 must be at least 1"),
        ("study.dollars_a_label=[1]", r"study\.dollars_a_label=\[1\] must be two numbers"),
        ("study.exploits.standing.arm=rule", r"study\.exploits\.standing\.arm=rule is not an arm of this study"),
        ("+study.exploits.flying={arm: rules}", r"study\.exploits\.flying is not known; choose from standing, tail"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        build_study(composed("experiment=lecture/preferences/driving_design", change))

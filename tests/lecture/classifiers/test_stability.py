"""Studies stability and main_job: their verdicts on invented arms with known answers."""

import pytest

from rl_rewards.lecture.classifiers.main_job import MainJob
from rl_rewards.lecture.classifiers.stability import Stability, arm_numbers, lost_after_mastery
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes

SEEDS = range(100, 110)
KEEPS = arm(steady(0.95), metrics={"prob_successes": steady(0.7)})
LOSES = arm([*steady(0.95, 5), *[[0.2] * 10] * 4], metrics={"prob_successes": steady(0.3)})
NEVER = arm([[0.0] * 10] * 9, metrics={"prob_successes": [[float("nan")] * 10] * 9})


def of_arm(verdicts, name):
    return outcomes([verdict for verdict in verdicts if verdict.claim.startswith(f"{name}:")])


def test_places_that_keep_the_task_are_told_from_visits_that_lose_it(tmp_path):
    arms = {"visits": LOSES, "places": KEEPS, "focal": LOSES}
    findings = Stability().judge(arms, SEEDS)
    assert of_arm(findings.verdicts, "places") == "SUUS", "ten seeds do not show 90%"
    assert of_arm(findings.verdicts, "focal") == "R", "no steadier than visits"
    Stability().draw(arms, findings, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


def test_places_that_lose_the_task_hold_nothing():
    assert of_arm(Stability().judge({"visits": KEEPS, "places": LOSES}, SEEDS).verdicts, "places") == "RRRR"


def test_an_arm_that_never_learned_has_kept_nothing():
    arms = {"visits": LOSES, "places": NEVER}
    findings = Stability().judge(arms, SEEDS)
    assert of_arm(findings.verdicts, "places") == "RRRU"
    assert findings.details["places"]["evaluations lost after mastery"] == [-1] * 10
    assert findings.details["places"]["D on visited successes at the end"] == []


def test_evaluations_count_as_lost_after_the_first_at_nine_tenths_alone():
    run = arm([[0.85, 0.5], [0.5, 0.95], [0.9, 0.7], [0.79, 0.8], [0.8, 0.1]])
    assert lost_after_mastery(run) == [1, 2]
    numbers = arm_numbers(run)
    assert numbers["env steps to 0.8"] == [640, 1280]
    assert numbers["seeds at or above 0.9 at the end"] == [0, 2]


def test_six_seeds_below_nine_tenths_at_the_end_refute_that_most_end_well():
    rows = steady(0.95)
    nearly = arm([*rows[:-1], [0.89] * 6 + list(rows[-1][6:])])
    verdicts = Stability().judge({"visits": LOSES, "places": nearly}, SEEDS).verdicts
    assert outcomes([v for v in verdicts if "in the last evaluation" in v.claim]) == "R"
    assert outcomes([v for v in verdicts if "no evaluation after" in v.claim]) == "U", "success is not below 0.8"


def test_the_main_job_beside_its_baselines(tmp_path):
    arms = {"adversarial_classifier": KEEPS, "visits": LOSES, "goal_classifier": NEVER, "environment": KEEPS}
    findings = MainJob().judge(arms | {"longer": LOSES}, SEEDS)
    assert outcomes(findings.verdicts) == "USSRR"
    assert findings.details["visits"]["mean success at the end"][0] == pytest.approx(0.2)
    MainJob().draw(arms, findings, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")

"""The verdicts of the offline studies on invented arms."""

import numpy as np
import pytest

from rl_rewards.lecture.offline.iterated import Iterated
from rl_rewards.lecture.offline.methods import METHODS, NULLS, OfflineMethods
from rl_rewards.lecture.offline.overestimation import Overestimation
from rl_rewards.lecture.offline.relabelled import Relabelled
from rl_rewards.studies.claims import conclude
from tests.studies.outcomes import outcomes


def about(mean: float, n: int = 10) -> list[float]:
    """``n`` values with a small spread."""
    return (mean + 0.01 * np.linspace(-1.0, 1.0, n)).tolist()


ESTIMATES = {"naive_sac": 20.0, "cql": 0.5, "iql": 0.75}


@pytest.mark.parametrize(
    ("estimates", "success", "expected"),
    [
        ({}, 0.1, "SSSSS"),
        ({"naive_sac": 1.6}, 0.1, "RSSSS"),
        ({}, 0.9, "SRSSS"),
        ({"cql": 0.9}, 0.1, "SSRSR"),
        ({"iql": 30.0}, 0.1, "SSSRS"),
    ],
)
def test_overestimation_is_judged_by_what_is_impossible(estimates, success, expected):
    found = {name: about(mean) for name, mean in {**ESTIMATES, **estimates}.items()}
    reached = {name: about(0.6) for name in found}
    claims = Overestimation(highest=1.0).of_estimates(found, reached, {"naive_sac": about(success)})
    assert outcomes(conclude(claims)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [((0.60, 0.70, 0.80), "SSS"), ((0.80, 0.85, 0.90), "RSS"), ((0.60, 0.55, 0.80), "SRS"), ((0.6, 0.7, 0.65), "SSR")],
)
def test_the_value_rises_with_the_expectile(values, expected):
    found = {name: about(mean) for name, mean in zip(("tau_5", "tau_7", "tau_9"), values, strict=True)}
    claims = Overestimation(highest=1.0).of_expectiles(found, about(0.6))
    assert outcomes(conclude(claims)) == expected


METHOD_STUDY = OfflineMethods(
    row="maze", metric="eval/success", random=0.0, expert=1.0, datasets=("mixed", "expert"), mixed="mixed",
    narrow="expert",
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "SSSSSSS"),
        ({"expert-naive_sac": 95.0}, "RSSSSSS"),
        ({"mixed-iql": 40.0}, "SSSRSRS"),
        ({"mixed-random": 60.0}, "SSSSSSR"),
    ],
)
def test_methods_are_compared_with_cloning_and_with_null_rewards(changes, expected):
    means = {f"{data}-{name}": 90.0 for data in ("mixed", "expert") for name in METHODS}
    means |= {"mixed-bc": 50.0, "expert-naive_sac": 10.0, "mixed-zero": 30.0, "mixed-random": 10.0} | changes
    found = {name: about(mean) for name, mean in means.items()}
    assert outcomes(conclude(METHOD_STUDY.claims(found))) == expected
    assert set(NULLS) == {"zero", "random"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "RSSRSS"),
        ({"labelled_1": 0.5}, "RRSRSS"),
        ({"zero": 0.6}, "RSSRRS"),
    ],
)
def test_a_relabelled_reward_is_held_against_the_true_one(changes, expected):
    means = {"true": 0.9, "zero": 0.1, "random": 0.2, "labelled_0_1": 0.4, "labelled_1": 0.88, "labelled_10": 0.9}
    means |= {"labelled_1_noisy": 0.6} | changes
    found = {name: about(mean) for name, mean in means.items()}
    assert outcomes(conclude(Relabelled(metric="eval/success").claims(found))) == expected


@pytest.mark.parametrize(
    ("changes", "expected"), [({}, "SSSS"), ({"iteration_2": 14.0}, "RRRS"), ({"awr": 30.0}, "SSRS")]
)
def test_iterations_are_held_against_the_first_and_against_the_controls(changes, expected):
    means = {"iteration_0": 10.0, "iteration_1": 15.0, "iteration_2": 20.0, "filtered": 16.0, "awr": 18.0, "ppo": 3.0}
    found = {name: about(mean) for name, mean in {**means, **changes}.items()}
    assert outcomes(conclude(Iterated().claims(found))) == expected

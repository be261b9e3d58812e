"""The verdicts of the study of over-optimisation on invented arms, its fits, and the round in which gold falls."""

import numpy as np
import pytest

from rl_rewards.lecture.language.overoptimisation import (
    BEST_OF_N_FORM,
    COMPARISONS,
    ENSEMBLES,
    RL_FORM,
    SIGNALS,
    OverOptimisation,
    falls_at,
    fires_at,
    fitted,
    rightly,
)
from rl_rewards.studies.claims import conclude
from tests.lecture.language.invented import SEEDS, about
from tests.studies.outcomes import outcomes

ARMS = {*COMPARISONS, *ENSEMBLES}


@pytest.mark.parametrize(
    ("highest", "end", "warned", "share", "expected"),
    [
        ({}, {}, 1.0, 0.9, "SSSSSSS"),
        ({}, {"no_penalty": 0.9}, 1.0, 0.9, "SRSSRRS"),  # nothing falls with 1,000, so that no ensemble saves anything
        ({"no_penalty_3000": 0.6}, {}, 1.0, 0.9, "SSSRSSS"),
        ({}, {"no_penalty_min": -0.9}, 1.0, 0.9, "SSSSRSS"),
        ({}, {"no_penalty_less_variance": -0.9}, 1.0, 0.9, "SSSSSRS"),
        ({}, {}, 0.0, 0.5, "SSSSSSR"),
    ],
)
def test_over_optimisation_is_judged_by_gold(highest, end, warned, share, expected):
    best = {name: about({"no_penalty_100": 0.5, **highest}.get(name, 1.0)) for name in ARMS}
    gold = {
        name: about({"no_penalty_min": 0.0, "no_penalty_less_variance": 0.0, **end}.get(name, -1.0)) for name in ARMS
    }
    fits = {RL_FORM: about(share), BEST_OF_N_FORM: about(0.5)}
    claims = OverOptimisation().claims(
        gold, best, dict.fromkeys(SIGNALS, [warned] * SEEDS), dict.fromkeys(SIGNALS, ""), fits
    )
    assert outcomes(conclude(claims)) == expected + ("S" if warned else "R") * len(SIGNALS)


def test_gold_has_fallen_where_it_is_far_below_the_best_before():
    gold = np.array([[0.0, 0.0], [1.0, 0.2], [0.6, 0.4], [0.4, 0.6]])
    np.testing.assert_array_equal(falls_at(gold, [2, 4, 6, 8]), [8.0, np.inf])


def test_a_signal_fires_after_three_rounds_in_a_row():
    beyond = np.array([[1, 1, 0, 1, 1, 1], [0, 0, 0, 0, 1, 1], [1, 1, 1, 0, 0, 0]], bool).T
    np.testing.assert_array_equal(fires_at(beyond), [6.0, np.inf, 3.0])


def test_a_warning_is_right_before_a_fall_and_nowhere_else():
    fires, falls = np.array([3.0, 9.0, np.inf, 5.0, np.inf]), np.array([8.0, 8.0, 8.0, np.inf, np.inf])
    np.testing.assert_array_equal(rightly(fires, falls), [True, False, False, False, True])


def test_each_form_explains_its_own_curve():
    d = np.linspace(0.1, 6.0, 30)[:, None]
    by_rl, by_best_of_n = d * (2.0 - 1.0 * np.log(d)), d * (1.5 - 0.4 * d)
    shares = fitted(np.hstack([d, d]), np.hstack([by_rl, by_best_of_n]))
    assert shares[RL_FORM][0] == pytest.approx(1.0) and shares[RL_FORM][1] < 0.999
    assert shares[BEST_OF_N_FORM][1] == pytest.approx(1.0) and shares[BEST_OF_N_FORM][0] < 0.999

"""Points of two objectives by weight, their areas, and the verdicts on invented fronts."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rl_rewards.lecture.language.pareto import HelpfulHarmless
from rl_rewards.lecture.preferences.fast_gentle import FastGentle
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.studies.base import Findings
from rl_rewards.studies.fronts import (
    SPECIALISTS,
    TOLD,
    Front,
    areas,
    correlations,
    in_lists,
    points_by_weight,
    read_front,
)
from tests.studies.outcomes import outcomes

SEEDS = 12
LINE = np.linspace(0.0, 1.0, len(SPECIALISTS))


def run(weights, first, second) -> Any:
    """Return a run of two seeds whose last evaluation has these episodes; the second seed has twice as much."""
    arrays = {"info_weights": np.stack([weights, 1.0 - np.array(weights)], axis=-1), "a": first, "b": second}
    both = {name: np.stack([x, x if name == "info_weights" else 2.0 * np.array(x)]) for name, x in arrays.items()}
    zero = np.zeros((2, 1, len(weights)))
    evaluation = StoredEvaluation(0, 0, zero, zero, zero == 0, None, both)
    return SimpleNamespace(evaluations=[evaluation], num_seeds=2)


def test_points_are_means_over_the_episodes_with_the_same_weights():
    found = points_by_weight(run([0.5, 1.0, 0.5], [1.0, 5.0, 3.0], [0.0, 1.0, 4.0]), ("a", "b"))
    assert list(found) == [0.5, 1.0]
    np.testing.assert_allclose(found[0.5], [[2.0, 2.0], [4.0, 4.0]])
    np.testing.assert_allclose(found[1.0], [[5.0, 1.0], [10.0, 2.0]])


def test_a_front_has_the_specialists_and_the_policy_that_is_told():
    arms = {name: run([weight], [weight], [1.0 - weight]) for name, weight in SPECIALISTS.items()}
    arms[TOLD] = run(LINE, LINE, 1.0 - LINE)
    front = read_front(arms, ("a", "b"))
    np.testing.assert_allclose(front.specialists, front.told)
    assert areas(front.told, (0.0, 0.0)) == pytest.approx([0.375, 4 * 0.375])  # a staircase below the diagonal


def front(gap: float = 1.0, told: float = 1.0, seed: int = 0) -> Front:
    """Return a line between (0, gap) and (gap, 0), the second policy's points ``told`` times as far from (-1, -1)."""
    noise = 0.001 * np.random.default_rng(seed).normal(size=(len(LINE), SEEDS, 2))
    line = gap * np.stack([LINE, 1.0 - LINE], axis=-1)[:, None]
    return Front(line + noise, told * (line + 1.0) - 1.0 + noise)


SQUARED = Front(*(3.0 * one**3 for one in front()))
"""What heads claim that stretch the ends: in the same order, but far from a line."""


@pytest.mark.parametrize(
    ("true", "claimed", "expected"),
    [
        (front(), front(seed=1), "SSSS"),
        (front(), SQUARED, "SSSS"),
        (front(told=0.9), front(), "SSRS"),
        (front(gap=0.05), front(), "RRS"),
        (front(), Front(*(-one for one in front())), "SSSR"),
        (front(), Front(*(0.0 * one for one in front())), "SSSR"),
    ],
    ids=["all", "stretched", "smaller area", "no conflict", "heads reversed", "heads constant"],
)
def test_verdicts_of_fast_and_gentle(true, claimed, expected):
    found = FastGentle(reference=[-1.0, -1.0], margin=0.1).claims(true, claimed)
    assert outcomes(found)[: len(expected)] == expected


@pytest.mark.parametrize(
    ("refuses", "last"), [([-1.0, 0.5], "S"), ([-1.0, 0.9], "R"), ([0.45, 0.5], "R")], ids=["useless", "safer", "helps"]
)
def test_refusing_everything_is_held_against_equal_weights(refuses, last):
    found = HelpfulHarmless(reference=[-1.0, -1.0], margin=0.2, texts=1).claims(
        front(), front(seed=1), {"refuses": refuses, "complies": [1.0, -1.0]}
    )
    assert outcomes(found) == "SSSS" + last


def test_a_correlation_is_over_the_policies_of_each_seed():
    true = front()
    np.testing.assert_allclose(correlations(true, Front(*(2.0 * one + 1.0 for one in true)), 0), 1.0)
    assert correlations(true, Front(*(0.0 * one for one in true)), 1) == [0.0] * SEEDS


@pytest.mark.parametrize("study", ["text", "robot"])
def test_figures_are_drawn(tmp_path, study):
    path, found = tmp_path / "verdict.png", in_lists(front())
    if study == "text":
        details = {"gold": found, "heads": found, "corners": {"refuses": [-1.0, 0.5], "complies": [1.0, -1.0]}}
        HelpfulHarmless(reference=[-1.0, -1.0], margin=0.2, texts=1).draw({}, Findings([], details), path)
    else:
        FastGentle(reference=[-1.0, -1.0], margin=0.1).draw({}, Findings([], {"true": found, "heads": found}), path)
    assert path.stat().st_size > 10_000

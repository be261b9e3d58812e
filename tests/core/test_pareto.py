"""The Pareto front and its hypervolume, on points whose area is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_rewards.core.pareto import hypervolume, on_front

COORDINATES = st.floats(-2.0, 2.0, width=32)
POINTS = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("points", "reference", "area"),
    [
        ([(3.0, 2.0)], (1.0, 1.0), 2.0),
        ([(3.0, 1.0), (1.0, 3.0), (2.0, 2.0)], (0.0, 0.0), 6.0),  # a staircase: 3 + 2 + 1
        ([(3.0, 1.0), (1.0, 3.0), (2.0, 2.0)], (0.5, 0.5), 2.5 * 0.5 + 1.5 * 1.0 + 0.5 * 1.0),
        ([(2.0, 2.0), (1.0, 1.0), (2.0, 2.0)], (0.0, 0.0), 4.0),  # dominated and equal points add nothing
        ([(2.0, 1.0), (2.0, 3.0)], (0.0, 0.0), 6.0),  # one above the other
        ([(3.0, -1.0), (-1.0, 3.0)], (0.0, 0.0), 0.0),  # neither is better than the reference in both
        ([(0.0, 1.0)], (0.0, 0.0), 0.0),
    ],
)
def test_area_above_the_reference(points, reference, area):
    assert hypervolume(np.array(points), reference) == pytest.approx(area)


@given(POINTS)
def test_only_the_front_has_area(points):
    found, reference = np.array(points), (-1.0, -1.0)
    assert hypervolume(found[on_front(found)], reference) == pytest.approx(hypervolume(found, reference))


@given(POINTS, st.tuples(COORDINATES, COORDINATES))
def test_another_point_never_takes_area_away(points, another):
    found, reference = np.array(points), (-1.0, -1.0)
    assert hypervolume(np.array([*points, another]), reference) >= hypervolume(found, reference) - 1e-9


def test_dominated_points_are_not_on_the_front():
    points = np.array([(3.0, 1.0), (1.0, 3.0), (2.0, 0.5), (3.0, 1.0), (1.0, 2.0)])
    np.testing.assert_array_equal(on_front(points), [True, True, False, True, False])

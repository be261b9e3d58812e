"""Lines are named beside their ends, in their colours, and no two names touch."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.text import Annotation, Text

from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.studies.drawing import canvas


def labels_of(axes):
    return [one for one in axes.texts if isinstance(one, Annotation)]


@pytest.fixture
def axes():
    panel = canvas(5.0, 3.0).subplots()
    panel.set(xlim=(0.0, 10.0), ylim=(0.0, 1.0))
    return panel


def test_each_labelled_line_is_named_at_its_end_in_its_colour(axes):
    axes.plot([0, 10], [0.0, 0.9], color="#112233", label="true success")
    axes.plot([0, 10], [0.0, 0.1], color="#445566", label="learned reward")
    axes.plot([0, 10], [0.5, 0.5], color="#000000")
    axes.bar([1], [0.3], label="bars are not lines")
    label_lines(axes)
    assert [(one.get_text(), one.get_color(), np.round(one.xy, 2).tolist()) for one in labels_of(axes)] == [
        ("true success", "#112233", [1.0, 0.9]),
        ("learned reward", "#445566", [1.0, 0.1]),
    ]


def test_names_of_lines_that_end_together_do_not_touch(axes):
    for number in range(4):
        axes.plot([0, 10], [0.0, 0.5 + 0.001 * number], label=f"line {number}")
    label_lines(axes)
    axes.figure.draw_without_rendering()
    # An annotation's own extent has its line to the end, too.
    boxes = sorted((Text.get_window_extent(one) for one in labels_of(axes)), key=lambda box: box.y0)
    assert len(boxes) == 4
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(boxes))


def test_a_line_that_leaves_the_panel_or_ends_without_a_number_is_named_where_it_is_last_seen(axes):
    axes.plot([0, 5, 10], [0.0, 0.4, np.nan], label="stopped")
    axes.plot([0, 20], [0.0, 3.0], label="outside")
    axes.errorbar([0, 10], [0.2, 0.2], [0.1, 0.1], label="with intervals")
    label_lines(axes)
    ends = {one.get_text(): np.round(one.xy, 2).tolist() for one in labels_of(axes)}
    assert ends == {"stopped": [0.5, 0.4], "outside": [1.0, 1.0], "with intervals": [1.0, 0.2]}


def test_long_names_are_wrapped(axes):
    axes.plot([0, 10], [0.0, 0.5], label="a name with far more than twelve characters")
    label_lines(axes, characters=12)
    (label,) = labels_of(axes)
    assert max(map(len, label.get_text().split("\n"))) <= 12

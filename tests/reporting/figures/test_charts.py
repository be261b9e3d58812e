"""Charts have round ticks, labels that do not touch, told-apart equal curves, and data for the script."""

import itertools
import json
import math
import re

import pytest

from rl_rewards.reporting.figures.charts import Across, Curve, Panel, chart
from rl_rewards.reporting.figures.scales import Scale, apart, around, thinned, tick_words

STEPS = Across("environment steps", Scale(0.0, 100.0), "env steps")


def drawn(*curves: Curve, across: Across = STEPS, **options) -> str:
    return chart([Panel("success (share)", curves, **options)], across, "Success & co").html


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.0, 1.0, ["0", "0.25", "0.50", "0.75", "1.00"]),
        (0.0, 99_840.0, ["0", "20k", "40k", "60k", "80k"]),
        (0.0, 3.1e6, ["0", "1M", "2M", "3M"]),
        (-3.0, 7.0, ["-2.5", "0", "2.5", "5.0"]),
    ],
)
def test_ticks_are_round(low, high, words):
    ticks = Scale(low, high).ticks(5 if words[1] == "20k" else 4)
    assert tick_words(ticks) == words
    assert all(low <= tick <= high for tick in ticks)


def test_a_logarithmic_axis_has_powers_of_ten():
    scale = around([0.5, 4000.0], log=True)
    assert scale.ticks() == pytest.approx([1.0, 10.0, 100.0, 1000.0])
    assert scale.share(math.sqrt(scale.low * scale.high)) == pytest.approx(0.5)
    assert around([0.0, 4.0], log=True).log is False  # 0 has no place on it


def test_labels_do_not_touch_and_stay_inside():
    heights = [17.0, 34.0, 17.0]
    centres = apart([50.0, 50.0, 148.0], heights, 150.0)
    ends = sorted((y - h / 2, y + h / 2) for y, h in zip(centres, heights, strict=True))
    assert ends[0][0] >= 0.0 and ends[-1][1] <= 150.0
    assert all(above[1] <= below[0] + 1e-9 for above, below in itertools.pairwise(ends))


def test_thinning_keeps_ends_and_peaks():
    y = [0.0] * 5000
    y[1234] = 9.0
    steps, values = thinned((list(range(5000)), y))
    assert len(values) <= 420 and (steps[0], steps[-1]) == (0, 4999)
    assert max(values) == 9.0 and steps[values.index(9.0)] == 1234


def test_a_chart_has_names_values_and_descriptions():
    html = drawn(Curve(([0.0, 50.0, 100.0], [0.0, 0.25, 0.5]), "with <exploration>", "true"), moments=[(80.0, "alarm")])
    assert 'aria-label="Success &amp; co" data-unit="env steps" data-end="100"' in html
    assert "with &lt;exploration&gt; <b>0.500</b>" in html and "<exploration>" not in html
    assert json.loads(re.search(r'data-points="([^"]+)"', html)[1]) == [[0, 50, 100], [0, 0.25, 0.5]]
    assert "success (share)" in html and 'class="moment left" style="left:80.0%"' in html
    other = drawn(Curve(([0.0], [1.0]), "a"), across=Across("return", Scale(0.0, 1.0)))
    assert "data-unit" not in other and "data-points" not in other and "<b></b>" in other


def test_equal_curves_have_alternating_dashes_and_a_sentence():
    same = ([0.0, 100.0], [0.3, 0.7])
    html = drawn(Curve(same, "a", "true"), Curve(same, "b", "learned"), Curve(([0.0, 100.0], [0.3, 0.8]), "c", "goals"))
    assert re.findall(r"stroke-dasharray:(\d+ \d+);stroke-dashoffset:(-?\d+)", html) == [("7 7", "0"), ("7 7", "-7")]
    assert "a and b are equal; their dashes alternate." in html


def test_bands_lie_below_all_lines():
    band = ([0.1, 0.2], [0.3, 0.4])
    html = drawn(Curve(([0.0, 100.0], [0.2, 0.3]), "a"), Curve(([0.0, 100.0], [0.2, 0.3]), "b", band=band))
    assert html.index('class="band') < html.index('class="line')

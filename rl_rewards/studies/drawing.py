"""Figures that studies share.

A reader sees a figure at a width of about 700 pixels, so that it is at most ten inches wide. Lines are named at their
ends (:mod:`rl_rewards.reporting.figures.line_labels`), and intervals are so light that every line in them can be seen.
"""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from rl_rewards.core.intervals import mean_interval
from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.figures.drawing import LEARNED, TRUE, plain, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.measures import over_rounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUCCESS_CURVE = ("eval/success", TRUE, "true success")
REWARD_CURVE = ("eval/learned_reward_final", LEARNED, "learned reward, final states")
Curve = tuple[str, str, str]
"""A metric with its colour and its label."""
DOTS_PER_INCH = 140


def canvas(width: float, height: float) -> "Figure":
    """Return an empty figure, sizes in inches, without global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: "Figure", path: Path) -> None:
    """Write a study's figure as a PNG."""
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def draw_curves(
    arms: Mapping[str, RunFiles],
    titles: Mapping[str, str],
    curves: Sequence[Curve],
    path: Path,
    columns: int = 3,
    other_scale: Curve | None = None,
) -> None:
    """Draw a panel for every arm: metrics in [0, 1] over env steps, every seed thin and their mean thick.

    A single curve is named by the y axis, several at their ends in the last panel of each row.

    Args:
        other_scale: a metric in its own units, on a second axis at the right of every panel, beside a single curve.
    """
    assert other_scale is None or len(curves) == 1, "each axis is named after its curve"
    with styled():
        columns = min(columns, len(arms))
        rows = -(-len(arms) // columns)
        figure = canvas(3.1 * columns, 2.8 * rows)
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        right = []
        for axes, (name, run) in zip(panels, arms.items(), strict=False):
            draw_arm(axes, run, curves)
            if other_scale is not None:
                right.append(_draw_on_the_right(axes, run, other_scale))
            axes.set_title(textwrap.fill(plain(titles.get(name, name)), 32), fontsize=10)
        for axes in panels[len(arms) :]:
            axes.set_axis_off()
        ends = [*range(columns - 1, len(arms) - 1, columns), len(arms) - 1]  # of the rows
        for axes in panels[: len(arms) : columns]:
            name_axis(axes, *curves[0][1:]) if len(curves) == 1 else axes.set_ylabel("share")
        if other_scale is not None:
            for i in ends:
                name_axis(right[i], *other_scale[1:])
        elif len(curves) > 1:
            label_lines(*panels[ends])
        save(figure, path)


def draw_arm(axes: "Axes", run: RunFiles, curves: Sequence[Curve]) -> None:
    """Draw one arm's metrics over its env steps."""
    for curve in curves:
        _draw_curve(axes, run, curve)
    axes.set_ylim(-0.04, 1.04)
    count_steps(axes, run.steps_name.replace("env ", "environment "))


def name_axis(axes: "Axes", colour: str, name: str) -> None:
    """Name the y axis after its only curve, in the curve's colour."""
    axes.set_ylabel(name, color=colour)


def count_steps(axes: "Axes", name: str = "environment steps") -> None:
    """Name the x axis, and write its numbers as 50k and 2M."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.set_xlabel(name)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _draw_curve(axes: "Axes", run: RunFiles, curve: Curve) -> None:
    key, colour, label = curve
    rows = [row for row in run.evaluation_rows if len(values(row, key)) == run.num_seeds]
    if rows:
        draw_seeds(
            axes, [row["env_steps"] for row in rows], np.array([values(row, key) for row in rows]), colour, label
        )


def _draw_on_the_right(axes: "Axes", run: RunFiles, curve: Curve) -> "Axes":
    right = axes.twinx()
    _draw_curve(right, run, curve)
    for both in (axes, right):
        both.grid(visible=False)  # one axes' lines would cross the other's curves
    right.tick_params(axis="y", colors=curve[1], labelsize=9)
    axes.set_zorder(right.get_zorder() + 1)  # what counts lies on top
    axes.patch.set_visible(False)
    return right


def draw_seeds(
    axes: "Axes", x: Sequence[float], each: Float[np.ndarray, "t S"], colour: str, label: str | None = None
) -> None:
    """Draw every seed thin and pale, and their mean thick over all of them."""
    axes.plot(x, each, color=colour, linewidth=0.5, alpha=0.3, zorder=1.8)
    axes.plot(x, each.mean(axis=1), color=colour, label=label, **ON_TOP)


def draw_mean(
    axes: "Axes", x: Sequence[float], each: Float[np.ndarray, "t S"], colour: str, label: str | None = None,
    line: str = "-", **style: Any,
) -> None:  # fmt: skip
    """Draw the mean over seeds and its 95% interval, for panels with more lines than whose seeds could be told apart.

    Args:
        each: NaN where a seed has no value.
    """
    found = [row[np.isfinite(row)].tolist() for row in each]
    middle, low, high = np.array([mean_interval(row) if row else (np.nan,) * 3 for row in found]).T
    draw_band(axes, x, low, high, colour)
    axes.plot(x, middle, line, color=colour, label=label, **ON_TOP | style)


def draw_band(axes: "Axes", x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str) -> None:
    """Draw an interval between thin edges, so light that other lines and intervals can be seen in it."""
    axes.fill_between(x, low, high, color=colour, alpha=0.1, linewidth=0.0, zorder=1.0)
    for edge in (low, high):
        axes.plot(x, edge, color=colour, linewidth=0.6, alpha=0.5, zorder=1.5)


ON_TOP = {"linewidth": 1.9, "zorder": 3.0}
"""The style of lines that count: thick, above intervals and single seeds."""


def draw_over_training(axes: "Axes", run: RunFiles, key: str, colour: str, label: str) -> None:
    """Draw a metric of every round: the mean over seeds and its interval."""
    draw_mean(axes, [row["env_steps"] for row in run.rows], over_rounds(run, key), colour, label)
    count_steps(axes)


def draw_dots(axes: "Axes", place: float, each: Sequence[float], colour: str, width: float = 0.8) -> None:
    """Draw a bar of the mean over seeds, and every seed as a dot."""
    axes.bar(place, np.mean(each), width, color=colour, alpha=0.35)
    axes.plot(np.full(len(each), place), each, "o", color=colour, markersize=3.5)


def draw_row(axes: "Axes", row: float, each: Sequence[float], colour: str) -> None:
    """Draw every seed as a pale dot at the height ``row``, and their mean with its 95% interval."""
    mean, low, high = mean_interval(each)
    axes.plot(each, np.full(len(each), row), "o", color=colour, alpha=0.3, markersize=4, linestyle="none")
    axes.plot([low, high], [row, row], color=colour, linewidth=2.0)
    axes.plot([mean], [row], "D", color=colour, markersize=5, linestyle="none")

"""Figures that studies share."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.figures.drawing import LEARNED, TRUE, plain, styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.measures import over_rounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUCCESS_CURVE = ("eval/success", TRUE, "true success")
REWARD_CURVE = ("eval/learned_reward_final", LEARNED, "learned reward, final states")
Curve = tuple[str, str, str]
"""A metric with its colour and its label."""


def canvas(width: float, height: float) -> "Figure":
    """Return an empty figure, sizes in inches, without global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_curves(
    arms: Mapping[str, RunFiles],
    titles: Mapping[str, str],
    curves: Sequence[Curve],
    path: Path,
    columns: int = 4,
    other_scale: Curve | None = None,
) -> None:
    """Draw a panel for every arm: metrics in [0, 1] over env steps, every seed thin and their mean thick.

    Args:
        other_scale: a metric in its own units, on a second axis at the right of every panel.
    """
    from matplotlib.lines import Line2D

    with styled():
        columns = min(columns, len(arms))
        rows = -(-len(arms) // columns)
        figure = canvas(3.4 * columns, 3.0 * rows)
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for axes, (name, run) in zip(panels, arms.items(), strict=False):
            draw_arm(axes, run, curves)
            if other_scale is not None:
                _draw_on_the_right(axes, run, other_scale)
            axes.set_title(textwrap.fill(plain(titles.get(name, name)), 36), fontsize=10)
        for axes in panels[len(arms) :]:
            axes.set_axis_off()
        for axes in panels[::columns]:
            axes.set_ylabel("share")
        handles, labels = panels[0].get_legend_handles_labels()
        if other_scale is not None:
            _, colour, name = other_scale
            handles, labels = [*handles, Line2D([], [], color=colour, linewidth=2.0)], [*labels, f"{name} (right)"]
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=9)
        figure.savefig(path, dpi=110)


def draw_arm(axes: "Axes", run: RunFiles, curves: Sequence[Curve]) -> None:
    """Draw one arm's metrics over its env steps."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    for curve in curves:
        _draw_curve(axes, run, curve)
    axes.set(xlabel=run.steps_name.replace("env ", "environment "), ylim=(-0.04, 1.04))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _draw_curve(axes: "Axes", run: RunFiles, curve: Curve) -> None:
    key, colour, label = curve
    rows = [row for row in run.evaluation_rows if len(values(row, key)) == run.num_seeds]
    steps = [row["env_steps"] for row in rows]
    lines = np.array([values(row, key) for row in rows])
    if len(lines):
        axes.plot(steps, lines, color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(steps, lines.mean(axis=1), color=colour, linewidth=2.0, label=label)


def _draw_on_the_right(axes: "Axes", run: RunFiles, curve: Curve) -> None:
    right = axes.twinx()
    _draw_curve(right, run, curve)
    for both in (axes, right):
        both.grid(visible=False)  # one axes' lines would cross the other's curves
    right.tick_params(axis="y", colors=curve[1], labelsize=8)
    axes.set_zorder(right.get_zorder() + 1)  # what counts lies on top
    axes.patch.set_visible(False)


def draw_over_training(axes: "Axes", run: RunFiles, key: str, colour: str, label: str) -> None:
    """Draw a metric of every round: each seed thin, their mean thick."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    steps = [row["env_steps"] for row in run.rows]
    found = over_rounds(run, key)
    axes.plot(steps, found, color=colour, linewidth=0.5, alpha=0.3)
    axes.plot(steps, np.nanmean(found, axis=1), color=colour, linewidth=2.0, label=label)
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))

"""Figures of curiosity: visits to cells at a few times in training, coverage, and the bonus for static."""

import numpy as np

from rl_rewards.reporting.evaluation_parts import Visits
from rl_rewards.reporting.figures.charts import SHARE, Chart, Curve, Panel, chart, over_steps
from rl_rewards.reporting.figures.drawing import Drawing, Picture, new_figure, styled, to_picture
from rl_rewards.reporting.metric_names import of_source
from rl_rewards.reporting.run_files import RunFiles, series

DRAWN_HERE = {"reward/coverage", "reward/bonus_television", "reward/bonus_elsewhere"}
WIDTH = 2.7  # of a map, in inches
LOG_FROM = 20.0  # the axis is logarithmic if the largest bonus is this many times the smallest
_COLOURS = ("goals", "learned", "other")
_UNVISITED = {"facecolor": "white", "edgecolor": "#e58a9b", "hatch": "////", "linewidth": 0.0}


def coverage_figures(run: RunFiles) -> list[Drawing]:
    """Return the figures of a run with a curiosity reward; an empty list for other runs."""
    return [drawing for drawing in (_maps(run), _courses(run)) if drawing is not None]


def _maps(run: RunFiles) -> Drawing | None:
    if not run.visits:
        return None
    most = max(int(one.counts.max()) for one in run.visits)
    shapes = {one.counts.size for one in run.visits}
    side = round(max(shapes) ** 0.5)
    square = shapes == {side * side}
    with styled():
        pictures = [_map(one, side if square else one.counts.size, max(most, 2)) for one in run.visits]
    caption = (
        "Number of training's visits to each cell up to that time. All maps have one colour scale, which is "
        "logarithmic: equal steps in colour are equal ratios. Hatched cells have never been visited. Curiosity that "
        "works leaves few of them, and visits far cells about as often as near ones. Two patterns are suspicious: one "
        "bright cell in a dark world (the agent stays in one place, perhaps at a television), and a border that does "
        "not move from map to map (the agent has stopped exploring). Cells inside walls are always hatched."
    )
    if not square:
        caption += " The cells of this world form a row."
    return Drawing("Where training has been", caption, pictures, columns=4)


def _map(one: Visits, columns: int, most: int) -> Picture:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    counts = np.ma.masked_less(one.counts.reshape(-1, columns), 1)
    rows = counts.shape[0]
    figure, (axes,) = new_figure(WIDTH, 3.5 if rows > 1 else 2.1)
    axes.patch.set(**_UNVISITED)
    scale = LogNorm(1, most)
    x, y = np.arange(columns + 1), np.arange(rows + 1)
    axes.pcolormesh(x, y, counts, cmap="cividis", norm=scale)
    axes.grid(False)
    axes.locator_params(integer=True)
    if rows > 1:
        axes.set_aspect("equal")
        axes.set_ylabel("y, cells")
    else:
        axes.set_yticks([])
    axes.set_xlabel("x, cells")
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)  # a hatched border would have no edge
    axes.set_title(f"{one.env_steps:,} env steps:\n{one.coverage:.0%} of the cells", fontsize=9.5)
    figure.colorbar(
        ScalarMappable(scale, "cividis"),
        ax=axes,
        orientation="horizontal",
        label="visits",
        aspect=18 if rows > 1 else 45,
    )
    alt = f"Map of visits after {one.env_steps:,} environment steps: {one.coverage:.0%} of the cells visited."
    return to_picture(figure, alt)


def _courses(run: RunFiles) -> Drawing | None:
    charts = []
    coverage = of_source(run.rows, "coverage")
    if coverage:
        charts.append(_coverage(run, coverage))
    parts = of_source(run.rows, "bonus_television")
    charts += [_bonuses(run, part) for part in sorted(parts)]
    title = "Coverage and the bonus for static" if parts else "Coverage"
    return Drawing(title, "", charts, columns=2) if charts else None


def _coverage(run: RunFiles, parts: dict[str, str]) -> Chart:
    curves = [
        Curve(series(run.rows, key), part or "coverage", _COLOURS[i % len(_COLOURS)])
        for i, (part, key) in enumerate(parts.items())
    ]
    note = (
        "The share of cells that were visited in training at least once. If the line levels off well below 1, the "
        "agent no longer finds new places, or the other cells cannot be reached."
    )
    panel = Panel("share of cells visited", curves, "Coverage", scale=SHARE)
    return chart([panel], over_steps(run), f"Share of cells visited over {run.steps_name}.", note)


def _bonuses(run: RunFiles, part: str) -> Chart:
    curves, values = [], []
    for where, colour, line in (("television", "learned", "solid"), ("elsewhere", "other", "dashed")):
        points = series(run.rows, f"reward/{part}/bonus_{where}" if part else f"reward/bonus_{where}")
        curves.append(Curve(points, "at the television" if where == "television" else where, colour, line))
        values += points[1]
    log = bool(values) and min(values) > 0.0 and max(values) > LOG_FROM * min(values)
    note = (
        "The mean over a round's steps, separately for steps that see the television's static and for all others. A "
        "bonus should fall where the agent has been. It is suspicious if the television's line stays high while the "
        "other falls: noise that cannot be predicted then pays for ever, and the agent learns to watch it."
    )
    name = f"bonus per step{', logarithmic' if log else ''}"
    panel = Panel(name, curves, f"Bonus of {part}" if part else "Bonus", from_zero=not log, log=log)
    return chart([panel], over_steps(run), f"Mean bonus at the television and elsewhere over {run.steps_name}.", note)

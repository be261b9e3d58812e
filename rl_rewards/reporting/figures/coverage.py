"""Where a curious run has been: visits to cells at a few times of training, coverage, and what static is paid."""

import numpy as np

from rl_rewards.reporting.evaluation_parts import Visits
from rl_rewards.reporting.figures.drawing import (
    GOALS,
    LEARNED,
    OTHER,
    Drawing,
    Picture,
    legend,
    new_figure,
    plain,
    plot_line,
    share_axis,
    steps_axis,
    to_picture,
)
from rl_rewards.reporting.metric_names import of_source
from rl_rewards.reporting.run_files import RunFiles, series

DRAWN_HERE = {"reward/coverage", "reward/bonus_television", "reward/bonus_elsewhere"}
WIDTH = 2.7  # inches, of a map
LOG_FROM = 20.0  # the largest bonus in smallest ones, from which small ones would be a flat line
_COLOURS = (GOALS, LEARNED, OTHER)
_UNVISITED = {"facecolor": "white", "edgecolor": "#e58a9b", "hatch": "////", "linewidth": 0.0}


def coverage_figures(run: RunFiles) -> list[Drawing]:
    """Of a run that is paid for curiosity; empty for others."""
    return [drawing for drawing in (_maps(run), _courses(run)) if drawing is not None]


def _maps(run: RunFiles) -> Drawing | None:
    if not run.visits:
        return None
    most = max(int(one.counts.max()) for one in run.visits)
    shapes = {one.counts.size for one in run.visits}
    side = round(max(shapes) ** 0.5)
    square = shapes == {side * side}
    pictures = [_map(run, one, side if square else one.counts.size, max(most, 2)) for one in run.visits]
    caption = (
        "How often training has been in each cell up to that time, all on one colour scale, which is logarithmic: a "
        "shade is a multiple, not a difference. Hatched cells have never been visited. Curiosity that works leaves few "
        "of them and visits the far ones as readily as the near. Suspicious: one bright cell in a dark world (it sits "
        "somewhere, perhaps before a television), or a border that does not move from map to map (it has stopped "
        "exploring). Cells inside walls stay hatched for ever."
    )
    if not square:
        caption += " The cells of this world are in a row."
    return Drawing("Where training has been", caption, pictures, columns=4)


def _map(run: RunFiles, one: Visits, columns: int, most: int) -> Picture:
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
    return to_picture(figure, alt, run, command=False)


def _courses(run: RunFiles) -> Drawing | None:
    pictures, words = [], []
    coverage = of_source(run.rows, "coverage")
    if coverage:
        pictures.append(_coverage(run, coverage))
        words.append(
            "Coverage is the share of cells that training has been in at least once. A line that levels off well below "
            "1 has stopped finding new places, or the rest cannot be reached."
        )
    parts = of_source(run.rows, "bonus_television")
    if parts:
        pictures += [_bonuses(run, part) for part in sorted(parts)]
        words.append(
            "The bonus is the mean over a round's steps, of those that see the television's static and of all others. "
            "A bonus should fall where the agent has been. Suspicious: the television's line stays high while the "
            "other falls; then noise that can never be foretold pays for ever, and the agent learns to watch it."
        )
    if not pictures:
        return None
    return Drawing("Coverage and what static is paid" if parts else "Coverage", " ".join(words), pictures, columns=2)


def _coverage(run: RunFiles, parts: dict[str, str]) -> Picture:
    figure, (axes,) = new_figure(5.6, 3.8)
    for i, (part, key) in enumerate(parts.items()):
        plot_line(axes, series(run.rows, key), _COLOURS[i % len(_COLOURS)], label=plain(part or "coverage"))
    axes.set_ylabel("share of cells visited")
    axes.set_title("Coverage")
    share_axis(axes)
    steps_axis(axes, run)
    legend(axes)
    return to_picture(figure, "Share of cells visited over environment steps.", run)


def _bonuses(run: RunFiles, part: str) -> Picture:
    figure, (axes,) = new_figure(5.6, 3.8)
    values = []
    for where, colour, line in (("television", LEARNED, "-"), ("elsewhere", OTHER, "--")):
        points = series(run.rows, f"reward/{part}/bonus_{where}" if part else f"reward/bonus_{where}")
        plot_line(axes, points, colour, label="at the television" if where == "television" else where, linestyle=line)
        values += points[1]
    if values and min(values) > 0.0 and max(values) > LOG_FROM * min(values):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=min(0.0, *values))
    axes.set_ylabel("bonus per step")
    axes.set_title(plain(f"Bonus of {part}" if part else "Bonus"))
    steps_axis(axes, run)
    legend(axes)
    return to_picture(figure, "Mean bonus at the television and elsewhere over environment steps.", run)

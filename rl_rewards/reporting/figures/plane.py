"""Maps of the classifier's boundary and of the learned reward over a plane of states, one per evaluation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rl_rewards.core.words import digits
from rl_rewards.reporting.evaluation_files import PlaneMap
from rl_rewards.reporting.figures.drawing import FAILURE, GOALS, Drawing, Picture, new_figure, plain, styled, to_picture
from rl_rewards.reporting.run_files import RunFiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 2.7  # of a map, in inches


class ColourScale(NamedTuple):
    """The colour scale that all maps of a figure share."""

    low: float
    high: float
    label: str
    boundary: bool  # True to draw a line at 1/2


def plane_figures(run: RunFiles, maps: int | None = None) -> list[Drawing]:
    """Return the figure of the classifier's boundary, and that of the learned reward if the two differ.

    Args:
        maps: the largest number of maps, spread over training; None for all that were read.
    """
    shown = _thinned(run.maps, maps)
    judged = [(one, one.prob) for one in shown if one.prob is not None]
    paid = [(one, one.reward) for one in shown]
    drawings = []
    with styled():
        if judged:
            drawings.append(_boundary(judged))
        if not judged or not _same(judged, paid):
            drawings.append(_reward(paid))
    return [drawing for drawing in drawings if drawing is not None]


def _thinned(maps: Sequence[PlaneMap], count: int | None) -> Sequence[PlaneMap]:
    if count is None or len(maps) <= count:
        return maps
    return [maps[round(i * (len(maps) - 1) / (count - 1))] for i in range(count)]


def _same(judged: Sequence[tuple[PlaneMap, np.ndarray]], paid: Sequence[tuple[PlaneMap, np.ndarray]]) -> bool:
    """Return True if the reward is the probability itself."""
    pairs = zip(judged, paid, strict=False)
    return len(judged) == len(paid) and all(np.allclose(a, b, atol=1e-5, equal_nan=True) for (_, a), (_, b) in pairs)


def _boundary(maps: Sequence[tuple[PlaneMap, np.ndarray]]) -> Drawing:
    scale = ColourScale(0.0, 1.0, "probability of goal", True)
    caption = (
        f"The classifier's probability that a state is a goal{_held(maps)}, from the first to the last evaluation. The "
        "white line is its boundary, 1/2. " + _marks_in_words(maps) + "A policy can exploit bright places outside the "
        "goal; a classifier that learns from visited states should darken them once the policy has been there."
    )
    return _draw(maps, scale, "The classifier's boundary over training", caption)


def _reward(maps: Sequence[tuple[PlaneMap, np.ndarray]]) -> Drawing | None:
    values = np.concatenate([values.ravel() for _, values in maps]) if maps else np.zeros(0)
    values = values[np.isfinite(values)]
    if not values.size or np.ptp(values) == 0.0:
        return None  # the reward of standing still is the same everywhere, as often in the environment's own
    low, high = float(values.min()), float(values.max())
    if low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    caption = (
        f"The learned reward of standing still at each place{_held(maps)}, from the first to the last evaluation, all "
        f"on one colour scale from {digits(low)} to {digits(high)}. {_marks_in_words(maps)}Bright places attract the "
        "policy; it can exploit those outside the goal."
    )
    scale = ColourScale(low, high, "learned reward per step", False)
    return _draw(maps, scale, "Learned reward over the plane of states", caption)


def _held(maps: Sequence[tuple[PlaneMap, np.ndarray]]) -> str:
    held = maps[-1][0].labels[2]
    return f" ({held})" if held else ""


def _marks_in_words(maps: Sequence[tuple[PlaneMap, np.ndarray]]) -> str:
    if maps[-1][0].final is None:
        return ""
    return (
        "Marks show where the evaluation episodes ended, projected onto this plane: the variables that the map holds "
        "fixed may have had other values there. "
    )


def _draw(maps: Sequence[tuple[PlaneMap, np.ndarray]], scale: ColourScale, title: str, caption: str) -> Drawing:
    pictures = [_map(one, values, scale) for one, values in maps]
    return Drawing(title, caption, [*pictures, _key(maps[-1][0], scale)], columns=4)


def _map(one: PlaneMap, values: np.ndarray, scale: ColourScale) -> Picture:
    width, height = np.ptp(one.x), np.ptp(one.y)
    same_scale = width > 0 and 1 / 3 < height / width < 3  # then both coordinates are probably lengths
    figure, (axes,) = new_figure(WIDTH, min(0.9 + (WIDTH - 0.6) * height / width, 3.6) if same_scale else WIDTH)
    axes.pcolormesh(one.x, one.y, values, shading="nearest", cmap="cividis", vmin=scale.low, vmax=scale.high)
    axes.grid(False)
    if scale.boundary and np.nanmin(values) < 0.5 < np.nanmax(values):
        axes.contour(one.x, one.y, values, levels=[0.5], colors="black", linewidths=2.6)
        axes.contour(one.x, one.y, values, levels=[0.5], colors="white", linewidths=1.4)
    limits = axes.get_xlim(), axes.get_ylim()
    _draw_marks(axes, one)
    axes.set(xlim=limits[0], ylim=limits[1])
    if same_scale:
        axes.set_aspect("equal")
    axes.set_xlabel(plain(one.labels[0]))
    axes.set_ylabel(plain(one.labels[1]))
    axes.set_title(f"{one.env_steps:,} env steps")
    alt = f"Map of the {scale.label} after {one.env_steps:,} environment steps."
    return to_picture(figure, alt)


def _draw_marks(axes: "Axes", one: PlaneMap) -> None:
    """Mark where episodes ended; ends beyond the map are drawn at its border, so that none is missing."""
    if one.final is None:
        return
    x, y = (np.clip(one.final[:, i], axis.min(), axis.max()) for i, axis in enumerate((one.x, one.y)))
    success = np.zeros(len(x), bool) if one.success is None else one.success
    axes.scatter(x[~success], y[~success], marker="x", color=FAILURE, s=14, linewidths=1.1, clip_on=False, zorder=3)
    options = {"s": 16, "linewidths": 0.6, "edgecolors": "white", "clip_on": False, "zorder": 4}
    axes.scatter(x[success], y[success], marker="o", color=GOALS, **options)


def _key(one: PlaneMap, scale: ColourScale) -> Picture:
    """Return the last picture of the figure: the key to its colours and marks."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.lines import Line2D

    figure, (axes,) = new_figure(WIDTH, WIDTH)
    axes.set_axis_off()
    entries = []
    if scale.boundary:
        entries.append(Line2D([], [], color="white", linewidth=1.6, label="boundary (1/2)"))
    if one.final is not None and one.success is not None:
        entries.append(
            Line2D([], [], linestyle="", marker="o", color=GOALS, markeredgecolor="white", label="ended in success")
        )
    if one.final is not None:
        ended = "episode ended" if one.success is None else "ended without success"
        entries.append(Line2D([], [], linestyle="", marker="x", color=FAILURE, label=ended))
    if entries:
        shown = axes.legend(handles=entries, loc="center", frameon=True, facecolor="#1b2547", labelcolor="white")
        shown.get_frame().set_edgecolor("none")
    colours = ScalarMappable(Normalize(scale.low, scale.high), cmap="cividis")
    figure.colorbar(colours, ax=axes, label=scale.label, orientation="horizontal", aspect=10)
    return to_picture(figure, f"Colours from {scale.low:.3g} to {scale.high:.3g}: {scale.label}.")

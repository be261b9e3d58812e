"""Direct labels in Matplotlib's figures: the name of each line beside its end, in its colour, instead of a legend."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from rl_rewards.reporting.figures.drawing import plain
from rl_rewards.reporting.figures.scales import apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

POINTS, LINE_HEIGHT, GAP = 9.0, 1.25, 9.0
"""The labels' size and the gap before them, in points; the height of a line of text is in sizes."""


def label_lines(*panels: "Axes", characters: int = 20) -> None:
    """Write the label of every labelled line at the right of its panel, beside the line's last point.

    Labels that would touch are moved apart, and a thin line leads to each. Call this when everything else is drawn, and
    all axes of the figure are set up: it computes the layout.

    Args:
        characters: of a label's line; longer labels are wrapped.
    """
    _whole(panels[0]).draw_without_rendering()  # only now the heights of the panels are known
    for axes in panels:
        _label(axes, characters)


def _label(axes: "Axes", characters: int) -> None:
    handles, names = axes.get_legend_handles_labels()
    lines = [(line, name) for line, name in zip(map(_line_of, handles), names, strict=True) if line is not None]
    ends = [_end(axes, line) for line, _ in lines]
    texts = [textwrap.fill(plain(name), characters) for _, name in lines]
    points = 72.0 * axes.bbox.height / _whole(axes).dpi
    heights = [POINTS * LINE_HEIGHT * (text.count("\n") + 1) for text in texts]
    centres = apart([points * (1.0 - y) for _, y in ends], heights, points)
    for (line, _), end, text, centre in zip(lines, ends, texts, centres, strict=True):
        colour = line.get_color()
        axes.annotate(
            text, end, xycoords="axes fraction", xytext=(1.0, 1.0 - centre / points), textcoords=_beside(axes),
            color=colour, fontsize=POINTS, va="center", annotation_clip=False, linespacing=LINE_HEIGHT - 0.15,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.6, "shrinkA": 1.0,
                        "shrinkB": 0.0, "relpos": (0.0, 0.5)},
        )  # fmt: skip


def _whole(axes: "Axes") -> "Figure":
    """Return the figure that the axes are in, also of a part of it."""
    from matplotlib.figure import Figure

    found = axes.get_figure(root=True)
    assert isinstance(found, Figure)
    return found


def _line_of(handle: Any) -> "Line2D | None":
    """Return the line of a legend's handle; None for bars and areas."""
    from matplotlib.container import ErrorbarContainer
    from matplotlib.lines import Line2D

    found = handle.lines[0] if isinstance(handle, ErrorbarContainer) else handle
    return found if isinstance(found, Line2D) else None


def _end(axes: "Axes", line: "Line2D") -> tuple[float, float]:
    """Return the last point of a line that is a number, in shares of the axes; one outside lies at the nearer edge."""
    found = np.asarray(line.get_xydata(), float)
    last = found[np.isfinite(found).all(axis=1)][-1]
    x, y = axes.transAxes.inverted().transform(line.get_transform().transform(last))
    return float(np.clip(x, 0.0, 1.0)), float(np.clip(y, 0.0, 1.0))


def _beside(axes: "Axes") -> Any:
    """Return the coordinates of the axes, moved to the right by the gap."""
    from matplotlib.transforms import ScaledTranslation

    return axes.transAxes + ScaledTranslation(GAP / 72.0, 0.0, _whole(axes).dpi_scale_trans)

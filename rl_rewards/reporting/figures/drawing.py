"""The parts that pictures share: colours, an Agg canvas without global state, axes and PNG output."""

import base64
import io
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rl_rewards.reporting.figures.charts import Chart, Origin

# Okabe and Ito's palette, whose colours differ for people with any common colour blindness.
TRUE, LEARNED, GOALS, OTHER, ALARM = "#0072B2", "#D55E00", "#009E73", "#777777", "#B00020"
ALICE, BOB = "#CC79A7", "#E69F00"  # of the same palette: the two players of a game
FAILURE = "#ff2d55"
"""The colour of marks of failures on a map from dark blue to yellow."""
DOTS_PER_INCH = 150

STYLE = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
}


@dataclass(frozen=True)
class Picture:
    """One image of a figure; ``alt`` describes it in words."""

    png: bytes
    alt: str
    note: str = ""  # a caption of its own

    @property
    def html(self) -> str:
        return f'<img src="{self.source}" alt="{escape(self.alt)}">'

    @property
    def source(self) -> str:
        """The image as a data URL for an ``img`` element."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Drawing:
    """A figure of the page: charts and pictures that share one title and caption."""

    title: str
    caption: str
    pictures: "Sequence[Picture | Chart]"
    columns: int = 1  # of pictures on a wide screen


@contextmanager
def styled():
    """Apply this package's style to Matplotlib, and restore the caller's settings afterwards."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def new_figure(
    width: float, height: float, panels: int = 1, heights: Sequence[float] | None = None
) -> "tuple[Figure, list[Axes]]":
    """Return a figure with ``panels`` axes, one above the other, which share their x axis.

    Args:
        width: in inches.
        height: in inches.
        panels: the number of axes.
        heights: the axes' relative heights; None for equal ones.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False, height_ratios=heights)
    return figure, list(axes[:, 0])


def to_picture(figure: "Figure", alt: str, note: str = "") -> Picture:
    """Return ``figure`` as a PNG."""
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture(png=png.getvalue(), alt=alt, note=note)


def plain(text: Any) -> str:
    """Return ``text`` escaped so that Matplotlib does not read it as mathematics."""
    return str(text).replace("$", r"\$")


def steps_axis(axes: "Axes", run: "Origin") -> None:
    """Set up the x axis alike in all charts: env steps (or gradient steps) such as 50k or 2M, from 0 to the end."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.set_xlabel(run.steps_name.replace("env ", "environment "))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(0, max(run.env_steps, 1) * 1.04)


def share_axis(axes: "Axes") -> None:
    """Set the y axis to 0 .. 1, with a margin for lines at either end."""
    axes.set_ylim(-0.04, 1.04)


def legend_of_groups(axes: "Axes", columns: int = 3) -> None:
    """Add a legend above the axes, even for a single group."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, borderaxespad=0.1)

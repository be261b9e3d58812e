"""The parts that all figures share: colours, an Agg canvas without global state, axes, the footer and PNG output."""

import base64
import io
import textwrap
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from rl_rewards.core.seed_rows import Row, values

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, whose colours differ for people with any common colour blindness.
TRUE, LEARNED, GOALS, OTHER, ALARM = "#0072B2", "#D55E00", "#009E73", "#777777", "#B00020"
ALICE, BOB = "#CC79A7", "#E69F00"  # of the same palette: the two players of a game
FAILURE = "#ff2d55"
"""The colour of marks of failures on a map from dark blue to yellow."""
EARLY_TO_LATE = (("#f0b98d", ":"), ("#d87a2b", "--"), ("#6b2d00", "-"))
"""Colours and line styles of an early, a middle and a late time in training."""
MANY_POINTS = 60  # a line with more points has no markers
DOTS_PER_INCH = 150
FOOTER_POINTS = 5.5

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


class Origin(Protocol):
    """The source of a figure's numbers: one run, or several that differ only in their seeds."""

    @property
    def facts(self) -> str: ...
    @property
    def command(self) -> str: ...
    @property
    def env_steps(self) -> int: ...
    @property
    def steps_name(self) -> str: ...


@dataclass(frozen=True)
class Picture:
    """One image of a figure; ``alt`` describes it in words."""

    png: bytes
    alt: str

    @property
    def source(self) -> str:
        """The image as a data URL for an ``img`` element."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Drawing:
    """A figure of the page: pictures that share one title and caption."""

    title: str
    caption: str
    pictures: list[Picture]
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


def to_picture(figure: "Figure", alt: str, origin: Origin, command: bool = True) -> Picture:
    """Add the footer and render ``figure``. Because of the footer, a figure copied from the page names its source.

    Args:
        command: False to omit the command, in a small figure next to one that shows it.
    """
    characters = int(figure.get_figwidth() * 72 / (FOOTER_POINTS * 0.52))
    text = footer(origin, characters, command)
    figure.supxlabel(text, fontsize=FOOTER_POINTS, color="#666666", x=0.01, ha="left")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture(png=png.getvalue(), alt=alt)


def footer(origin: Origin, characters: int, command: bool = True) -> str:
    """Return choices, seeds, steps, commit and command in lines of at most ``characters``; a long command is cut."""
    lines = textwrap.wrap(origin.facts, characters)
    if command and origin.command:
        lines += textwrap.wrap(origin.command, characters, max_lines=2, placeholder=" ...")
    return "\n".join(plain(line) for line in lines)


def plain(text: Any) -> str:
    """Return ``text`` escaped so that Matplotlib does not read it as mathematics."""
    return str(text).replace("$", r"\$")


def steps_axis(axes: "Axes", run: Origin) -> None:
    """Set up the x axis alike in all charts: env steps (or gradient steps) such as 50k or 2M, from 0 to the end."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.set_xlabel(run.steps_name.replace("env ", "environment "))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(0, max(run.env_steps, 1) * 1.04)


def finish_panels(run: Origin, panels: "Sequence[Axes]") -> None:
    """Label env steps under the last of ``panels`` only, and give each panel its legend."""
    steps_axis(panels[-1], run)
    for axes in panels:
        if axes is not panels[-1]:
            axes.set_xlabel("")
        legend(axes)


def share_axis(axes: "Axes") -> None:
    """Set the y axis to 0 .. 1, with a margin for lines at either end."""
    axes.set_ylim(-0.04, 1.04)


def plot_line(axes: "Axes", points: tuple[Sequence[float], Sequence[float]], colour: str, **options: Any) -> bool:
    """Draw ``points``, (env steps, values); return False if there are none."""
    steps, values = points
    if not values:
        return False
    options.setdefault("marker", "o" if len(values) <= MANY_POINTS else None)
    axes.plot(steps, values, color=colour, **options)
    return True


def legend(axes: "Axes") -> None:
    """Add a legend between title and axes, where it hides no data; a single line gets none."""
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0.1)
        axes.set_title(axes.get_title(loc="left"), loc="left", pad=22)


def legend_of_groups(axes: "Axes", columns: int = 3) -> None:
    """Add a legend above the axes, even for a single group."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, borderaxespad=0.1)


def demonstrator_line(axes: "Axes", rows: Sequence[Row]) -> None:
    """Draw the demonstrations' mean true return, if the run learns from any; seeds may use different ones."""
    shown = values(rows[-1], "eval/demo_return")
    if shown:
        mean = sum(shown) / len(shown)
        axes.axhline(mean, color=OTHER, linestyle="--", linewidth=1.1)
        where = {"xy": (1.0, mean), "xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
        axes.annotate("demonstrator", **where, color=OTHER, fontsize=8.5)

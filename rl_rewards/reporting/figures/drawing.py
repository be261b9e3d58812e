"""What all figures share: colours, an Agg canvas without global state, axes of env steps, the footer, PNG bytes."""

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

# Okabe and Ito's palette: told apart with every common kind of colour blindness.
TRUE, LEARNED, GOALS, OTHER, ALARM = "#0072B2", "#D55E00", "#009E73", "#777777", "#B00020"
ALICE, BOB = "#CC79A7", "#E69F00"  # of the same palette: the two players of a game
FAILURE = "#ff2d55"
"""Of failures' marks on a map from dark blue to yellow."""
EARLY_TO_LATE = (("#f0b98d", ":"), ("#d87a2b", "--"), ("#6b2d00", "-"))
"""Colours and lines of three times: from light and dotted to dark and solid, training goes on."""
MANY_POINTS = 60  # beyond this a line has no markers
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
    """Where the numbers of a figure come from: one run, or several that differ in their seeds."""

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
    """One image of a figure; ``alt`` says in words what it shows."""

    png: bytes
    alt: str

    @property
    def source(self) -> str:
        """For an ``img`` element's ``src``: the image itself."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Drawing:
    """A figure of the page: pictures that share one title and caption."""

    title: str
    caption: str
    pictures: list[Picture]
    columns: int = 1  # beside each other on a wide screen


@contextmanager
def styled():
    """Matplotlib with this package's style, leaving the caller's settings alone."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def new_figure(
    width: float, height: float, panels: int = 1, heights: Sequence[float] | None = None
) -> "tuple[Figure, list[Axes]]":
    """``panels`` axes on top of each other with a common x; sizes in inches, ``heights`` relative to each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False, height_ratios=heights)
    return figure, list(axes[:, 0])


def to_picture(figure: "Figure", alt: str, origin: Origin, command: bool = True) -> Picture:
    """Add the footer and render: a figure copied out of the page still tells where it came from.

    Args:
        command: False for a small figure beside one that tells the command.
    """
    characters = int(figure.get_figwidth() * 72 / (FOOTER_POINTS * 0.52))
    text = footer(origin, characters, command)
    figure.supxlabel(text, fontsize=FOOTER_POINTS, color="#666666", x=0.01, ha="left")
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Picture(png=png.getvalue(), alt=alt)


def footer(origin: Origin, characters: int, command: bool = True) -> str:
    """Choices, seeds, env steps, commit and command, in lines of at most ``characters``; the command is cut."""
    lines = textwrap.wrap(origin.facts, characters)
    if command and origin.command:
        lines += textwrap.wrap(origin.command, characters, max_lines=2, placeholder=" ...")
    return "\n".join(plain(line) for line in lines)


def plain(text: Any) -> str:
    """Text that matplotlib must not read as mathematics."""
    return str(text).replace("$", r"\$")


def steps_axis(axes: "Axes", run: Origin) -> None:
    """Label the x axis in env steps (offline gradient steps), as 50k or 2M, from 0 to the end: alike in all charts."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.set_xlabel(run.steps_name.replace("env ", "environment "))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(0, max(run.env_steps, 1) * 1.04)


def finish_panels(run: Origin, panels: "Sequence[Axes]") -> None:
    """Env steps under the last of ``panels`` alone, and a legend for each."""
    steps_axis(panels[-1], run)
    for axes in panels:
        if axes is not panels[-1]:
            axes.set_xlabel("")
        legend(axes)


def share_axis(axes: "Axes") -> None:
    """Fix the y axis to 0 .. 1, with room for a line at either end."""
    axes.set_ylim(-0.04, 1.04)


def plot_line(axes: "Axes", points: tuple[Sequence[float], Sequence[float]], colour: str, **options: Any) -> bool:
    """Draw (env steps, values); False and nothing drawn if there are none."""
    steps, values = points
    if not values:
        return False
    options.setdefault("marker", "o" if len(values) <= MANY_POINTS else None)
    axes.plot(steps, values, color=colour, **options)
    return True


def legend(axes: "Axes") -> None:
    """Under the axes' title, never over the data; nothing for a single line."""
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0.1)
        axes.set_title(axes.get_title(loc="left"), loc="left", pad=22)


def legend_of_groups(axes: "Axes", columns: int = 3) -> None:
    """Above the axes, whatever the number of groups."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, borderaxespad=0.1)


def demonstrator_line(axes: "Axes", rows: Sequence[Row]) -> None:
    """Where a run learns from demonstrations: their mean true return, over seeds that may draw others."""
    shown = values(rows[-1], "eval/demo_return")
    if shown:
        mean = sum(shown) / len(shown)
        axes.axhline(mean, color=OTHER, linestyle="--", linewidth=1.1)
        where = {"xy": (1.0, mean), "xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
        axes.annotate("demonstrator", **where, color=OTHER, fontsize=8.5)

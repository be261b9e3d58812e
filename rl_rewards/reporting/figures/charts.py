"""Charts as HTML and inline SVG, drawn without Matplotlib: panels above one x axis, with labels beside their lines.

The page's script (charts.js) shows the values at the step under the pointer in all charts at once. Without it, each
label shows the last value of its line. Colours are names of the page's style, which differ between light and dark.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, Protocol

from rl_rewards.core.words import digits
from rl_rewards.reporting.figures.scales import WIDTH, Points, Scale, apart, around, thinned, tick_words

Colour = str
"""``NAME`` of a class ``c-NAME`` of style.css, such as ``true``; ``arm-1`` to ``arm-8`` are arms that share a panel."""
Line = Literal["solid", "dashed", "dotted", "discs", "rings"]
MARKS = ("discs", "rings")
SHARE = Scale(-0.03, 1.03)
"""The y axis of shares, with a margin for lines at either end."""
MOST_DOTS = 60  # a curve with more points has no dots
DASH = 7  # pixels
LABEL_HEIGHT, LABEL_CHARACTERS = 17, 20  # of a line of a label: pixels, and characters that fit


class Origin(Protocol):
    """The source of a figure's numbers: one run, or several that differ only in their seeds."""

    @property
    def env_steps(self) -> int: ...
    @property
    def steps_name(self) -> str: ...


@dataclass(frozen=True)
class Curve:
    """A line of a panel, or its marks."""

    points: Points
    label: str = ""
    colour: Colour = "other"
    line: Line = "solid"
    band: Points | None = None  # lower and upper ends
    dots: bool = True  # at the points of a short solid line
    faint: bool = False  # a thin line without a label: one of several seeds


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    name: str  # what the y axis measures, with its unit
    curves: Sequence[Curve]
    title: str = ""
    colour: Colour = ""  # of the title
    scale: Scale | None = None  # None: around all values
    from_zero: bool = False
    log: bool = False
    levels: Sequence[tuple[float, str]] = ()  # horizontal lines and their names
    moments: Sequence[tuple[float, str]] = ()  # vertical lines and their names
    height: int = 150  # pixels


@dataclass(frozen=True)
class Across:
    """The x axis that all panels of a chart share."""

    name: str
    scale: Scale
    steps: str = ""  # the unit of training's progress; charts with the same unit show the same step. Empty: no steps


@dataclass(frozen=True)
class Chart:
    """One chart of a figure; ``alt`` describes it in words."""

    html: str
    alt: str
    note: str = ""  # a caption of its own


def over_steps(run: Origin) -> Across:
    """Return the axis of training's progress, which is the same in all charts of a run."""
    return Across(
        run.steps_name.replace("env ", "environment "), Scale(0.0, float(max(run.env_steps, 1))), run.steps_name
    )


def chart(panels: Sequence[Panel], across: Across, alt: str, note: str = "") -> Chart:
    """Return the chart of ``panels``, one above the other."""
    of_steps = f' data-unit="{escape(across.steps)}" data-end="{across.scale.high:g}"' if across.steps else ""
    drawn = "".join(_panel(one, across, one is panels[-1]) for one in panels)
    name = f'<p class="across">{escape(across.name)}<b></b></p>'
    html = f'<div class="chart" role="group" aria-label="{escape(alt)}"{of_steps}>{drawn}{name}</div>'
    return Chart(html, alt, note)


def _panel(panel: Panel, across: Across, last: bool) -> str:
    scale = panel.scale or _scale(panel)
    equal = _equal(panel.curves)
    lines = [_svg(curve, i, equal, across.scale, scale, panel.height) for i, curve in enumerate(panel.curves)]
    bands = [_band(curve, across.scale, scale, panel.height) for curve in panel.curves if curve.band is not None]
    title = f'<p class="title c-{panel.colour or "ink"}">{escape(panel.title)}</p>' if panel.title else ""
    named = [curve.label for curve in panel.curves if curve.label]
    words = f"{panel.title or panel.name}{': ' if named else ''}{', '.join(named)}"
    labels = _labels(panel, equal, scale, bool(across.steps))
    return (
        f'<div class="panel">{title}<p class="y-name">{escape(panel.name)}</p>{_equal_words(panel.curves, equal)}'
        f'<div class="body" style="--h:{panel.height}px">{labels}<div class="plot">'
        f'<svg viewBox="0 0 {WIDTH} {panel.height}" preserveAspectRatio="none" role="img" aria-label="{escape(words)}">'
        f"{_grid(across.scale, scale, panel)}{''.join(bands)}{''.join(lines)}</svg>"
        f"{_names(panel, across, scale, last)}</div></div></div>"
    )


def _scale(panel: Panel) -> Scale:
    ends = [end for curve in panel.curves for end in (curve.band or ())]
    values = [y for ys in (*(curve.points[1] for curve in panel.curves), *ends) for y in ys]
    return around([*values, *(value for value, _ in panel.levels)], panel.from_zero, panel.log)


def _x(value: float, scale: Scale) -> str:
    return f"{WIDTH * scale.share(value):.1f}".removesuffix(".0")


def _y(value: float, scale: Scale, height: int) -> str:
    return f"{height * (1.0 - scale.share(value)):.1f}".removesuffix(".0")


def _path(points: Points, across: Scale, scale: Scale, height: int) -> str:
    return "L".join(f"{_x(x, across)} {_y(y, scale, height)}" for x, y in zip(*points, strict=True))


def _svg(curve: Curve, index: int, equal: dict[int, list[int]], across: Scale, scale: Scale, height: int) -> str:
    points = curve.points if curve.line in MARKS else thinned(curve.points)
    if not points[1]:
        return ""
    dots = "".join(f"M{_x(x, across)} {_y(y, scale, height)}h0" for x, y in zip(*points, strict=True))
    if curve.line in MARKS:
        inside = f'<path class="inside" d="{dots}"/>' if curve.line == "rings" else ""
        return f'<path class="marks c-{curve.colour}" d="{dots}"/>{inside}'
    style, kind = "", curve.line
    if index in equal:
        group = equal[index]
        dashes = f"{DASH} {DASH * (len(group) - 1)};stroke-dashoffset:{-DASH * group.index(index)}"
        style = f' style="stroke-dasharray:{dashes}"'
    line = "faint" if curve.faint else kind
    shape = f'<path class="line {line} c-{curve.colour}"{style} d="M{_path(points, across, scale, height)}"/>'
    if curve.faint or not curve.dots or len(points[1]) > MOST_DOTS or (kind != "solid" and len(points[1]) > 1):
        return shape
    return f'{shape}<path class="dots c-{curve.colour}" d="{dots}"/>'


def _band(curve: Curve, across: Scale, scale: Scale, height: int) -> str:
    steps, (low, high) = list(curve.points[0]), curve.band or ((), ())
    above = _path(thinned((steps, high)), across, scale, height)
    lower = thinned((steps, low))
    below = _path((list(lower[0])[::-1], list(lower[1])[::-1]), across, scale, height)
    return f'<path class="band c-{curve.colour}" d="M{above}L{below}Z"/>'


def _grid(across: Scale, scale: Scale, panel: Panel) -> str:
    h = panel.height
    lines = [f"M0 {_y(tick, scale, h)}H{WIDTH}" for tick in scale.ticks()]
    lines += [f"M{_x(tick, across)} 0V{h}" for tick in across.ticks(5)]
    levels = "".join(f'<path class="level" d="M0 {_y(value, scale, h)}H{WIDTH}"/>' for value, _ in panel.levels)
    moments = "".join(f'<path class="moment" d="M{_x(at, across)} 0V{h}"/>' for at, _ in panel.moments)
    return f'<path class="grid" d="{"".join(lines)}"/>{levels}{moments}'


def _names(panel: Panel, across: Across, scale: Scale, last: bool) -> str:
    """Return the texts inside and beside the plot: ticks, and the names of horizontal and vertical lines."""
    ticks, found = scale.ticks(), []
    for tick, words in zip(ticks, tick_words(ticks), strict=True):
        found.append(f'<span class="tick y" style="top:{100 * (1 - scale.share(tick)):.1f}%">{words}</span>')
    if last:
        along = across.scale.ticks(5)
        for tick, words in zip(along, tick_words(along), strict=True):
            found.append(f'<span class="tick x" style="left:{100 * across.scale.share(tick):.1f}%">{words}</span>')
    for value, words in panel.levels:
        if words:
            found.append(
                f'<span class="level" style="top:{100 * (1 - scale.share(value)):.1f}%">{escape(words)}</span>'
            )
    for at, words in panel.moments:
        place = across.scale.share(at)
        side = " left" if place > 0.7 else ""
        if words:
            found.append(f'<span class="moment{side}" style="left:{100 * place:.1f}%">{escape(words)}</span>')
    return "".join(found)


def _labels(panel: Panel, equal: dict[int, list[int]], scale: Scale, valued: bool) -> str:
    """Return the labels of all curves; with values they also show the last one, or the one under the pointer."""
    shown = [(i, curve) for i, curve in enumerate(panel.curves) if not curve.faint and len(curve.points[1])]
    shown = [(i, curve) for i, curve in shown if curve.label or valued]
    if not shown:
        return ""
    heights = [LABEL_HEIGHT * max(1, -(-len(f"-- {curve.label} 0.000") // LABEL_CHARACTERS)) for _, curve in shown]
    wanted = [panel.height * (1.0 - scale.share(curve.points[1][-1])) for _, curve in shown]
    centres = apart(wanted, heights, panel.height)
    texts = [_label(c, i in equal, y, valued) for (i, c), y in zip(shown, centres, strict=True)]
    return f'<div class="ends">{"".join(texts)}</div>'


def _label(curve: Curve, equal: bool, centre: float, valued: bool) -> str:
    line = "dashed" if equal else curve.line
    sample = f'<i class="{line} c-{curve.colour}"></i>'
    if curve.line in MARKS or not valued:
        return f'<span class="end" style="--y:{centre:.0f}px">{sample}{escape(curve.label)}</span>'
    x, y = thinned(curve.points)
    data = json.dumps([[_short(value) for value in x], [_short(value) for value in y]], separators=(",", ":"))
    last = digits(float(y[-1]))
    label = f"{escape(curve.label)} " if curve.label else ""
    return f'<span class="end" style="--y:{centre:.0f}px" data-points="{data}">{sample}{label}<b>{last}</b></span>'


def _short(value: float) -> float | int:
    """Return a value with seven significant digits, in few characters."""
    short = float(f"{value:.7g}")
    return int(short) if short == int(short) else short


def _equal(curves: Sequence[Curve]) -> dict[int, list[int]]:
    """Return the groups of curves that lie on each other, by the index of each of their curves."""
    groups: dict[tuple, list[int]] = {}
    for i, curve in enumerate(curves):
        if not curve.faint and len(curve.points[1]) > 1 and curve.line not in MARKS:
            key = tuple((float(x), float(f"{y:.6g}")) for x, y in zip(*curve.points, strict=True))
            groups.setdefault(key, []).append(i)
    return {i: group for group in groups.values() if len(group) > 1 for i in group}


def _equal_words(curves: Sequence[Curve], equal: dict[int, list[int]]) -> str:
    groups = list({tuple(group): None for group in equal.values()})
    sentences = [
        f"{', '.join(curves[i].label for i in group[:-1])} and {curves[group[-1]].label} are equal; their dashes "
        "alternate."
        for group in groups
    ]
    return f'<p class="equal">{escape(" ".join(sentences))}</p>' if sentences else ""

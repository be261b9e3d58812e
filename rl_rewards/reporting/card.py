"""A run as a card for notebooks: what was run, its outcome, small curves as inline SVG, and a link to its page."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from rl_rewards.core.seed_rows import steps, values
from rl_rewards.core.words import digits, short_count
from rl_rewards.reporting.arms import seeds_in_words
from rl_rewards.reporting.figures.drawing import LEARNED, TRUE
from rl_rewards.reporting.figures.scales import Scale, thinned
from rl_rewards.reporting.outcome import verdict
from rl_rewards.reporting.run_files import Row, RunFiles

WIDTH, HEIGHT = 250, 96  # pixels of the area of a curve
LEFT, TOP, BELOW = 46, 20, 18  # pixels around it, for its numbers and names
CURVES = (
    ("eval/success", "true success", TRUE),
    ("eval/true_return", "true return", TRUE),
    ("eval/learned_return", "learned return", LEARNED),
)
MOST_CURVES = 2
"""Success is shown before the true return, which says the same where there are both."""


class _Curve(NamedTuple):
    name: str
    colour: str
    steps: list[int]
    seeds: list[list[float]]  # for each step the values of all seeds
    unit: str


def title_of(run: RunFiles) -> str:
    """Return what was run: the choices and the seeds."""
    env, reward, algorithm = run.choices
    seeds = f"seed{'s' * (run.num_seeds > 1)} {seeds_in_words(run.seeds)}"
    return f"{reward} on {env} with {algorithm}, {seeds}"


def outcome_of(run: RunFiles) -> str:
    """Return a sentence about what the run reached and kept, or why it has no outcome."""
    if run.status == "FAILED":
        return f"Failed: {run.outcome.get('error', 'the reason is unknown')}"
    told = verdict(run.evaluation_rows, run.seeds[0], ended=run.status == "DONE")
    return "Nothing was evaluated." if told is None else f"{told}."


def card(run: RunFiles, report: Path | None) -> str:
    """Return the card as HTML without external parts, in the colours of the page that it is put into.

    Args:
        report: the path of the run's page; None if there is none.
    """
    curves = [_curve(run.evaluation_rows, *one) for one in CURVES]
    shown = [curve for curve in curves if curve is not None]
    if len(shown) > MOST_CURVES:
        shown = [shown[0], shown[-1]]
    done = f"{run.env_steps:,} {run.steps_name}" + ("" if run.status == "DONE" else f", {run.status.lower()}")
    opened = "" if report is None else f'href="{escape(_address(report))}" target="_blank" style="color:inherit"'
    link = f" · <a {opened}>report</a>" if opened else ""
    return (
        '<div style="border:1px solid #8886;border-radius:6px;padding:.7em 1em;max-width:46em">'
        f"<div><b>{escape(title_of(run))}</b></div>"
        f'<div style="margin:.35em 0 .6em">{escape(outcome_of(run))}</div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:.4em 1.6em">{"".join(map(_svg, shown))}</div>'
        f'<div style="opacity:.75;font-size:90%">{done} · {escape(str(run.path))}{link}</div>'
        "</div>"
    )


def _address(path: Path) -> str:
    """Return the address of a file for a link: relative to the current folder, where notebooks are, if it is below."""
    whole, here = path.absolute(), Path.cwd()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.as_uri()


def _curve(rows: Sequence[Row], key: str, name: str, colour: str) -> _Curve | None:
    found = [(*steps(row), values(row, key)) for row in rows if values(row, key)]
    if not found:
        return None
    return _Curve(name, colour, [count for count, _, _ in found], [each for _, _, each in found], found[0][1])


def _svg(curve: _Curve) -> str:
    """Return one small axis with a thin line for each seed and their mean."""
    everything = [value for each in curve.seeds for value in each]
    low, high = (0.0, 1.0) if curve.name == "true success" else (min(*everything, 0.0), max(*everything, 0.0))
    high = high if high > low else low + 1.0
    last = max(curve.steps[-1], 1)
    across, upwards = Scale(0.0, last), Scale(low, high)

    def line(points: Sequence[float], style: str) -> str:
        place = " ".join(
            f"{LEFT + WIDTH * across.share(count):.1f},{TOP + HEIGHT * (1.0 - upwards.share(value)):.1f}"
            for count, value in zip(*thinned((curve.steps, points)), strict=True)
        )
        return f'<polyline points="{place}" fill="none" stroke="{curve.colour}" {style}/>'

    means = [sum(each) / len(each) for each in curve.seeds]
    count = min(len(each) for each in curve.seeds)
    thin = [line([each[i] for each in curve.seeds], 'stroke-opacity=".35"') for i in range(count) if count > 1]
    mean = line(means, 'stroke-width="2"')
    bottom, right = TOP + HEIGHT, LEFT + WIDTH
    words = [
        _text(LEFT, TOP - 8, curve.name, f'fill="{curve.colour}" font-weight="600"'),
        _text(LEFT - 5, TOP + 4, digits(high), 'text-anchor="end"'),
        _text(LEFT - 5, bottom + 4, digits(low), 'text-anchor="end"'),
        _text(right, bottom + 14, f"{short_count(last)} {curve.unit}", 'text-anchor="end"'),
        _text(LEFT, bottom + 14, "0", ""),
    ]
    label = f"{curve.name}: from {digits(means[0])} to {digits(means[-1])} at {last:,} {curve.unit}"
    size = f'width="{right + 4}" height="{bottom + BELOW}" viewBox="0 0 {right + 4} {bottom + BELOW}"'
    return (
        f'<svg {size} role="img" aria-label="{escape(label)}" font-size="11" fill="currentColor">'
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="currentColor" stroke-opacity=".5"/>'
        f"{''.join([*thin, mean, *words])}</svg>"
    )


def _text(x: float, y: float, text: Any, style: str) -> str:
    return f'<text x="{x}" y="{y}" {style}>{escape(str(text))}</text>'

"""The figure of ``driving_design``: exploits and collisions of every rung."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rl_rewards.lecture.preferences.driving_design.outcome import ARMS, CHALLENGE_MILES, EXPLOITS
from rl_rewards.reporting.figures.drawing import ALARM, TRUE, styled
from rl_rewards.studies.drawing import canvas, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def drawn(details: Mapping[str, Any], path: Path) -> None:
    """Draw the table of exploits, and collisions per mile beside it."""
    with styled():
        figure = canvas(9.9, 4.4)
        left, right = figure.subplots(1, 2, width_ratios=(2.1, 1.0), sharey=True)
        _draw_table(left, details)
        _draw_collisions(right, details["table"])
        save(figure, path)


def _draw_table(axes: "Axes", details: Mapping[str, Any]) -> None:
    rows, columns = details["table"], [*EXPLOITS]
    shares = np.array([[row[name][0] for name in columns] for row in rows.values()])
    axes.imshow(np.sqrt(shares), cmap="OrRd", vmin=0.0, vmax=1.0, aspect="auto")
    for (i, j), share in np.ndenumerate(shares):
        text = f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
        axes.text(j, i, text, ha="center", va="center", color="white" if share > 0.5 else "black", fontsize=9.5)
    for name, one in details["exploits"].items():
        i, j = [*rows].index(one["fix"]), columns.index(name)
        axes.plot([j - 0.5, j + 0.5], [i - 0.5] * 2, color=TRUE, linewidth=3.0, solid_capstyle="butt")
    axes.set_xticks(range(len(columns)), [_wrapped(EXPLOITS[name]) for name in columns], fontsize=9)
    axes.set_yticks(
        range(len(rows)), [f"{ARMS[arm]}\n{row['speed'][0]:.0f} m/s" for arm, row in rows.items()], fontsize=9
    )
    axes.set_title("Share of time; a blue line: here its fix was added")
    axes.grid(visible=False)
    axes.tick_params(length=0)


def _wrapped(words: str) -> str:
    first, _, rest = words.partition(" ")
    return f"{first}\n{rest}"


def _draw_collisions(axes: "Axes", rows: Mapping[str, Mapping[str, Any]]) -> None:
    target = 1e3 / CHALLENGE_MILES
    for i, row in enumerate(rows.values()):
        low, high = (1e3 * row["collisions_a_mile"][side] for side in ("low", "high"))
        axes.plot([max(low, 0.3 * target), high], [i, i], color="black", linewidth=1.2)
        if row["collisions"]:
            axes.plot(1e3 * row["collisions_a_mile"]["rate"], i, "o", color="black")
        each = [1e3 * one["rate"] for one in row["collisions_a_mile_of_seeds"] if one["rate"] > 0.0]
        axes.plot(each, [i] * len(each), "o", color="black", alpha=0.25, markersize=3.5, markeredgewidth=0.0)
        words = f"{row['collisions']:,} in {row['miles']:,.0f} miles"
        axes.text(target * 1.5, i - 0.2, words, fontsize=8, va="center")
    axes.axvline(target, color=ALARM, linestyle="--", linewidth=1.2)
    axes.text(target * 1.5, len(rows) - 0.62, "one in a million miles", color=ALARM, fontsize=8, va="center")
    axes.set_xscale("log")
    axes.set_xlim(0.3 * target, 2e3)
    axes.set_xlabel("in a thousand miles, 95% bounds")
    axes.set_title("Collisions; pale: each seed")

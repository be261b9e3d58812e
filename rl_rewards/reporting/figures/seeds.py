"""The figure of all seeds of a run over training: a thin line per seed, and their mean with its interval."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rl_rewards.core.intervals import METHOD, mean_interval
from rl_rewards.core.seed_rows import Row, values
from rl_rewards.reporting.figures.drawing import (
    ALICE,
    BOB,
    GOALS,
    LEARNED,
    OTHER,
    TRUE,
    Drawing,
    Origin,
    demonstrator_line,
    new_figure,
    plain,
    share_axis,
    steps_axis,
    styled,
    to_picture,
)
from rl_rewards.reporting.metric_names import of_source

if TYPE_CHECKING:
    from matplotlib.axes import Axes


TRUE_KEYS = ("eval/success", "eval/true_return")


def is_game(row: Row) -> bool:
    """Return True for the row of an evaluation in which Alice and Bob played."""
    return bool(values(row, "eval/alice_return"))


def seeds_figure(run: Origin, rows: Sequence[Row]) -> Drawing | None:
    """Return the figure of the true outcome and the learned reward over training; None if nothing was evaluated."""
    if not rows:
        return None
    shown = "the players' rewards" if is_game(rows[-1]) else "learned reward"
    true_key = next((key for key in TRUE_KEYS if any(values(row, key) for row in rows)), None)
    title, about = f"{shown} beside the true outcome", f"True outcome and {shown}"
    if true_key is None:
        title = about = shown
    panels = [*([] if true_key is None else [(true_key, TRUE, "True outcome")]), *_beside(rows)]
    if not any(values(row, key) for row in rows for key, *_ in panels):
        return None
    with styled():
        figure, axes = new_figure(5.6, 1.0 + 2.0 * len(panels), panels=len(panels))
        for axis, (key, colour, name) in zip(axes, panels, strict=True):
            draw_seeds(axis, rows, key, colour)
            axis.set_title(name, color=colour)
            axis.set_ylabel(key.rpartition("/")[2].removeprefix("game_").replace("_", " "))
            if key.endswith(("/success", "/game_reached", "/coverage")):
                share_axis(axis)
        if true_key == "eval/true_return":
            demonstrator_line(axes[0], rows)
        steps_axis(axes[-1], run)
        alt = f"{about[0].upper()}{about[1:]} over environment steps, a thin line per seed and their mean."
        caption = f"Each thin line is a seed, the thick line their mean, and the band its interval ({METHOD})."
        return Drawing(f"{title[0].upper()}{title[1:]}, all seeds", caption, [to_picture(figure, alt, run)])


def _beside(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Return the metrics that are drawn beside the true outcome, with their colours and titles."""
    if is_game(rows[-1]):
        return [
            ("eval/game_reached", OTHER, "Share of Alice's goals that Bob reaches"),
            ("eval/alice_return", ALICE, "Alice's return per game"),
            ("eval/bob_return", BOB, "Bob's return per game"),
        ]
    covered = of_source(rows, "coverage").items()
    unpaid = [("eval/unpaid_return", OTHER, "Return under the parts with weight 0")]
    return [
        ("eval/learned_reward_final", LEARNED, "Learned reward of final states"),
        *(unpaid if any(values(row, "eval/unpaid_return") for row in rows) else []),
        *((key, GOALS, plain(f"Share of cells visited{f' ({part})' if part else ''}")) for part, key in covered),
    ]


def draw_seeds(axes: "Axes", rows: Sequence[Row], key: str, colour: str) -> None:
    """Draw a thin line per seed, a thick line for their mean, and a band for its interval."""
    count = max((len(values(row, key)) for row in rows), default=0)
    complete = [row for row in rows if len(values(row, key)) == count > 0]
    if not complete:
        return
    steps = [row["env_steps"] for row in complete]
    lines = np.array([values(row, key) for row in complete])  # [evaluations, S]
    if count > 1:
        axes.plot(steps, lines, color=colour, linewidth=0.7, alpha=0.35)
    middle = np.array([mean_interval(list(line)) for line in lines])
    axes.plot(steps, middle[:, 0], color=colour, linewidth=2.2)
    if count > 1:
        axes.fill_between(steps, middle[:, 1], middle[:, 2], color=colour, alpha=0.18, linewidth=0)

"""Figures of the games of Alice and Bob over training: returns, moves, and the goals that Bob reaches."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rl_rewards.reporting.evaluation_parts import Games
from rl_rewards.reporting.figures.drawing import (
    ALICE,
    BOB,
    EARLY_TO_LATE,
    GOALS,
    OTHER,
    Drawing,
    finish_panels,
    legend_of_groups,
    new_figure,
    plot_line,
    share_axis,
    to_picture,
)
from rl_rewards.reporting.figures.true_outcome import draw_true
from rl_rewards.reporting.run_files import RunFiles, number, series
from rl_rewards.reporting.verdict import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 8
_FORMS = {
    "time": "Bob pays for each of his moves, and Alice earns the same amount for each move that he needs beyond hers. "
    "If Bob is far below 0 and Alice far above, she sets goals that he cannot reach. If Alice is at 0, he is as fast "
    "as she is, because her goals are next to him or because there is nothing left to learn.",
    "win": "Alice gets 1 for a goal that Bob fails and loses 1 for one that he reaches; for Bob it is the opposite. "
    "Both near 0 is an even match. If Alice is near 1, she sets goals that he cannot reach; if she is near -1, nothing "
    "is left to learn.",
}
_PANELS = (
    ("moves", (("reward/t_alice", "Alice", ALICE), ("reward/t_bob", "Bob", BOB))),
    ("distance of the goal", (("reward/goal_distance", "distance", OTHER),)),
    (
        "share reached",
        (("reward/bob_success", "Alice's goals", BOB), ("reward/task_success", "the task", GOALS)),
    ),
    ("objects changed", (("reward/touched", "changed", OTHER),)),
)
DRAWN_HERE = {"reward/games", "reward/task_episodes"}.union(name for _, lines in _PANELS for name, *_ in lines)


def players_figure(run: RunFiles) -> Drawing | None:
    """Return the figure of both players' returns beside success on the task; None if the run was never evaluated."""
    rows = run.evaluation_rows
    if not rows:
        return None
    figure, (top, bottom) = new_figure(5.6, 5.0, panels=2)
    true_name = draw_true(run, rows, top)
    for name, colour in (("Alice", ALICE), ("Bob", BOB)):
        plot_line(bottom, series(rows, f"eval/{name.lower()}_return"), colour, label=name)
    bottom.axhline(0.0, color=OTHER, linewidth=0.8)
    bottom.set_ylabel("return per game")
    bottom.set_title("Returns of the players in their games")
    finish_panels(run, [top, bottom])
    reward = run.config.get("reward")
    settings = reward if isinstance(reward, Mapping) else {}
    caption = (
        f"Above: {true_name}, when Bob does the task. Below: the reward of a game, summed over a player's moves. "
        f"{_FORMS.get(str(settings.get('form')), '')} The lines below say nothing about the task: both players can do "
        "well in their games while Bob fails the task, if Alice's goals differ from what the task requires."
    )
    share = number(settings.get("target_fraction"))
    if share == 1.0:
        caption += " In this run they play in evaluation only: Bob is trained on the task, and Alice is not trained."
    if share == 0.0:
        caption += (
            " In this run Bob is never trained on the task (reward.target_fraction=0): the line above shows what he "
            "does without a goal, and if it is low, it says little about what he has learned."
        )
    alt = "Two charts over environment steps: the true outcome on the task; the returns of Alice and Bob in games."
    return Drawing("The players' rewards beside the true outcome", caption, [to_picture(figure, alt, run)])


def course_figure(run: RunFiles) -> Drawing | None:
    """Return the figure of the games in training: moves, distance of the goals, share reached; None without games."""
    panels = [panel for panel in _PANELS if any(series(run.rows, name)[0] for name, *_ in panel[1])]
    if not panels:
        return None
    figure, axes = new_figure(5.6, 1.2 + 1.55 * len(panels), panels=len(panels))
    for axis, (unit, lines) in zip(axes, panels, strict=True):
        for name, label, colour in lines:
            plot_line(axis, series(run.rows, name), colour, label=label, linewidth=1.5)
        axis.set_ylabel(unit)
        if unit.startswith("share"):
            share_axis(axis)
        else:
            axis.set_ylim(bottom=0.0)
    finish_panels(run, axes)
    caption = (
        f"Means over the games of each round{_how_many(run)}: the moves of Alice and Bob in a game; the distance from "
        "Bob's start to Alice's goal, in the units of the goal; and the share of her goals that he reaches, including "
        "goals at which he begins. Healthy play keeps Bob's share between 0 and 1 while the goals move away. Three "
        "patterns are suspicious: a share near 0 (he cannot reach the goals), a share that stays near 1 (nothing is "
        "left to learn), and a distance that falls to 0 (Alice sets goals where he already is)."
    )
    if any(unit.startswith("objects") for unit, _ in panels):
        caption += " The last chart counts the objects that Alice changed: near 0, she only walks about."
    alt = "Charts over environment steps: moves of Alice and Bob, distance of goals, share of goals reached."
    return Drawing("The games over training", caption, [to_picture(figure, alt, run)])


def _how_many(run: RunFiles) -> str:
    counts = [series(run.rows[-1:], f"reward/{name}")[1] for name in ("games", "task_episodes")]
    if not all(counts):
        return ""
    return f" ({counts[0][0]:,.0f} games and {counts[1][0]:,.0f} task episodes in total)"


def distance_figure(run: RunFiles) -> Drawing | None:
    """Return the figure of the share of goals that Bob reaches, by distance and third of training; None without any."""
    if run.games is None:
        return None
    thirds = [(name, games) for name, games in _thirds(run.games, run.env_steps) if games.distance.size]
    asked = [(name, games, games.where(~_trivial(games))) for name, games in thirds]
    if not any(games.distance.size for *_, games in asked):
        return None
    farthest = max(games.distance.max() for *_, games in asked if games.distance.size)
    edges = np.linspace(0.0, farthest * (1.0 + 1e-6), BINS + 1)
    figure, (axes, counts) = new_figure(5.6, 4.8, panels=2, heights=(3.0, 1.0))
    styles = dict(zip(_NAMES, EARLY_TO_LATE, strict=True))
    for i, (name, _, games) in enumerate(asked):
        colour, line = styles[name]
        aside = (i - 1) * 0.012 * farthest  # keeps the intervals from hiding each other
        label = f"{name} ({games.distance.size:,} games)"
        _draw_shares(axes, counts, games, edges, aside, color=colour, linestyle=line, label=label)
    share_axis(axes)
    axes.set_ylabel("share of goals reached")
    counts.set_ylabel("games")
    counts.set_ylim(bottom=0.0)
    counts.set_xlabel("distance of the goal from where Bob begins")
    legend_of_groups(axes, columns=2)
    trivial = ", ".join(f"{np.mean(_trivial(games)):.0%} in the {name}" for name, games, _ in asked)
    caption = (
        "Evaluation games by the distance from Bob's start to Alice's goal, in each third of training, with 95% Wilson "
        f"intervals over games. Goals at which Bob began are left out ({trivial}). Bob has learned something if later "
        "lines lie above earlier ones at the same distance; Alice has, if later games are farther to the right. Where "
        "the line is at 0, he cannot reach the goals. If many goals are left out, Alice has given up."
    )
    alt = "Share of goals that Bob reaches by distance, in three thirds of training, with the number of games."
    return Drawing("How far Bob gets", caption, [to_picture(figure, alt, run)])


_NAMES = ("first third", "middle third", "last third")


def _thirds(games: Games, env_steps: int) -> list[tuple[str, Games]]:
    part = np.clip(3 * games.env_steps // max(env_steps + 1, 1), 0, 2)
    return [(name, games.where(part == i)) for i, name in enumerate(_NAMES)]


def _trivial(games: Games) -> np.ndarray:
    """Return True where Bob began at the goal, [M] bool."""
    return games.reached & (games.t_bob == 0)


def _draw_shares(
    axes: "Axes", counts: "Axes", games: Games, edges: Sequence[float] | np.ndarray, aside: float, **options
) -> None:
    """Draw the share of goals reached with its interval, and the number of games, for each bin of distance."""
    which = np.digitize(games.distance, edges) - 1
    shown = [i for i in range(len(edges) - 1) if np.any(which == i)]
    number_of = np.array([np.sum(which == i) for i in shown])
    shares = np.array([np.mean(games.reached[which == i]) for i in shown])
    middles = np.array([np.mean(games.distance[which == i]) for i in shown]) + aside
    if not shown:
        return
    low, high = np.array([wilson_interval(share, n) for share, n in zip(shares, number_of, strict=True)]).T
    errors = np.clip([shares - low, high - shares], 0.0, None)
    axes.errorbar(middles, shares, yerr=errors, marker="o", capsize=2, linewidth=1.6, elinewidth=1.0, **options)
    counts.plot(middles, number_of, marker="o", markersize=3, color=options["color"], linestyle=options["linestyle"])

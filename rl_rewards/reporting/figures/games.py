"""The games of Alice and Bob over training: what each is paid, how long they take, and how far Bob gets."""

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
    "time": "Bob pays for every move that he needs, and Alice earns the same for those that he needs beyond hers. Bob "
    "far below 0 and Alice far above: she sets goals that he cannot reach. Alice at 0: he is as quick as she, because "
    "her goals are next to him or because there is nothing left to learn.",
    "win": "Alice gets 1 for a goal that Bob fails and loses 1 for one that he reaches; Bob the opposite. Both near 0 "
    "is an even match. Alice near 1: she sets goals that he cannot reach; near -1: there is nothing left to learn.",
}
_PANELS = (
    ("moves", (("reward/t_alice", "Alice", ALICE), ("reward/t_bob", "Bob", BOB))),
    ("distance of the goal", (("reward/goal_distance", "distance", OTHER),)),
    (
        "share reached",
        (("reward/bob_success", "Alice's goals", BOB), ("reward/task_success", "the task", GOALS)),
    ),
    ("things touched", (("reward/touched", "touched", OTHER),)),
)
DRAWN_HERE = {"reward/games", "reward/task_episodes"}.union(name for _, lines in _PANELS for name, *_ in lines)


def players_figure(run: RunFiles) -> Drawing | None:
    """What both players are paid, beside success on the task."""
    rows = run.evaluation_rows
    if not rows:
        return None
    figure, (top, bottom) = new_figure(5.6, 5.0, panels=2)
    true_name = draw_true(run, rows, top)
    for name, colour in (("Alice", ALICE), ("Bob", BOB)):
        plot_line(bottom, series(rows, f"eval/{name.lower()}_return"), colour, label=name)
    bottom.axhline(0.0, color=OTHER, linewidth=0.8)
    bottom.set_ylabel("return per game")
    bottom.set_title("What the players are paid in their games")
    finish_panels(run, [top, bottom])
    reward = run.config.get("reward")
    settings = reward if isinstance(reward, Mapping) else {}
    caption = (
        f"Above: {true_name}, when Bob is given the task. Below: the reward of a game, summed over a player's moves. "
        f"{_FORMS.get(str(settings.get('form')), '')} Neither line below tells of the task: both players can do well "
        "at their games while Bob fails the task, if the goals that Alice sets are not what the task asks for."
    )
    share = number(settings.get("target_fraction"))
    if share == 1.0:
        caption += " In this run both play in evaluation alone: Bob is trained on the task, and Alice is not trained."
    if share == 0.0:
        caption += (
            " In this run Bob is never trained on the task (reward.target_fraction=0): above is what he happens to do "
            "when he is shown no goal, and a low line there says little about what he has learned."
        )
    alt = "Two charts over environment steps: the true outcome on the task; the returns of Alice and Bob in games."
    return Drawing("The players' rewards beside the true outcome", caption, [to_picture(figure, alt, run)])


def course_figure(run: RunFiles) -> Drawing | None:
    """Moves of both, distance of the goals, and what share Bob reaches, in training."""
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
        f"Means over the games of each round{_how_many(run)}. The moves of a game, Alice's and then Bob's; how far her "
        "goal is from where he begins, in the units of the goal; the share of her goals that he reaches, a goal that "
        "he already stands on among them. Healthy play keeps Bob's share between the extremes while the goals move "
        "away. Suspicious: a share near 0 (goals he cannot reach), a share near 1 for long (nothing left to learn), or "
        "a distance that falls to nothing (Alice sets goals where he already is)."
    )
    if any(unit.startswith("things") for unit, _ in panels):
        caption += " Below, how many things in the world Alice changed on her way: near 0, she only walks about."
    alt = "Charts over environment steps: moves of Alice and Bob, distance of goals, share of goals reached."
    return Drawing("The games over training", caption, [to_picture(figure, alt, run)])


def _how_many(run: RunFiles) -> str:
    counts = [series(run.rows[-1:], f"reward/{name}")[1] for name in ("games", "task_episodes")]
    if not all(counts):
        return ""
    return f" ({counts[0][0]:,.0f} games and {counts[1][0]:,.0f} task episodes in all)"


def distance_figure(run: RunFiles) -> Drawing | None:
    """Share of goals that Bob reaches by their distance, in three parts of training."""
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
        aside = (i - 1) * 0.012 * farthest  # so that intervals do not hide each other
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
        "Games played in evaluation, by how far Alice's goal is from where Bob begins, in the three thirds of "
        "training, with 95% Wilson intervals over games. Left out are goals that Bob already stood on when he began "
        f"({trivial}). Bob has learned something when later lines lie above earlier ones at the same distance; Alice, "
        "when later games are farther to the right. A line at 0 beyond some distance: goals out of his reach. Many "
        "goals left out: Alice has given up."
    )
    alt = "Share of goals that Bob reaches by distance, in three thirds of training, with the number of games."
    return Drawing("How far Bob gets", caption, [to_picture(figure, alt, run)])


_NAMES = ("first third", "middle third", "last third")


def _thirds(games: Games, env_steps: int) -> list[tuple[str, Games]]:
    part = np.clip(3 * games.env_steps // max(env_steps + 1, 1), 0, 2)
    return [(name, games.where(part == i)) for i, name in enumerate(_NAMES)]


def _trivial(games: Games) -> np.ndarray:
    """Whether Bob had nothing to do [M] bool."""
    return games.reached & (games.t_bob == 0)


def _draw_shares(
    axes: "Axes", counts: "Axes", games: Games, edges: Sequence[float] | np.ndarray, aside: float, **options
) -> None:
    """Per bin of distance the share reached with its interval, and the number of games."""
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

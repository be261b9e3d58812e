"""Figures of the games of Alice and Bob over training: returns, moves, and the goals that Bob reaches."""

from collections.abc import Mapping

import numpy as np

from rl_rewards.reporting.evaluation_parts import Games
from rl_rewards.reporting.figures.charts import SHARE, Across, Curve, Panel, chart, over_steps
from rl_rewards.reporting.figures.drawing import Drawing
from rl_rewards.reporting.figures.scales import Scale
from rl_rewards.reporting.figures.true_outcome import true_panel
from rl_rewards.reporting.run_files import RunFiles, number, series
from rl_rewards.reporting.verdict import wilson_interval

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
    ("moves", (("reward/t_alice", "Alice", "alice"), ("reward/t_bob", "Bob", "bob"))),
    ("distance of the goal", (("reward/goal_distance", "distance", "other"),)),
    (
        "share reached",
        (("reward/bob_success", "Alice's goals", "bob"), ("reward/task_success", "the task", "goals")),
    ),
    ("objects changed", (("reward/touched", "changed", "other"),)),
)
DRAWN_HERE = {"reward/games", "reward/task_episodes"}.union(name for _, lines in _PANELS for name, *_ in lines)


def players_figure(run: RunFiles) -> Drawing | None:
    """Return the figure of both players' returns beside success on the task; None if the run was never evaluated."""
    rows = run.evaluation_rows
    if not rows:
        return None
    top, true_name = true_panel(run, rows)
    players = [(name, series(rows, f"eval/{name.lower()}_return")) for name in ("Alice", "Bob")]
    curves = [Curve(points, name, name.lower()) for name, points in players if points[1]]
    bottom = Panel("return per game", curves, "Returns of the players in their games", levels=[(0.0, "")])
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
    return Drawing(
        "The players' rewards beside the true outcome", caption, [chart([top, bottom], over_steps(run), alt)]
    )


def course_figure(run: RunFiles) -> Drawing | None:
    """Return the figure of the games in training: moves, distance of the goals, share reached; None without games."""
    panels = []
    for unit, lines in _PANELS:
        found = [(label, colour, series(run.rows, name)) for name, label, colour in lines]
        curves = [Curve(points, label, colour) for label, colour, points in found if points[1]]
        if curves:
            share = SHARE if unit.startswith("share") else None
            panels.append(Panel(unit, curves, scale=share, from_zero=True, height=120))
    if not panels:
        return None
    caption = (
        f"Means over the games of each round{_how_many(run)}: the moves of Alice and Bob in a game; the distance from "
        "Bob's start to Alice's goal, in the units of the goal; and the share of her goals that he reaches, including "
        "goals at which he begins. Healthy play keeps Bob's share between 0 and 1 while the goals move away. Three "
        "patterns are suspicious: a share near 0 (he cannot reach the goals), a share that stays near 1 (nothing is "
        "left to learn), and a distance that falls to 0 (Alice sets goals where he already is)."
    )
    if any(panel.name.startswith("objects") for panel in panels):
        caption += " The last chart counts the objects that Alice changed: near 0, she only walks about."
    alt = "Charts over environment steps: moves of Alice and Bob, distance of goals, share of goals reached."
    return Drawing("The games over training", caption, [chart(panels, over_steps(run), alt)])


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
    binned = [(name, games.distance.size, *_shares(games, edges)) for name, _, games in asked]
    shares = [
        Curve((middles, share), f"{name} ({size:,} games)", style, band=ends)
        for (name, size, middles, share, ends, _), style in zip(binned, _STYLES, strict=True)
        if middles
    ]
    counts = [
        Curve((middles, count), "", style)
        for (_, _, middles, _, _, count), style in zip(binned, _STYLES, strict=True)
        if middles
    ]
    panels = [
        Panel("share of goals reached", shares, scale=SHARE, height=200),
        Panel("games", counts, from_zero=True, height=70),
    ]
    across = Across("distance of the goal from where Bob begins", Scale(0.0, float(farthest) or 1.0))
    trivial = ", ".join(f"{np.mean(_trivial(games)):.0%} in the {name}" for name, games, _ in asked)
    caption = (
        "Evaluation games by the distance from Bob's start to Alice's goal, in each third of training, with 95% Wilson "
        f"intervals over games. Goals at which Bob began are left out ({trivial}). Bob has learned something if later "
        "lines lie above earlier ones at the same distance; Alice has, if later games are farther to the right. Where "
        "the line is at 0, he cannot reach the goals. If many goals are left out, Alice has given up."
    )
    alt = "Share of goals that Bob reaches by distance, in three thirds of training, with the number of games."
    return Drawing("How far Bob gets", caption, [chart(panels, across, alt)])


_NAMES = ("first third", "middle third", "last third")
_STYLES = ("early", "middle", "late")


def _thirds(games: Games, env_steps: int) -> list[tuple[str, Games]]:
    part = np.clip(3 * games.env_steps // max(env_steps + 1, 1), 0, 2)
    return [(name, games.where(part == i)) for i, name in enumerate(_NAMES)]


def _trivial(games: Games) -> np.ndarray:
    """Return True where Bob began at the goal, [M] bool."""
    return games.reached & (games.t_bob == 0)


def _shares(games: Games, edges: np.ndarray) -> tuple[list[float], list[float], tuple[list, list], list[float]]:
    """Return for each bin with games: their mean distance, the share reached, its interval, and their number."""
    which = np.digitize(games.distance, edges) - 1
    shown = [which == i for i in range(len(edges) - 1) if np.any(which == i)]
    shares = [float(np.mean(games.reached[members])) for members in shown]
    counts = [float(np.sum(members)) for members in shown]
    ends = [wilson_interval(share, int(n)) for share, n in zip(shares, counts, strict=True)]
    middles = [float(np.mean(games.distance[members])) for members in shown]
    return middles, shares, ([low for low, _ in ends], [high for _, high in ends]), counts

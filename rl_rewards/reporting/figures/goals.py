"""The figure of the goals that Alice sets, on the environment's map or over training."""

from typing import TYPE_CHECKING

import numpy as np

from rl_rewards.reporting.evaluation_parts import Games
from rl_rewards.reporting.figures.drawing import (
    FAILURE,
    GOALS,
    OTHER,
    Drawing,
    legend_of_groups,
    new_figure,
    steps_axis,
    styled,
    to_picture,
)
from rl_rewards.reporting.run_files import RunFiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

FEW_VALUES = 40
"""Marks are spread along a coordinate with at most this many distinct values, if there are many more marks."""
SPREAD = 0.33  # to either side, as a share of the distance between two values


def goals_figure(run: RunFiles) -> Drawing | None:
    """Return the figure of the goals of all games that were read; None without games."""
    if run.games is None or not run.games.t_alice.size:
        return None
    at_once = run.games.t_alice == 0
    games = run.games.where(~at_once)
    if not games.t_alice.size:
        return None
    places, names = _places(games)
    with styled():
        figure = (
            _map(run, games, places, names) if places.shape[1] == 2 else _course(run, games, places[:, 0], names[0])
        )
    if places.shape[1] == 2:
        told = (
            "Each mark is a goal that Alice set in an evaluation game, at the place where her turn ended. Light marks "
            "are early in training, dark ones late. Discs are goals that Bob reached, crosses goals that he failed. "
        )
        alt = "Map of the goals that Alice set, coloured by environment steps; discs are reached, crosses failed goals."
    else:
        told = (
            "Each mark is a goal that Alice set in an evaluation game, at the place where her turn ended, over "
            "training. Discs are goals that Bob reached, crosses goals that he failed. "
        )
        alt = "The goals that Alice set over environment steps; discs are reached, crosses failed goals."
    caption = told + (
        "Marks that would hide each other are spread a little. Healthy play covers more of the world as training goes "
        "on. Three patterns are suspicious: all late goals in one place (Alice has collapsed onto one trick), goals "
        "only near the start of games, and a region with only crosses (Bob cannot reach it)."
    )
    if at_once.any():
        caption += (
            f" In {np.mean(at_once):.0%} of the {at_once.size:,} games Alice stopped at once, so that the goal is "
            "where both begin; these are not drawn."
        )
    return Drawing("The goals that Alice sets", caption, [to_picture(figure, alt)])


def _places(games: Games) -> tuple[np.ndarray, list[str]]:
    """Return the goals' places, [M, 2] or [M, 1] if only one coordinate varies, and the names of the columns."""
    if games.place is not None:
        places, names = games.place, ["x on the environment's map", "y on the environment's map"]
    else:
        places = games.goal[:, :2]
        names = [f"goal feature {i + 1}" for i in range(places.shape[1])]
    told = [i for i in range(places.shape[1]) if np.ptp(places[:, i]) > 0.0] or [0]
    return places[:, told], [names[i] for i in told]


def _map(run: RunFiles, games: Games, places: np.ndarray, names: list[str]):
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import EngFormatter

    width, height = np.ptp(places, axis=0)
    same_scale = 1 / 3 < height / width < 3  # then both coordinates are probably lengths
    figure, (axes,) = new_figure(5.6, 5.0)
    scale, colours = Normalize(0, max(run.env_steps, 1)), _light_to_dark()
    _draw(axes, _spread(places), games.reached, colours(scale(games.env_steps)), (OTHER, OTHER))
    if same_scale:
        axes.set_aspect("equal")
    axes.set(xlabel=names[0], ylabel=names[1])
    bar = figure.colorbar(ScalarMappable(scale, colours), ax=axes, format=EngFormatter(sep=""), aspect=30)
    bar.set_label(run.steps_name.replace("env ", "environment "))
    legend_of_groups(axes)
    return figure


def _course(run: RunFiles, games: Games, places: np.ndarray, name: str):
    figure, (axes,) = new_figure(5.6, 4.2)
    colours = np.where(games.reached, GOALS, FAILURE)
    marks = _spread(np.stack([games.env_steps, places], axis=-1))
    _draw(axes, marks, games.reached, colours, (GOALS, FAILURE))
    axes.set_ylabel(name)
    steps_axis(axes, run)
    axes.set_xlim(min(0.0, marks[:, 0].min()), 1.02 * marks[:, 0].max())  # marks are also spread beyond the last step
    legend_of_groups(axes)
    return figure


def _draw(axes: "Axes", places: np.ndarray, reached: np.ndarray, colours: np.ndarray, named: tuple[str, str]) -> None:
    """Draw marks in random order, so that late goals do not hide early ones; ``named`` has the legend's colours."""
    order = np.random.default_rng(0).permutation(len(places))
    places, reached, colours = places[order], reached[order], colours[order]
    size = float(np.clip(16_000 / len(places), 9.0, 36.0))
    discs = {"marker": "o", "s": size, "linewidths": 0.0, "alpha": 0.8}
    crosses = {"marker": "x", "s": 1.3 * size, "linewidths": 1.0, "alpha": 0.9}
    kinds = (("reached", reached, discs), ("failed", ~reached, crosses))
    for (name, members, style), colour in zip(kinds, named, strict=True):
        axes.scatter(*places[members].T, c=list(colours[members]), **style)
        axes.scatter([], [], color=colour, label=f"{name} ({np.sum(members):,})", **style)


def _spread(places: np.ndarray) -> np.ndarray:
    """Return ``places`` [M, 2], moved at random along coordinates with few values, such as cells and evaluations."""
    rng = np.random.default_rng(1)
    moved = places.astype(float)
    for i in range(moved.shape[1]):
        values = np.unique(places[:, i])
        if 1 < len(values) <= FEW_VALUES and 3 * len(values) < len(places):
            moved[:, i] += rng.uniform(-SPREAD, SPREAD, len(places)) * np.min(np.diff(values))
    return moved


def _light_to_dark() -> "Colormap":
    """Return a colour map whose first colour can be seen on white."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["viridis_r"](np.linspace(0.12, 1.0, 256)))

"""Claims and figure of ``order_statistics``, from its draws and the outputs of its classifiers; no training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from rl_rewards.core.intervals import mean_interval
from rl_rewards.envs.point import NORMAL_QUADRANT
from rl_rewards.reporting.figures.drawing import GOALS, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.studies.claims import Claim, at_most, enough_seeds, in_words
from rl_rewards.studies.drawing import canvas, draw_seeds, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (LEARNED, TRUE, GOALS)
NEEDED = 0.9


@dataclass(frozen=True, kw_only=True)
class ExpectedMaxima:
    """Expected maxima; ``short`` is their gap to 1. The first classifier is trained as in a run."""

    uniforms: list[int]
    uniform_maximum: Float[np.ndarray, "S uniforms"]
    states: list[int]
    short: Mapping[str, Float[np.ndarray, "S states"]]  # classifier -> 1 - E max over n unknown states
    short_goals: Mapping[str, Float[np.ndarray, "S N"]]  # classifier -> 1 - C of every held-out goal

    @property
    def first(self) -> str:
        return next(iter(self.short))


def model(n: list[int]) -> Float[np.ndarray, " n"]:
    """Compute 1 / (n + 1), the gap to 1 of the expected maximum of n uniform numbers."""
    return 1.0 / (np.array(n) + 1.0)


def claims(found: ExpectedMaxima, tolerance_formula: float, tolerance_model: float) -> list[Claim]:
    """Claim the formula, the model of trained classifiers, and that the best unknown state beats the goals."""
    return [
        _formula(found, tolerance_formula),
        *(_describes(found, name, tolerance_model) for name in found.short),
        _grows_no_slower(found),
        _beats_the_goals(found),
    ]


def _formula(found: ExpectedMaxima, tolerance: float) -> Claim:
    """By the relative error of the gap to 1: an absolute error would not tell 0.99 from 0.999."""
    gap = 1.0 - found.uniform_maximum
    error = np.abs(gap / model(found.uniforms) - 1.0).max(axis=1).tolist()
    mean, low, high = mean_interval(error)
    means = found.uniform_maximum.mean(axis=0)
    listed = ", ".join(
        f"{value:.4f} (n={n}: {n / (n + 1):.4f})" for n, value in zip(found.uniforms, means, strict=True)
    )
    return at_most(
        f"The largest of n uniform numbers is n / (n + 1) on average: its gap to 1 within {tolerance:.0%}.",
        f"{listed}; gap off by {mean:.1%} [{low:.1%}, {high:.1%}] at most.",
        "largest relative error of the gap to 1 over n",
        error,
        tolerance,
        {f"n={n}": found.uniform_maximum[:, i].tolist() for i, n in enumerate(found.uniforms)},
    )


def _describes(found: ExpectedMaxima, name: str, tolerance: float) -> Claim:
    maximum = 1.0 - found.short[name]
    error = np.abs(found.short[name] - model(found.states)).max(axis=1).tolist()
    listed = ", ".join(
        f"{_digits(value)} at n={n} (model {_digits(1.0 - gap)})"
        for n, value, gap in zip(found.states, maximum.mean(axis=0), model(found.states), strict=True)
    )
    return at_most(
        f"The uniform model describes trained classifiers ({name}): E max within {tolerance} at every n.",
        f"E max {listed}; off by {in_words(error, 3)} at most.",
        "largest distance from n / (n + 1) over n",
        error,
        tolerance,
        {f"n={n}": maximum[:, i].tolist() for i, n in enumerate(found.states)},
    )


def _grows_no_slower(found: ExpectedMaxima) -> Claim:
    """By the gap to 1 in units of the model's, at the n where that is largest."""
    relative = found.short[found.first] / model(found.states)
    largest = relative.max(axis=1).tolist()
    listed = ", ".join(f"{value:.3f} at n={n}" for n, value in zip(found.states, relative.mean(axis=0), strict=True))
    return at_most(
        "At every n the expected maximum is at least that of the model: exploits are no harder to find.",
        f"gap to 1, in gaps of the model: {listed}; at most {in_words(largest, 3)}.",
        "largest gap to 1 over n, in gaps of the model",
        largest,
        1.0,
        {found.first: largest},
    )


def _beats_the_goals(found: ExpectedMaxima) -> Claim:
    """The lecture's exploitation inequality, with the expected maximum."""
    best_goal = found.short_goals[found.first].min(axis=1)
    most = int(np.argmax(found.states))
    beaten = found.short[found.first] < best_goal[:, None]
    listed = ", ".join(f"{int(beaten[:, i].sum())} with n={n}" for i, n in enumerate(found.states))
    goals = (1.0 - best_goal).tolist()
    return enough_seeds(
        f"The best of {found.states[most]} unknown states gets more than the best of the held-out goals, in "
        f"{NEEDED:.0%} of seeds.",
        f"{listed}; best of {found.short_goals[found.first].shape[1]} goals {in_words(goals, 4)}.",
        beaten[:, most].tolist(),
        NEEDED,
        {"best held-out goal": goals},
    )


def _digits(value: float) -> str:
    """Write a number with four decimals, or six where four would make it 1."""
    return f"{value:.4f}" if value < 0.99995 else f"{value:.6f}"


def summary(found: ExpectedMaxima) -> dict[str, Any]:
    """Return the numbers of every seed, as plain data."""
    return {
        "uniforms": found.uniforms,
        "uniform_maximum": found.uniform_maximum.tolist(),
        "states": found.states,
        "gap_to_one": {name: short.tolist() for name, short in found.short.items()},
        "mean_output_heldout_goals": {
            name: (1.0 - short.mean(axis=1)).tolist() for name, short in found.short_goals.items()
        },
    }


def draw(details: Mapping[str, Any], path: Path) -> None:
    """Draw the gap to 1 against n, the distribution of outputs at unknown states, and the first seed's square."""
    with styled():
        figure = canvas(9.4, 7.0)
        panels = figure.subplot_mosaic([["gap", "gap"], ["outputs", "square"]])
        _draw_gap(panels["gap"], details)
        _draw_outputs(panels["outputs"], details)
        _draw_square(panels["square"], details)
        label_lines(panels["gap"], panels["outputs"])
        save(figure, path)


def _draw_gap(axes: "Axes", details: Mapping[str, Any]) -> None:
    n = np.geomspace(1, max(details["states"]), 50)
    axes.loglog(n, 1.0 / (n + 1.0), color=OTHER, linestyle="--", label="1 / (n + 1), the model")
    drawn = 1.0 - np.array(details["uniform_maximum"]).mean(axis=0)
    axes.loglog(details["uniforms"], drawn, "x", color=OTHER, markersize=7, label="uniform numbers, drawn")
    for colour, (name, gaps) in zip(COLOURS, details["gap_to_one"].items(), strict=False):
        draw_seeds(axes, details["states"], np.array(gaps).T, colour, f"classifiers, {name}")
    axes.set(xlabel="n, states away from D+ and D-", ylabel="1 - E max of the output")
    axes.set_title("What the best of n states lacks to 1; thin lines are seeds")


def _draw_outputs(axes: "Axes", details: Mapping[str, Any]) -> None:
    for colour, name in zip(COLOURS, details["gap_to_one"], strict=False):
        shares, edges = np.array(details[name]["share_in_bin"]).mean(axis=0), details[name]["bins"]
        axes.step(edges, [*shares, shares[-1]], where="post", color=colour, label=f"classifiers, {name}")
    bins = len(details[next(iter(details["gap_to_one"]))]["bins"]) - 1
    axes.axhline(1.0 / bins, color=OTHER, linestyle="--", label="uniform numbers")
    axes.set(xlabel="C(s) at states away from D+ and D-", ylabel=f"share in each of {bins} bins", yscale="log")
    axes.set_title("One unknown state")


def _draw_square(axes: "Axes", details: Mapping[str, Any]) -> None:
    from matplotlib.patches import Circle, Rectangle

    name = next(iter(details["gap_to_one"]))
    image = axes.imshow(details[name]["plane"], extent=(-1, 1, -1, 1), origin="lower", cmap="viridis", vmin=0, vmax=1)
    low, high = NORMAL_QUADRANT
    axes.add_patch(Rectangle((low, low), high - low, high - low, fill=False, edgecolor="white", linewidth=1.5))
    axes.text(low + 0.05, low + 0.05, "D-", color="white")
    axes.add_patch(Circle((0.0, 0.0), details["goal_radius"], fill=False, edgecolor="black", linewidth=1.5))
    axes.text(0.0, 0.0, "D+", color="black", ha="center", va="center")
    axes.figure.colorbar(image, ax=axes, label="C(s)", shrink=0.7, fraction=0.06)
    axes.set(xlabel="x", ylabel="y")
    axes.set_title(f"The first seed, {name}")
    axes.grid(False)

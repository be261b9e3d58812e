"""Claims and figure of ``balanced_bound``, from the outputs of its classifiers; no training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from rl_rewards.reporting.figures.drawing import ALARM, GOALS, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.studies.claims import Claim, at_most, in_words
from rl_rewards.studies.drawing import canvas, draw_seeds, save
from rl_rewards.studies.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURED = ("grid", "mixup", "gathered", "on_average", "gathered_by_places", "lowest_by_places")
BOUND = 0.5
"""The least output for a success, which the lecture gives for balanced batches."""


@dataclass(frozen=True, kw_only=True)
class TrainedOutputs:
    """Mean outputs of trained classifiers, with the settings they belong to."""

    shares: list[float]  # a: share of negatives that are distributed as successes
    ratios: list[int]  # k: negatives per positive
    widths: list[float]  # of the few success states, in deviations of a mode of success
    grid: Float[np.ndarray, "S shares ratios"]  # over held-out success states
    mixup: Float[np.ndarray, "S shares"]  # the same with mixup, balanced
    gathered: Float[np.ndarray, "S widths"]  # over the few success states where the policy gathers, balanced
    on_average: Float[np.ndarray, "S widths"]  # over all success states then
    gathered_by_places: Float[np.ndarray, "S widths"]  # as ``gathered``, with negatives drawn by places
    lowest_by_places: Float[np.ndarray, "S widths"]  # the lowest at any success state then

    @property
    def law(self) -> Float[np.ndarray, "shares ratios"]:
        """Compute 1 / (1 + k a)."""
        return 1.0 / (1.0 + np.outer(self.shares, self.ratios))


def claims(found: TrainedOutputs, tolerance: float) -> list[Claim]:
    """Claim the law, and the bound for each kind of success state at which a policy may gather."""
    most = int(np.argmax(found.ratios))
    unbalanced = found.grid[:, :, most]
    balanced_law = found.law[:, found.ratios.index(1)]
    return [
        _within(
            "C(s+) = 1 / (1 + k a)",
            "largest error on the grid",
            np.abs(found.grid - found.law).max(axis=(1, 2)),
            tolerance,
        ),
        _due(
            found,
            "give a success 1/{of} = {due:.3f} if all of them are successes.",
            unbalanced[:, [found.shares.index(1.0)]],
            [1.0],
            tolerance,
        ),
        _due(found, "give a success {due:.2f} whatever the negatives are.", unbalanced, found.shares, tolerance),
        _bounded(
            found,
            f"With balanced batches C is at least {BOUND} for any success state.",
            f"C = {_lowest(found.gathered)} at the success states where a policy gathers.",
            found.gathered,
            "mean output on these success states",
        ),
        _bounded(
            found,
            f"With balanced batches C is at least {BOUND} on average over success states, in that case too.",
            f"C(s+) = {_lowest(found.on_average)}.",
            found.on_average,
            "mean output on held-out successes",
        ),
        _bounded(
            found,
            f"With negatives by places C is at least {BOUND} on average over success states where a policy gathers.",
            f"C = {_lowest(found.gathered_by_places)}, against {_lowest(found.gathered)} with negatives by visits.",
            found.gathered_by_places,
            "mean output on these success states",
        ),
        _bounded(
            found,
            f"With negatives by places C is at least {BOUND} at every success state.",
            "The lowest C at a success state, the outer 5% of each kind left out, is "
            f"{_lowest(found.lowest_by_places)}.",
            found.lowest_by_places,
            "lowest output at a success state, of each seed",
        ),
        _within(
            "The law holds with mixup too, as runs train by default (balanced)",
            "largest error over a",
            np.abs(found.mixup - balanced_law).max(axis=1),
            tolerance,
        ),
    ]


def _within(claim: str, what: str, errors: np.ndarray, tolerance: float) -> Claim:
    return at_most(
        f"{claim}, within {tolerance}.",
        f"{what} {in_words(errors.tolist(), 3)}, in the worst seed {errors.max():.3f}.",
        f"{what}, of each seed",
        errors.tolist(),
        tolerance,
        {what: errors.tolist()},
    )


def _due(
    found: TrainedOutputs, claim: str, outputs: Float[np.ndarray, "S a"], shares: Sequence[float], tolerance: float
) -> Claim:
    """Claim that at every share ``a`` the output is that of negatives that are all successes."""
    ratio = max(found.ratios)
    due = 1.0 / (1.0 + ratio)
    by_share = {f"a={share:g}": outputs[:, i].tolist() for i, share in enumerate(shares)}
    listed = ", ".join(f"{in_words(values, 3)} at {name}" for name, values in by_share.items())
    evidence = [
        Evidence(of=f"mean output on held-out successes at {name}", values=values, claimed=_around(due, tolerance))
        for name, values in by_share.items()
    ]
    sentence = f"{ratio} negatives per positive {claim.format(of=ratio + 1, due=due)}"
    return Claim(sentence, f"C(s+) = {listed}.", tuple(evidence), by_share)


def _around(due: float, tolerance: float) -> tuple[float, float]:
    return due - tolerance, due + tolerance


def _bounded(
    found: TrainedOutputs, claim: str, measured: str, outputs: Float[np.ndarray, "S widths"], what: str
) -> Claim:
    """Claim the bound for success states of every width: one that is surely below it is enough against the claim."""
    by_width = {f"width {width:g}": outputs[:, i].tolist() for i, width in enumerate(found.widths)}
    evidence = [
        Evidence(of=f"{what}, {name} (in deviations of a mode of success)", values=values, claimed=(BOUND, math.inf))
        for name, values in sorted(by_width.items(), key=lambda item: sum(item[1]))  # the lowest decides first
    ]
    return Claim(claim, measured, tuple(evidence), by_width)


def _lowest(outputs: Float[np.ndarray, "S widths"]) -> str:
    """The mean and interval at the width where the mean is lowest."""
    return in_words(outputs[:, int(np.argmin(outputs.mean(axis=0)))].tolist(), 3)


def summary(found: TrainedOutputs) -> dict[str, Any]:
    """Return settings and means over seeds, as plain data."""
    means = {name: getattr(found, name).mean(axis=0).tolist() for name in MEASURED}
    settings = {name: getattr(found, name) for name in ("shares", "ratios", "widths")}
    return settings | {"law": found.law.tolist()} | means


def draw(details: Mapping[str, Any], path: Path) -> None:
    """Draw the grid, the effect of mixup on its balanced column, and the counterexample on the line."""
    with styled():
        figure = canvas(9.4, 7.0)
        panels = figure.subplot_mosaic([["grid", "balanced"], ["line", "line"]])
        _draw_grid(panels["grid"], details)
        _draw_balanced(panels["balanced"], details)
        _draw_line(panels["line"], details["curve"])
        label_lines(panels["balanced"], panels["line"])
        save(figure, path)


def _draw_grid(axes: "Axes", details: Mapping[str, Any]) -> None:
    values = np.array(details["grid"])
    axes.imshow(values, cmap="viridis", vmin=0.0, vmax=1.0, aspect="auto", origin="lower")
    for i, j in np.ndindex(values.shape):
        text = f"{values[i, j]:.3f}\n({details['law'][i][j]:.3f})"
        axes.text(j, i, text, ha="center", va="center", color="black" if values[i, j] > 0.6 else "white", fontsize=8.5)
    axes.set_xticks(range(values.shape[1]), [f"{k}" for k in details["ratios"]])
    axes.set_yticks(range(values.shape[0]), [f"{a:g}" for a in details["shares"]])
    axes.set(xlabel="k, negatives per positive", ylabel="a, share of negatives distributed as D+")
    axes.set_title("C(s+), mean over seeds, and 1 / (1 + k a)")
    axes.grid(False)


def _draw_balanced(axes: "Axes", details: Mapping[str, Any]) -> None:
    balanced = details["ratios"].index(1)
    shares = np.linspace(0.0, 1.0, 101)
    axes.plot(shares, 1.0 / (1.0 + shares), color=OTHER, linestyle="--", label="1 / (1 + a)")
    axes.plot(details["shares"], np.array(details["grid"])[:, balanced], "o", color=TRUE, label="measured")
    axes.plot(details["shares"], details["mixup"], "s", color=LEARNED, label="with mixup")
    axes.axhline(BOUND, color=ALARM, linewidth=0.8, label="one half")
    axes.set(xlabel="a, share of negatives distributed as D+", ylabel="C(s+)", ylim=(0.4, 1.04))
    axes.set_title("Balanced batches (k = 1)")


def _draw_line(axes: "Axes", curve: Mapping[str, Any]) -> None:
    x = np.array(curve["x"])
    tallest = max(*curve["success"], *curve["visited"])
    for name, colour, words, which in (("success", GOALS, "density of D+", -1), ("visited", OTHER, "density of D-", 0)):
        density = np.array(curve[name]) / tallest
        axes.fill_between(x, density, color=colour, alpha=0.3, linewidth=0.0)
        peak = 1 + np.flatnonzero(np.diff(np.sign(np.diff(density))) < 0)[which]
        axes.text(x[peak], min(density[peak] + 0.02, 0.3), words, color="#333333", ha="center", va="bottom")
    draw_seeds(axes, x, np.array(curve["measured"]).T, LEARNED, "C by visits")
    draw_seeds(axes, x, np.array(curve["by_places"]).T, TRUE, "C by places")
    known = np.array(curve["success"]) + np.array(curve["visited"]) > 1e-3
    exact = np.where(known, curve["exact"], np.nan)
    axes.plot(x, exact, color="black", linestyle="--", linewidth=1.2, label="exact, by visits", zorder=4.0)
    axes.axhline(BOUND, color=ALARM, linewidth=0.8, label="one half")
    shown = x[known]
    axes.set(xlabel="state s", ylabel="output C(s)", ylim=(-0.04, 1.04), xlim=(shown.min() - 0.3, shown.max() + 0.1))
    axes.set_title("A policy that gathers at one kind of success; thin lines are seeds, and densities are scaled")

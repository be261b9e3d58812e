"""Verdicts and figure of ``balanced_bound``, from what its classifiers said; no training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import ALARM, GOALS, LEARNED, OTHER, TRUE, styled
from rl_rewards.studies.base import Verdict
from rl_rewards.studies.drawing import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURED = ("grid", "mixup", "gathered", "on_average", "gathered_by_places", "lowest_by_places")
BOUND = 0.5
"""The lecture's, of balanced batches."""


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
        """1 / (1 + k a)."""
        return 1.0 / (1.0 + np.outer(self.shares, self.ratios))


def verdicts(found: TrainedOutputs, tolerance: float) -> list[Verdict]:
    """A claim passes on its interval over seeds, not on its mean."""
    most = int(np.argmax(found.ratios))
    unbalanced = found.grid[:, :, most]
    balanced_law = found.law[:, found.ratios.index(1)]
    law_error = np.abs(found.grid - found.law).max(axis=(1, 2))
    return [
        _within("C(s+) = 1 / (1 + k a)", "largest error on the grid", law_error, tolerance),
        _every_negative_a_success(found, unbalanced, most, tolerance),
        _whatever_the_negatives(found, unbalanced, most, tolerance),
        _any_success_state(found),
        _on_average(found),
        _where_it_gathers_by_places(found),
        _any_success_state_by_places(found),
        _within(
            "The law holds with mixup too, as runs train by default (balanced)",
            "largest error over a",
            np.abs(found.mixup - balanced_law).max(axis=1),
            tolerance,
        ),
    ]


def _within(claim: str, what: str, errors: np.ndarray, tolerance: float) -> Verdict:
    _, low, high = mean_interval(errors.tolist())
    return Verdict(
        claim=f"{claim}, within {tolerance}.",
        measured=f"{what} {_words(errors)}, in the worst seed {errors.max():.3f}.",
        holds=high < tolerance,
        interval=(low, high),
        interval_of=f"{what}, of each seed",
        per_seed={what: errors.tolist()},
    )


def _every_negative_a_success(found: TrainedOutputs, unbalanced: np.ndarray, most: int, tolerance: float) -> Verdict:
    ratio = found.ratios[most]
    outputs = unbalanced[:, found.shares.index(1.0)]
    _, low, high = mean_interval(outputs.tolist())
    due = 1.0 / (1.0 + ratio)
    return Verdict(
        claim=f"{ratio} negatives per positive give a success 1/{ratio + 1} = {due:.3f} if all of them are successes.",
        measured=f"C(s+) = {_words(outputs)}.",
        holds=abs(low - due) < tolerance and abs(high - due) < tolerance,
        interval=(low, high),
        interval_of="mean output on held-out successes",
        per_seed={f"a=1, k={ratio}": outputs.tolist()},
    )


def _whatever_the_negatives(found: TrainedOutputs, unbalanced: np.ndarray, most: int, tolerance: float) -> Verdict:
    """Judged by the share that is farthest from it."""
    ratio = found.ratios[most]
    due = 1.0 / (1.0 + ratio)
    farthest = int(np.argmax(np.abs(unbalanced.mean(axis=0) - due)))
    _, low, high = mean_interval(unbalanced[:, farthest].tolist())
    listed = ", ".join(f"{c:.3f} at a={a:g}" for a, c in zip(found.shares, unbalanced.mean(axis=0), strict=True))
    return Verdict(
        claim=f"{ratio} negatives per positive give a success {due:.2f} whatever the negatives are.",
        measured=f"C(s+) = {listed}.",
        holds=abs(low - due) < tolerance and abs(high - due) < tolerance,
        interval=(low, high),
        interval_of=f"mean output on held-out successes at a={found.shares[farthest]:g}",
        per_seed={f"a={a:g}": unbalanced[:, i].tolist() for i, a in enumerate(found.shares)},
    )


def _any_success_state(found: TrainedOutputs) -> Verdict:
    """The lecture's words. One kind of success state that is surely below the bound is enough against them."""
    lowest = int(np.argmin(found.gathered.mean(axis=0)))
    outputs = found.gathered[:, lowest]
    _, low, high = mean_interval(outputs.tolist())
    return Verdict(
        claim=f"With balanced batches C is at least {BOUND} for any success state.",
        measured=f"C = {_words(outputs)} at the success states where a policy gathers.",
        holds=high >= BOUND,
        interval=(low, high),
        interval_of=f"mean output on these success states, {found.widths[lowest]:g} times as wide as a mode of success",
        per_seed={f"width {width:g}": found.gathered[:, i].tolist() for i, width in enumerate(found.widths)},
    )


def _on_average(found: TrainedOutputs) -> Verdict:
    """What Jensen's inequality leaves of it: 1 / (1 + a) and more."""
    lowest = int(np.argmin(found.on_average.mean(axis=0)))
    outputs = found.on_average[:, lowest]
    _, low, high = mean_interval(outputs.tolist())
    return Verdict(
        claim=f"With balanced batches C is at least {BOUND} on average over success states, in that case too.",
        measured=f"C(s+) = {_words(outputs)}.",
        holds=low >= BOUND,
        interval=(low, high),
        interval_of="mean output on held-out successes",
        per_seed={f"width {width:g}": found.on_average[:, i].tolist() for i, width in enumerate(found.widths)},
    )


def _where_it_gathers_by_places(found: TrainedOutputs) -> Verdict:
    lowest = int(np.argmin(found.gathered_by_places.mean(axis=0)))
    outputs = found.gathered_by_places[:, lowest]
    _, low, high = mean_interval(outputs.tolist())
    return Verdict(
        claim=f"With negatives by places C is at least {BOUND} on average over success states where a policy gathers.",
        measured=f"C = {_words(outputs)}, against {_words(found.gathered[:, lowest])} with negatives by visits.",
        holds=low >= BOUND,
        interval=(low, high),
        interval_of=f"mean output on these success states, {found.widths[lowest]:g} times as wide as a mode of success",
        per_seed={f"width {width:g}": found.gathered_by_places[:, i].tolist() for i, width in enumerate(found.widths)},
    )


def _any_success_state_by_places(found: TrainedOutputs) -> Verdict:
    """Where goal examples are thinner than one place in |V| the optimum is below the bound, and so is C."""
    lowest = int(np.argmin(found.lowest_by_places.mean(axis=0)))
    outputs = found.lowest_by_places[:, lowest]
    _, low, high = mean_interval(outputs.tolist())
    return Verdict(
        claim=f"With negatives by places C is at least {BOUND} at every success state.",
        measured=f"The lowest C at a success state, the outer 5% of each kind left out, is {_words(outputs)}.",
        holds=low >= BOUND,
        interval=(low, high),
        interval_of="lowest output at a success state, of each seed",
        per_seed={f"width {width:g}": found.lowest_by_places[:, i].tolist() for i, width in enumerate(found.widths)},
    )


def _words(found: np.ndarray) -> str:
    mean, low, high = mean_interval(found.tolist())
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def summary(found: TrainedOutputs) -> dict[str, Any]:
    """Settings and means over seeds, as plain data."""
    means = {name: getattr(found, name).mean(axis=0).tolist() for name in MEASURED}
    settings = {name: getattr(found, name) for name in ("shares", "ratios", "widths")}
    return settings | {"law": found.law.tolist()} | means


def draw(details: Mapping[str, Any], path: Path) -> None:
    """The grid; what mixup does to its balanced column; the counterexample on the line."""
    with styled():
        figure = canvas(13.0, 3.9)
        grid, balanced, line = figure.subplots(1, 3, width_ratios=[1.0, 1.0, 1.35])
        _draw_grid(grid, details)
        _draw_balanced(balanced, details)
        _draw_line(line, details["curve"])
        figure.savefig(path, dpi=110)


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
    axes.axhline(BOUND, color=ALARM, linewidth=0.8)
    axes.set(xlabel="a, share of negatives distributed as D+", ylabel="C(s+)", ylim=(0.4, 1.04))
    axes.set_title("Balanced batches")
    axes.legend()


def _draw_line(axes: "Axes", curve: Mapping[str, Any]) -> None:
    x = np.array(curve["x"])
    tallest = max(*curve["success"], *curve["visited"])
    for name, colour, label in (("success", GOALS, "D+ (scaled)"), ("visited", OTHER, "D- (scaled)")):
        axes.fill_between(x, np.array(curve[name]) / tallest, color=colour, alpha=0.3, linewidth=0.0, label=label)
    measured = np.array(curve["measured"])
    axes.plot(x, measured.T, color=LEARNED, linewidth=0.6, alpha=0.5)
    axes.plot([], [], color=LEARNED, label="C by visits, every seed")
    axes.plot(x, np.array(curve["by_places"]).T, color=TRUE, linewidth=0.6, alpha=0.5)
    axes.plot([], [], color=TRUE, label="C by places, every seed")
    known = np.array(curve["success"]) + np.array(curve["visited"]) > 1e-3
    axes.plot(
        x,
        np.where(known, curve["exact"], np.nan),
        color="black",
        linestyle="--",
        linewidth=1.2,
        label="exact, by visits",
    )
    axes.axhline(BOUND, color=ALARM, linewidth=0.8)
    shown = x[known]
    axes.set(xlabel="s", ylabel="C(s)", ylim=(-0.04, 1.04), xlim=(shown.min() - 0.3, shown.max() + 0.3))
    axes.set_title("A policy that gathers at one kind of success")
    axes.legend(loc="upper left", fontsize=8)

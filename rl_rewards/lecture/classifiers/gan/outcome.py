"""Divergence, claims and figure of ``gan``, from the samples of its generators; no training."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from rl_rewards.reporting.figures.drawing import ALARM, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.studies.claims import Claim, at_most, enough_seeds, in_words
from rl_rewards.studies.drawing import canvas, draw_seeds, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAST = 3
"""The number of evaluations at the end over which a seed is judged."""
NEEDED = 0.9
"""The share of seeds that must be below the threshold."""
EQUILIBRIUM = 0.05
"""The greatest mean distance from 1/2 of the discriminator's output on data."""
NAMES = {
    "through": "gradient through the classifier",
    "reward_alone": "policy gradient, knowing rewards alone",
    "fast_generator": "through the classifier, faster generator",
}


def bin_shares(cumulative: Float[np.ndarray, " edges"]) -> Float[np.ndarray, " edges+1"]:
    """Compute the probability of every bin from P(X <= edge), the two open ends included."""
    return np.diff(cumulative, prepend=0.0, append=1.0)


def sample_shares(draws: Float[np.ndarray, " N"], edges: Float[np.ndarray, " edges"]) -> Float[np.ndarray, " edges+1"]:
    """Compute the share of ``draws`` in every bin, the two open ends included."""
    return np.bincount(np.searchsorted(edges, draws, side="left"), minlength=len(edges) + 1) / len(draws)


def jensen_shannon(p: Float[np.ndarray, " bins"], q: Float[np.ndarray, " bins"]) -> float:
    """Compute the Jensen-Shannon divergence of two discrete distributions, in nats: 0 to ln 2.

    For binned densities it is a lower bound that rises with the number of bins; for shares of a sample it is biased
    upwards by about bins / (8 N).
    """
    middle = 0.5 * (p + q)

    def divergence(a: np.ndarray) -> float:
        inside = a > 0.0
        return float(np.sum(a[inside] * np.log(a[inside] / middle[inside])))

    return 0.5 * divergence(p) + 0.5 * divergence(q)


def claims(details: Mapping[str, Any]) -> list[Claim]:
    """Claim of every arm that its generator matches the data, and of the first that its discriminator is at 1/2."""
    return [*(_matches(details, name) for name in details["arms"]), _equilibrium(details["arms"]["through"])]


def _matches(details: Mapping[str, Any], name: str) -> Claim:
    arm = details["arms"][name]
    final = _last(arm["divergence"])
    threshold = details["threshold"]
    measured = (
        f"divergence {in_words(final, 3)}, in the worst seed {max(final):.3f} (of data's own draws: "
        f"{np.mean(details['floor']):.4f}); D on data {in_words(_last(arm['prob_data']), 3)}."
    )
    claim = (
        f"The generator matches the data ({NAMES[name]}): Jensen-Shannon divergence below {threshold} nats "
        f"in {NEEDED:.0%} of seeds."
    )
    return enough_seeds(claim, measured, [value < threshold for value in final], NEEDED, {name: final})


def _equilibrium(arm: Mapping[str, Any]) -> Claim:
    off = _last(arm["off_half"])
    return at_most(
        f"In the end the discriminator says 1/2 of data ({NAMES['through']}): off by less than {EQUILIBRIUM}.",
        f"D on data {in_words(_last(arm['prob_data']), 3)}; |D - 1/2| {in_words(off, 3)}.",
        "mean of |D - 1/2| over data",
        off,
        EQUILIBRIUM,
        {"through": off},
    )


def _last(series: list[list[float]]) -> list[float]:
    """Return the mean over the last evaluations of each seed."""
    return np.array(series)[:, -LAST:].mean(axis=1).tolist()


def draw(details: Mapping[str, Any], path: Path) -> None:
    """Draw, for every arm and seed, the divergence over updates and the final samples."""
    with styled():
        figure = canvas(9.8, 5.6)
        panels = figure.subplots(2, len(details["arms"]), sharey="row", sharex="row", squeeze=False)
        for column, (name, arm) in enumerate(details["arms"].items()):
            _draw_divergence(panels[0, column], details, arm)
            panels[0, column].set_title(textwrap.fill(NAMES[name].capitalize(), 30))
            _draw_made(panels[1, column], details, arm)
        panels[0, 0].set_ylabel("Jensen-Shannon divergence, nats")
        panels[1, 0].set_ylabel("density")
        label_lines(*panels[:, -1], characters=14)
        save(figure, path)


def _draw_divergence(axes: "Axes", details: Mapping[str, Any], arm: Mapping[str, Any]) -> None:
    lines = np.array(arm["divergence"])
    updates = details["updates"] * (np.arange(lines.shape[1]) + 1) / lines.shape[1]
    draw_seeds(axes, updates, lines.T, LEARNED, "mean; thin lines are seeds")
    axes.axhline(details["threshold"], color=ALARM, linewidth=0.8, label=f"threshold {details['threshold']}")
    axes.axhline(np.mean(details["floor"]), color=OTHER, linewidth=0.8, linestyle=":", label="the data's own draws")
    axes.set(xlabel="updates of both players", yscale="log", xlim=(0, details["updates"] * 1.02))


def _draw_made(axes: "Axes", details: Mapping[str, Any], arm: Mapping[str, Any]) -> None:
    edges = np.array(details["edges"])
    width = edges[1] - edges[0]
    middle = 0.5 * (edges[1:] + edges[:-1])
    made = np.array(arm["made"])[:, 1:-1] / width
    draw_seeds(axes, middle, made.T, LEARNED, "made in the end")
    axes.plot(middle, np.array(details["data"])[1:-1] / width, color=TRUE, label="data, exact", zorder=4.0)
    axes.set(xlabel="x", ylim=(0.0, 3.0 * max(details["data"]) / width))
    axes.set_title(f"D on data at the end:\n{in_words(_last(arm['prob_data']), 3)}", fontsize=9.5)

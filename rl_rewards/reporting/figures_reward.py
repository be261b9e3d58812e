"""What the learned reward says of states: the classifier's outputs, and a map of the reward."""

import numpy as np

from rl_rewards.reporting.drawing import (
    GOALS,
    LEARNED,
    OTHER,
    Drawing,
    Picture,
    legend,
    legend_of_groups,
    new_figure,
    plain,
    plot_line,
    share_axis,
    steps_axis,
    to_picture,
)
from rl_rewards.reporting.run_files import Evaluation, RunFiles, series
from rl_rewards.reporting.verdict import digits

HISTOGRAM_BINS = 25
_PROBABILITIES = (
    ("prob_heldout_goals", "held-out goals", GOALS, "--"),
    ("prob_non_goals", "non-goal examples", OTHER, ":"),
    ("prob_visited", "visited states", LEARNED, "-"),
)


def classifier_figure(run: RunFiles) -> Drawing | None:
    """Histogram of the classifier's outputs at the last evaluation, and their means over training."""
    pictures = []
    if run.evaluations and any(name in run.evaluations[-1].arrays for name, *_ in _PROBABILITIES):
        pictures.append(_histogram(run, run.evaluations[-1]))
    rows = run.evaluation_rows
    if any(len(series(rows, f"eval/{name}")[0]) > 1 for name, *_ in _PROBABILITIES):
        figure, (axes,) = new_figure(5.6, 4.2)
        for name, label, colour, line in _PROBABILITIES:
            plot_line(axes, series(rows, f"eval/{name}"), colour, label=label, linestyle=line)
        axes.set_ylabel("mean classifier output (probability)")
        share_axis(axes)
        steps_axis(axes, run)
        legend(axes)
        pictures.append(to_picture(figure, "Mean classifier output of the three sets over environment steps.", run))
    if not pictures:
        return None
    caption = (
        "The classifier's probability that a state is a goal, for goals kept out of its training, for the non-goal "
        "examples, and for the states that the policy visits in evaluation (episodes from start to end): their "
        "distribution at the last evaluation and their means over training. Visited states far to the right are either "
        "successes or exploits; the true success tells which. Held-out goals far to the left mean that the classifier "
        "rejects real successes."
    )
    return Drawing("What the classifier says", caption, pictures, columns=2)


def _histogram(run: RunFiles, evaluation: Evaluation) -> Picture:
    figure, (axes,) = new_figure(5.6, 4.2)
    for name, label, colour, line in _PROBABILITIES:
        values = evaluation.arrays.get(name)
        if values is None:
            continue
        values = values[evaluation.valid] if values.shape == evaluation.valid.shape else values.ravel()
        values = values[np.isfinite(values)]
        if values.size:
            weights = np.full(values.size, 1.0 / values.size)
            bins = np.linspace(0.0, 1.0, HISTOGRAM_BINS + 1)
            axes.hist(values, bins, weights=weights, color=colour, alpha=0.18)
            axes.hist(values, bins, weights=weights, color=colour, histtype="step", lw=1.8, ls=line, label=label)
    axes.set_xlabel("classifier output (probability of goal)")
    axes.set_ylabel("share of states in the set")
    axes.set_xlim(-0.01, 1.01)
    legend_of_groups(axes)
    return to_picture(figure, "Histograms of the classifier's output on three sets of states.", run)


def plane_figure(run: RunFiles) -> Drawing | None:
    """The learned reward over a plane of states at the first, middle and last evaluation."""
    shown = [evaluation for evaluation in run.evaluations if _has_plane(evaluation)]
    if not shown:
        return None
    values = np.concatenate([evaluation.arrays["plane_reward"].ravel() for evaluation in shown])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    pictures = [_map(run, evaluation, low, high) for evaluation in shown]
    where = str(shown[-1].arrays["plane_labels"].ravel()[2]) if "plane_labels" in shown[-1].arrays else ""
    caption = (
        f"The learned reward of standing still at each place{f' ({where})' if where else ''}, at the first, middle and "
        f"last evaluation, all on one colour scale from {digits(low)} to {digits(high)}. Bright places are where the "
        "policy is pulled to; bright places that are not the goal are invitations to exploit."
    )
    return Drawing("Learned reward over the plane of states", caption, pictures, columns=3)


def _has_plane(evaluation: Evaluation) -> bool:
    arrays = evaluation.arrays
    if not {"plane_reward", "plane_x", "plane_y"} <= set(arrays):
        return False
    return arrays["plane_reward"].shape == (arrays["plane_y"].size, arrays["plane_x"].size)


def _map(run: RunFiles, evaluation: Evaluation, low: float, high: float) -> Picture:
    arrays = evaluation.arrays
    labels = [str(label) for label in arrays.get("plane_labels", np.array(["x", "y", ""])).ravel()]
    width, height = np.ptp(arrays["plane_x"]), np.ptp(arrays["plane_y"])
    same_scale = width > 0 and 1 / 3 < height / width < 3  # both are lengths, as far as one can tell
    figure, (axes,) = new_figure(4.2, min(1.2 + 2.7 * height / width, 4.6) if same_scale else 3.8)
    mesh = axes.pcolormesh(
        arrays["plane_x"],
        arrays["plane_y"],
        arrays["plane_reward"],
        shading="nearest",
        cmap="cividis",
        vmin=low,
        vmax=high,
    )
    axes.grid(False)
    if same_scale:
        axes.set_aspect("equal")
    axes.set_xlabel(plain(labels[0]))
    axes.set_ylabel(plain(labels[1]))
    axes.set_title(f"after {evaluation.env_steps:,} env steps")
    figure.colorbar(mesh, ax=axes, label="learned reward per step")
    return to_picture(figure, f"Map of the learned reward after {evaluation.env_steps:,} environment steps.", run)

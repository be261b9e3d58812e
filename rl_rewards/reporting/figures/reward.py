"""The figure of the classifier's outputs, at the last evaluation and over training."""

import numpy as np

from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.figures.drawing import (
    GOALS,
    LEARNED,
    OTHER,
    Drawing,
    Picture,
    legend,
    legend_of_groups,
    new_figure,
    plot_line,
    share_axis,
    steps_axis,
    to_picture,
)
from rl_rewards.reporting.run_files import RunFiles, series

HISTOGRAM_BINS = 25
_PROBABILITIES = (
    ("prob_heldout_goals", "held-out goals", GOALS, "--"),
    ("prob_non_goals", "non-goal examples", OTHER, ":"),
    ("prob_visited", "visited states", LEARNED, "-"),
)


def classifier_figure(run: RunFiles) -> Drawing | None:
    """Return histograms of the outputs at the last evaluation, and their means over training; None without any."""
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
        "The classifier's probability that a state is a goal, for three sets of states: goals that were held out from "
        "its training, the non-goal examples, and all states of the evaluation episodes. The histograms are from the "
        "last evaluation; the lines are means over training. Visited states far to the right are either successes or "
        "exploits; true success says which. Held-out goals far to the left mean that the classifier rejects real "
        "successes."
    )
    return Drawing("The classifier's outputs", caption, pictures, columns=2)


def _histogram(run: RunFiles, evaluation: StoredEvaluation) -> Picture:
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

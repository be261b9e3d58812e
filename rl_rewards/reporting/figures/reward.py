"""The figure of the classifier's outputs, at the last evaluation and over training."""

import numpy as np

from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.figures.charts import SHARE, Across, Chart, Curve, Panel, chart, over_steps
from rl_rewards.reporting.figures.drawing import Drawing
from rl_rewards.reporting.run_files import RunFiles, series

HISTOGRAM_BINS = 25
_PROBABILITIES = (
    ("prob_heldout_goals", "held-out goals", "goals", "dashed"),
    ("prob_non_goals", "non-goal examples", "other", "dotted"),
    ("prob_visited", "visited states", "learned", "solid"),
)


def classifier_figure(run: RunFiles) -> Drawing | None:
    """Return histograms of the outputs at the last evaluation, and their means over training; None without any."""
    charts = []
    if run.evaluations and any(name in run.evaluations[-1].arrays for name, *_ in _PROBABILITIES):
        charts.append(_histogram(run.evaluations[-1]))
    found = [(series(run.evaluation_rows, f"eval/{name}"), *style) for name, *style in _PROBABILITIES]
    if any(len(points[1]) > 1 for points, *_ in found):
        curves = [Curve(points, label, colour, line) for points, label, colour, line in found if points[1]]
        panel = Panel("mean output, probability of goal", curves, "Means over training", scale=SHARE, height=220)
        alt = f"Mean classifier output of the three sets over {run.steps_name}."
        charts.append(chart([panel], over_steps(run), alt))
    if not charts:
        return None
    caption = (
        "The classifier's probability that a state is a goal, for three sets of states: goals that were held out from "
        "its training, the non-goal examples, and all states of the evaluation episodes. Visited states with a high "
        "output are either successes or exploits; true success says which. Held-out goals with a low output mean that "
        "the classifier rejects real successes."
    )
    return Drawing("The classifier's outputs", caption, charts, columns=2)


def _histogram(evaluation: StoredEvaluation) -> Chart:
    curves = []
    edges = np.linspace(0.0, 1.0, HISTOGRAM_BINS + 1)
    for name, label, colour, line in _PROBABILITIES:
        values = evaluation.arrays.get(name)
        if values is None:
            continue
        values = values[evaluation.valid] if values.shape == evaluation.valid.shape else values.ravel()
        values = values[np.isfinite(values)]
        if values.size:
            shares = np.histogram(np.clip(values, 0.0, 1.0), edges)[0] / values.size
            x, y = np.repeat(edges, 2)[1:-1].tolist(), np.repeat(shares, 2).tolist()  # a step per bin
            curves.append(
                Curve((x, y), f"{label} ({values.size:,})", colour, line, band=([0.0] * len(y), y), dots=False)
            )
    panel = Panel("share of the states in the set", curves, "At the last evaluation", from_zero=True, height=220)
    across = Across("classifier output, probability of goal", SHARE)
    return chart([panel], across, "Histograms of the classifier's output on three sets of states.")

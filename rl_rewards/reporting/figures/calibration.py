"""ROC curves and reliability diagrams of the classifier at the first, the middle and the last evaluation."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rl_rewards.reporting.calibration import KnownOutputs, Reliability, reliability, roc
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.figures.drawing import (
    EARLY_TO_LATE,
    OTHER,
    Drawing,
    Picture,
    legend_of_groups,
    new_figure,
    share_axis,
    to_picture,
)
from rl_rewards.reporting.run_files import RunFiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_VISITED, _EXAMPLES = "states that the policy visits", "examples"


def calibration_figure(run: RunFiles) -> Drawing | None:
    """Return the figure; None for a run without a classifier."""
    pictures, words = [], []
    for name, get, balanced in ((_VISITED, visited, False), (_EXAMPLES, examples, True)):
        found = [(evaluation, outputs) for evaluation in run.evaluations if (outputs := get(evaluation)) is not None]
        if found:
            pictures += [_roc_picture(run, name, found), _reliability_picture(run, name, found, balanced)]
            words.append(_positives(name, found[-1][1]))
    if not pictures:
        return None
    caption = (
        f"{' '.join(words)}\nROC: the true positive rate against the false positive rate as the threshold falls. AUC "
        "is the probability that a goal gets a higher output than another state (0.5 is guessing).\nReliability: the "
        "share of true goals among states with similar outputs, in ten bins; the lower chart shows the number of "
        "states in each bin. On the diagonal the output equals the share of goals. Below it the output is too high, "
        "which a policy can exploit.\nA classifier that uses visited states as negatives is driven to 1/2 where the "
        "policy is as often as the examples are; its curve on visited states leaves the diagonal by design. The states "
        "of an episode resemble each other, so that the counts are not of independent states."
    )
    return Drawing("Can the classifier tell goals from other states?", caption, pictures, columns=2)


def visited(evaluation: StoredEvaluation) -> KnownOutputs | None:
    """Return the outputs on visited states, labelled by the environment's success; None if either was not stored."""
    output, is_goal = evaluation.arrays.get("prob_visited"), evaluation.arrays.get("visited_is_goal")
    if output is None or is_goal is None or output.shape != is_goal.shape:
        return None
    known = np.isfinite(output) & evaluation.valid
    return KnownOutputs(goals=_shares(output[known & (is_goal == 1)]), others=_shares(output[known & (is_goal == 0)]))


def examples(evaluation: StoredEvaluation) -> KnownOutputs | None:
    """Return the outputs on held-out goals and on the non-goal examples; None if either was not stored."""
    goals, others = evaluation.arrays.get("prob_heldout_goals"), evaluation.arrays.get("prob_non_goals")
    if goals is None or others is None:
        return None
    return KnownOutputs(goals=_shares(goals[np.isfinite(goals)]), others=_shares(others[np.isfinite(others)]))


def _shares(values: np.ndarray) -> np.ndarray:
    return np.clip(values.ravel().astype(np.float64), 0.0, 1.0)


def _positives(name: str, outputs: KnownOutputs) -> str:
    """Say which states count as positives and negatives, and how many there are at the last evaluation."""
    if name == _VISITED:
        return (
            "Visited states are all steps of the evaluation episodes: positives are states in which the environment "
            f"reports success ({outputs.goals.size:,} at the last evaluation), negatives all other states "
            f"({outputs.others.size:,})."
        )
    return (
        f"Examples: positives are held-out goals ({outputs.goals.size:,}), negatives are non-goal examples "
        f"({outputs.others.size:,}, which the classifier was trained on). For reliability, both kinds have the same "
        "total weight, as in training."
    )


def _roc_picture(run: RunFiles, name: str, found: Sequence[tuple[StoredEvaluation, KnownOutputs]]) -> Picture:
    figure, (axes,) = new_figure(4.6, 4.6)
    axes.plot([0, 1], [0, 1], color=OTHER, linewidth=0.8)
    _each(axes, found, _draw_roc)
    share_axis(axes)
    axes.set_xlim(-0.04, 1.04)
    axes.set_aspect("equal")
    axes.set_xlabel("false positive rate (other states called a goal)")
    axes.set_ylabel("true positive rate (goals called a goal)")
    axes.set_title(f"ROC: {name}", pad=48)
    legend_of_groups(axes, columns=1)
    return to_picture(figure, f"ROC curves of the classifier on {name}.", run)


def _draw_roc(axes: "Axes", outputs: KnownOutputs, **options) -> str:
    curve = roc(outputs)
    if curve is None:
        return "no goals" if not outputs.goals.size else "only goals"
    axes.plot(curve.others_called_goal, curve.goals_called_goal, **options)
    return f"AUC {curve.area:.3f}"


def _reliability_picture(
    run: RunFiles, name: str, found: Sequence[tuple[StoredEvaluation, KnownOutputs]], balanced: bool
) -> Picture:
    figure, (axes, counts) = new_figure(4.6, 4.6, panels=2, heights=(3.2, 1.0))

    def draw(axes: "Axes", outputs: KnownOutputs, **options) -> str:
        bins = reliability(outputs, balanced)
        if bins is None:
            return "no goals"
        axes.plot(bins.mean_output, bins.share_of_goals, marker="o", **options)
        _draw_counts(counts, bins, **options)
        return f"{bins.count.sum():,} states"

    axes.plot([0, 1], [0, 1], color=OTHER, linewidth=0.8)
    _each(axes, found, draw)
    share_axis(axes)
    counts.set_yscale("log")
    counts.set_ylabel("states")
    counts.set_xlim(-0.04, 1.04)
    counts.set_xlabel("classifier output (probability of goal)")
    axes.set_ylabel("share of true goals")
    axes.set_title(f"Reliability: {name}", pad=48)
    legend_of_groups(axes, columns=1)
    return to_picture(figure, f"Reliability of the classifier's output on {name}, with counts by bin.", run)


def _draw_counts(axes: "Axes", bins: Reliability, **options) -> None:
    for low, high, count in zip(bins.low, bins.high, bins.count, strict=True):
        axes.plot([low, high], [count, count], **options)


def _each(axes: "Axes", found: Sequence[tuple[StoredEvaluation, KnownOutputs]], draw: Callable[..., str]) -> None:
    """Draw every evaluation in its style, with the words that ``draw`` returns in the legend."""
    for (evaluation, outputs), (colour, line) in zip(found, EARLY_TO_LATE[-len(found) :], strict=True):
        words = draw(axes, outputs, color=colour, linestyle=line)
        label = f"{evaluation.env_steps:,} env steps: {words}"
        axes.plot([], [], color=colour, linestyle=line, label=label)

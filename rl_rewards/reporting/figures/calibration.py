"""Can the classifier tell goals from other states? ROC and reliability at the first, middle and last evaluation."""

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
    """None for a run without a classifier."""
    pictures, words = [], []
    for name, get, balanced in ((_VISITED, visited, False), (_EXAMPLES, examples, True)):
        found = [(evaluation, told) for evaluation in run.evaluations if (told := get(evaluation)) is not None]
        if found:
            pictures += [_roc_picture(run, name, found), _reliability_picture(run, name, found, balanced)]
            words.append(_positives(name, found[-1][1]))
    if not pictures:
        return None
    caption = (
        f"{' '.join(words)} ROC: the share of goals that is called a goal against the share of other states that is, "
        "as the threshold falls; AUC is the chance that a goal gets the higher output (0.5 is guessing). Reliability: "
        "the share of true goals among states with about the same output (ten bins; below, how many states each "
        "holds). On the diagonal an output can be taken at its word; below it the classifier is too generous, which a "
        "policy can exploit. A classifier that takes visited states as negatives is driven to 1/2 where the policy "
        "is as often as the examples are, so that the curve of visited states leaves the diagonal by design. "
        "States of an episode are alike: the counts are not of independent states."
    )
    return Drawing("Can the classifier tell goals from other states?", caption, pictures, columns=2)


def visited(evaluation: StoredEvaluation) -> KnownOutputs | None:
    """By the environment's success in the very state that was judged; None where one of the two was not stored."""
    output, is_goal = evaluation.arrays.get("prob_visited"), evaluation.arrays.get("visited_is_goal")
    if output is None or is_goal is None or output.shape != is_goal.shape:
        return None
    known = np.isfinite(output) & evaluation.valid
    return KnownOutputs(goals=_shares(output[known & (is_goal == 1)]), others=_shares(output[known & (is_goal == 0)]))


def examples(evaluation: StoredEvaluation) -> KnownOutputs | None:
    """Goals kept out of training against the non-goal examples; None where either was not stored."""
    goals, others = evaluation.arrays.get("prob_heldout_goals"), evaluation.arrays.get("prob_non_goals")
    if goals is None or others is None:
        return None
    return KnownOutputs(goals=_shares(goals[np.isfinite(goals)]), others=_shares(others[np.isfinite(others)]))


def _shares(values: np.ndarray) -> np.ndarray:
    return np.clip(values.ravel().astype(np.float64), 0.0, 1.0)


def _positives(name: str, told: KnownOutputs) -> str:
    """What counts as what, with the numbers of the last evaluation."""
    if name == _VISITED:
        return (
            "On visited states a positive is a state in which the environment says success (at the last evaluation "
            f"{told.goals.size:,}), a negative any other ({told.others.size:,}); all steps of the evaluation episodes."
        )
    return (
        f"On examples a positive is a goal kept out of training ({told.goals.size:,}), a negative a non-goal example "
        f"({told.others.size:,}, which the classifier was trained on); for reliability both weigh the same as a whole, "
        "as in its training."
    )


def _roc_picture(run: RunFiles, name: str, found: Sequence[tuple[StoredEvaluation, KnownOutputs]]) -> Picture:
    figure, (axes,) = new_figure(4.6, 4.6)
    axes.plot([0, 1], [0, 1], color=OTHER, linewidth=0.8)
    _each(axes, found, _draw_roc)
    share_axis(axes)
    axes.set_xlim(-0.04, 1.04)
    axes.set_aspect("equal")
    axes.set_xlabel("share of other states called a goal")
    axes.set_ylabel("share of goals called a goal")
    axes.set_title(f"ROC: {name}", pad=48)
    legend_of_groups(axes, columns=1)
    return to_picture(figure, f"ROC curves of the classifier on {name}.", run)


def _draw_roc(axes: "Axes", told: KnownOutputs, **options) -> str:
    curve = roc(told)
    if curve is None:
        return "no goals among them" if not told.goals.size else "nothing but goals"
    axes.plot(curve.others_called_goal, curve.goals_called_goal, **options)
    return f"AUC {curve.area:.3f}"


def _reliability_picture(
    run: RunFiles, name: str, found: Sequence[tuple[StoredEvaluation, KnownOutputs]], balanced: bool
) -> Picture:
    figure, (axes, counts) = new_figure(4.6, 4.6, panels=2, heights=(3.2, 1.0))

    def draw(axes: "Axes", told: KnownOutputs, **options) -> str:
        bins = reliability(told, balanced)
        if bins is None:
            return "no goals among them"
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
    """Draw every evaluation in its style, and put into the legend what ``draw`` says of it."""
    for (evaluation, told), (colour, line) in zip(found, EARLY_TO_LATE[-len(found) :], strict=True):
        words = draw(axes, told, color=colour, linestyle=line)
        label = f"{evaluation.env_steps:,} env steps: {words}"
        axes.plot([], [], color=colour, linestyle=line, label=label)

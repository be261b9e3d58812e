"""ROC curves and reliability diagrams of the classifier at the first, the middle and the last evaluation."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rl_rewards.reporting.calibration import KnownOutputs, Reliability, reliability, roc
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.reporting.figures.charts import SHARE, Across, Chart, Curve, Panel, chart
from rl_rewards.reporting.figures.drawing import Drawing
from rl_rewards.reporting.run_files import RunFiles

STYLES = (("early", "dotted"), ("middle", "dashed"), ("late", "solid"))
"""Colours and lines of the first, the middle and the last evaluation."""
_VISITED, _EXAMPLES = "states that the policy visits", "examples"


def calibration_figure(run: RunFiles) -> Drawing | None:
    """Return the figure; None for a run without a classifier."""
    charts, words = [], []
    for name, get, balanced in ((_VISITED, visited, False), (_EXAMPLES, examples, True)):
        found = [(evaluation, outputs) for evaluation in run.evaluations if (outputs := get(evaluation)) is not None]
        if found:
            charts += [_roc_chart(name, found), _reliability_chart(name, found, balanced)]
            words.append(_positives(name, found[-1][1]))
    if not charts:
        return None
    caption = (
        f"{' '.join(words)}\nA classifier that uses visited states as negatives is driven to 1/2 where the policy is "
        "as often as the examples are; its curve on visited states leaves the diagonal by design. The states of an "
        "episode resemble each other, so that the counts are not of independent states."
    )
    return Drawing("Can the classifier tell goals from other states?", caption, charts, columns=2)


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


def _roc_chart(name: str, found: Sequence[tuple[StoredEvaluation, KnownOutputs]]) -> Chart:
    def curve(outputs: KnownOutputs) -> tuple[tuple[list[float], list[float]], str]:
        if (found := roc(outputs)) is None:
            return ([], []), "no goals" if not outputs.goals.size else "only goals"
        return (found.others_called_goal.tolist(), found.goals_called_goal.tolist()), f"AUC {found.area:.3f}"

    curves, missing = _each(found, curve)
    note = (
        "The true positive rate against the false positive rate as the threshold falls. AUC is the probability that a "
        f"goal gets a higher output than another state (0.5, the diagonal, is guessing).{missing}"
    )
    panel = Panel(
        "true positive rate (goals called a goal)", [_DIAGONAL, *curves], f"ROC: {name}", "", SHARE, height=260
    )
    across = Across("false positive rate (other states called a goal)", SHARE)
    return chart([panel], across, f"ROC curves of the classifier on {name}.", note)


_DIAGONAL = Curve(([0.0, 1.0], [0.0, 1.0]), colour="other", faint=True)


def _reliability_chart(name: str, found: Sequence[tuple[StoredEvaluation, KnownOutputs]], balanced: bool) -> Chart:
    bins = {id(outputs): reliability(outputs, balanced) for _, outputs in found}

    def shares(outputs: KnownOutputs) -> tuple[tuple[list[float], list[float]], str]:
        if (one := bins[id(outputs)]) is None:
            return ([], []), "no goals"
        return (one.mean_output.tolist(), one.share_of_goals.tolist()), f"{one.count.sum():,} states"

    def counts(outputs: KnownOutputs) -> tuple[tuple[list[float], list[float]], str]:
        return ([], []) if (one := bins[id(outputs)]) is None else _steps_of(one), ""

    curves, missing = _each(found, shares)
    note = (
        "The share of true goals among states with similar outputs, in ten bins; the lower chart shows the number of "
        "states in each bin. On the diagonal the output equals the share of goals. Below it the output is too high, "
        f"which a policy can exploit.{missing}"
    )
    panels = [
        Panel("share of true goals", [_DIAGONAL, *curves], f"Reliability: {name}", "", SHARE, height=200),
        Panel("states, logarithmic", [replace(one, label="") for one in _each(found, counts)[0]], log=True, height=60),
    ]
    across = Across("classifier output, probability of goal", SHARE)
    return chart(panels, across, f"Reliability of the classifier's output on {name}, with counts by bin.", note)


def _steps_of(bins: Reliability) -> tuple[list[float], list[float]]:
    """Return the number of states in each bin as a line with steps."""
    x = np.stack([bins.low, bins.high], axis=-1).ravel().tolist()
    return x, np.repeat(bins.count, 2).astype(float).tolist()


def _each(
    found: Sequence[tuple[StoredEvaluation, KnownOutputs]],
    drawn: Callable[[KnownOutputs], tuple[tuple[list[float], list[float]], str]],
) -> tuple[list[Curve], str]:
    """Return the curve of every evaluation in its style, and a sentence about those that have none."""
    curves, missing = [], []
    for (evaluation, outputs), (colour, line) in zip(found, STYLES[-len(found) :], strict=True):
        points, words = drawn(outputs)
        name = f"{evaluation.env_steps:,} env steps"
        if points[1]:
            curves.append(Curve(points, f"{name}{f', {words}' if words else ''}", colour, line))
        else:
            missing.append(f" At {name} there were {words}, so that there is no curve.")
    return curves, "".join(missing)

"""The figures that decide: the learned reward beside the true outcome, over training, states and episodes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rl_rewards.core.alarm import Alarm
from rl_rewards.reporting.drawing import (
    ALARM,
    GOALS,
    LEARNED,
    OTHER,
    TRUE,
    Drawing,
    Picture,
    legend,
    new_figure,
    plain,
    plot_line,
    share_axis,
    steps_axis,
    styled,
    to_picture,
)
from rl_rewards.reporting.run_files import Evaluation, Row, RunFiles, series
from rl_rewards.reporting.verdict import digits, wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HISTOGRAM_BINS = 25


def outcome_figures(run: RunFiles, alarms: Sequence[Alarm]) -> list[Drawing]:
    """Everything about learned against true that the run has data for, most telling first."""
    with styled():
        drawings = [
            _learned_and_true(run, alarms),
            _returns(run, alarms),
            _episodes(run),
            _classifier(run),
            _plane(run),
        ]
    return [drawing for drawing in drawings if drawing is not None]


def _learned_and_true(run: RunFiles, alarms: Sequence[Alarm]) -> Drawing | None:
    rows = run.evaluation_rows
    if not rows:
        return _learned_and_true_in_training(run)
    figure, (top, bottom) = new_figure(6.4, 5.2, panels=2)
    true_name = _draw_true(run, rows, top)
    per_state = plot_line(bottom, series(rows, "eval/learned_reward_final"), LEARNED, label="policy's final states")
    if per_state:
        goals = series(rows, "eval/reward_heldout_goals")
        plot_line(bottom, goals, GOALS, label="held-out goals", linestyle="--", marker=None)
        bottom.set_ylabel("learned reward per step")
        learned_name = "The learned reward on the policy's final states"
    else:
        plot_line(bottom, series(rows, "eval/learned_return"), LEARNED)
        bottom.set_ylabel("learned return per episode")
        learned_name = "The learned return"
    bottom.set_title("What the policy was trained on", color=LEARNED)
    _mark_alarm([top, bottom], alarms)
    _finish([top, bottom])
    caption = (
        f"Above: {true_name}, which the policy never sees. Below: {learned_name[0].lower()}{learned_name[1:]}. "
        "When the lower line is high and the upper one is not, the policy has found a way to please the learned "
        "reward without doing the task."
    )
    if per_state and series(rows, "eval/reward_heldout_goals")[0]:
        caption += " The dashed line is what real successes, kept out of training, earn: a policy should not beat it."
    if alarms:
        caption += " The red line is where the exploit alarm was first raised."
    return Drawing(
        "Learned reward beside the true outcome",
        caption,
        [to_picture(figure, f"Two charts over environment steps: {true_name}; {learned_name}.", run)],
    )


def _draw_true(run: RunFiles, rows: Sequence[Row], axes: "Axes") -> str:
    """The true outcome over env steps; returns its name."""
    steps, success = series(rows, "eval/success")
    if not success:
        plot_line(axes, series(rows, "eval/true_return"), TRUE)
        axes.set_ylabel("true return per episode")
        axes.set_title("What we want", color=TRUE)
        return "the true return"
    if run.evaluations:
        episodes = run.evaluations[-1].valid.shape[1]
        low, high = zip(*(wilson_interval(min(max(s, 0.0), 1.0), episodes) for s in success), strict=True)
        axes.fill_between(steps, low, high, color=TRUE, alpha=0.15, linewidth=0)
    plot_line(axes, (steps, success), TRUE, label="as trained")
    deterministic = series(rows, "eval/success_deterministic")
    plot_line(axes, deterministic, OTHER, label="without exploration", linestyle=":", linewidth=1.3, marker=None)
    axes.set_ylabel("true success (share)")
    axes.set_title("What we want", color=TRUE)
    share_axis(axes)
    return "the share of episodes that end in success (band: 95% Wilson interval over episodes)"


def _learned_and_true_in_training(run: RunFiles) -> Drawing | None:
    """For runs that were never evaluated: per-step means of the training rollouts."""
    true, learned = series(run.rows, "train/true_reward"), series(run.rows, "agent/reward_mean")
    if not true[0] and not learned[0]:
        return None
    figure, (top, bottom) = new_figure(6.4, 5.2, panels=2)
    plot_line(top, true, TRUE)
    plot_line(bottom, learned, LEARNED)
    top.set_ylabel("true reward per step")
    bottom.set_ylabel("learned reward per step")
    top.set_title("What we want", color=TRUE)
    bottom.set_title("What the policy was trained on", color=LEARNED)
    _finish([top, bottom])
    caption = "Means over the training rollouts, exploration included; this run was never evaluated."
    alt = "Two charts over environment steps: true and learned reward per step in training."
    return Drawing("Learned reward beside the true outcome", caption, [to_picture(figure, alt, run)])


def _returns(run: RunFiles, alarms: Sequence[Alarm]) -> Drawing | None:
    rows = run.evaluation_rows
    true, learned = series(rows, "eval/true_return"), series(rows, "eval/learned_return")
    if not true[0] or not learned[0]:
        return None
    figure, (top, bottom) = new_figure(6.4, 5.2, panels=2)
    for axes, name, colour in ((top, "true", TRUE), (bottom, "learned", LEARNED)):
        plot_line(axes, series(rows, f"eval/{name}_return"), colour, label="as trained")
        calm = series(rows, f"eval/{name}_return_deterministic")
        plot_line(axes, calm, OTHER, label="without exploration", linestyle=":", linewidth=1.3, marker=None)
        axes.set_ylabel(f"{name} return per episode")
        axes.set_title("Environment's own reward" if name == "true" else "Learned reward", color=colour)
    _mark_alarm([top, bottom], alarms)
    _finish([top, bottom])
    caption = (
        "Rewards summed over an episode, mean of the evaluation episodes: the environment's own above, the learned one "
        "below. They have different units, so compare directions, not heights. The learned reward itself changes "
        "during training, which alone can move the lower line."
    )
    alt = "Two charts over environment steps: true return and learned return per episode."
    return Drawing("Returns", caption, [to_picture(figure, alt, run)])


def _mark_alarm(panels: Sequence["Axes"], alarms: Sequence[Alarm]) -> None:
    if not alarms:
        return
    for i, axes in enumerate(panels):
        axes.axvline(alarms[0].env_steps, color=ALARM, linewidth=1.4, label="exploit alarm" if i == 0 else None)


def _finish(panels: Sequence["Axes"]) -> None:
    steps_axis(panels[-1])
    for axes in panels:
        if axes is not panels[-1]:
            axes.set_xlabel("")
        legend(axes)


def _episodes(run: RunFiles) -> Drawing | None:
    """Learned against true return of each episode of the last evaluation."""
    if not run.evaluations:
        return None
    last = run.evaluations[-1]
    true, learned, success = last.true_returns, last.learned_returns, last.ended_in_success
    figure, (axes,) = new_figure(5.6, 4.2)
    groups = [("episode", np.ones(len(true), bool), TRUE, "o")]
    if success is not None:
        groups = [("ends in success", success, TRUE, "o"), ("does not", ~success, LEARNED, "x")]
    for label, members, colour, marker in groups:
        if members.any():
            name = f"{label} ({members.sum()})"
            axes.scatter(true[members], learned[members], s=30, color=colour, marker=marker, alpha=0.6, label=name)
    axes.set_xlabel("true return per episode")
    axes.set_ylabel("learned return per episode")
    if success is not None:
        legend_of_groups(axes)
    correlation = series(run.evaluation_rows[-1:], "eval/return_correlation")[1]
    words = f" Rank correlation: {correlation[0]:.2f}." if correlation else ""
    caption = (
        f"Each mark is one episode of the last evaluation ({last.env_steps:,} env steps).{words} A faithful reward "
        "orders episodes as the truth does: marks rise from lower left to upper right. Marks high on the left are "
        "episodes that please the learned reward without doing the task."
    )
    alt = "Scatter of learned return against true return, one mark per episode."
    return Drawing("Episodes of the last evaluation", caption, [to_picture(figure, alt, run)])


def legend_of_groups(axes: "Axes") -> None:
    """Above the axes, whatever the number of groups."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0.1)


def _classifier(run: RunFiles) -> Drawing | None:
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
        _finish([axes])
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


_PROBABILITIES = (
    ("prob_heldout_goals", "held-out goals", GOALS, "--"),
    ("prob_non_goals", "non-goal examples", OTHER, ":"),
    ("prob_visited", "visited states", LEARNED, "-"),
)


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


def _plane(run: RunFiles) -> Drawing | None:
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
    figure, (axes,) = new_figure(4.2, 3.8)
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
    width, height = np.ptp(arrays["plane_x"]), np.ptp(arrays["plane_y"])
    if width > 0 and 1 / 3 < height / width < 3:
        axes.set_aspect("equal")  # both are lengths of the same picture
    axes.set_xlabel(plain(labels[0]))
    axes.set_ylabel(plain(labels[1]))
    axes.set_title(f"after {evaluation.env_steps:,} env steps")
    figure.colorbar(mesh, ax=axes, label="learned reward per step", shrink=0.85)
    return to_picture(figure, f"Map of the learned reward after {evaluation.env_steps:,} environment steps.", run)

"""The main figures: the learned reward beside the true outcome, over training, over states and over episodes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rl_rewards.reporting.alarm import Alarm
from rl_rewards.reporting.figures.calibration import calibration_figure
from rl_rewards.reporting.figures.coverage import coverage_figures
from rl_rewards.reporting.figures.drawing import (
    ALARM,
    GOALS,
    LEARNED,
    OTHER,
    TRUE,
    Drawing,
    demonstrator_line,
    finish_panels,
    legend_of_groups,
    new_figure,
    plot_line,
    share_axis,
    styled,
    to_picture,
)
from rl_rewards.reporting.figures.games import course_figure, distance_figure, players_figure
from rl_rewards.reporting.figures.goals import goals_figure
from rl_rewards.reporting.figures.plane import plane_figures
from rl_rewards.reporting.figures.reward import classifier_figure
from rl_rewards.reporting.figures.true_outcome import draw_true
from rl_rewards.reporting.run_files import RunFiles, series
from rl_rewards.reporting.verdict import learns_reward

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def outcome_figures(run: RunFiles, alarms: Sequence[Alarm]) -> list[Drawing]:
    """Return all figures for which the run has data, the most informative first."""
    with styled():
        # Evaluations of games report the task's own reward as the learned reward; the figure would show it twice.
        first = _of_games(run) if run.is_game else _of_learned(run, alarms)
        drawings = [
            *first,
            *coverage_figures(run),
            *plane_figures(run),
            classifier_figure(run),
            calibration_figure(run),
        ]
    return [drawing for drawing in drawings if drawing is not None]


def _of_learned(run: RunFiles, alarms: Sequence[Alarm]) -> list[Drawing | None]:
    return [_learned_and_true(run, alarms), _returns(run, alarms), _episodes(run)]


def _of_games(run: RunFiles) -> list[Drawing | None]:
    return [players_figure(run), goals_figure(run), distance_figure(run), course_figure(run)]


def _learned_and_true(run: RunFiles, alarms: Sequence[Alarm]) -> Drawing | None:
    rows = run.evaluation_rows
    if not rows:
        return _learned_and_true_in_training(run)
    if not any(series(rows, key)[1] for key in ("eval/success", "eval/true_return")):
        return _learned_and_unpaid(run, alarms)
    figure, (top, bottom) = new_figure(5.6, 5.0, panels=2)
    true_name = draw_true(run, rows, top)
    per_state = plot_line(bottom, series(rows, "eval/learned_reward_final"), LEARNED, label="policy's final states")
    if per_state:
        goals = series(rows, "eval/reward_heldout_goals")
        plot_line(bottom, goals, GOALS, label="held-out goals", linestyle="--", marker=None)
        bottom.set_ylabel("learned reward per step")
        if all(0.0 <= value <= 1.0 for line in bottom.lines for value in np.asarray(line.get_ydata(), float)):
            share_axis(bottom)  # the same scale as the upper panel
        learned_name = "The learned reward of the policy's final states"
    else:
        plot_line(bottom, series(rows, "eval/learned_return"), LEARNED)
        bottom.set_ylabel("learned return per episode")
        learned_name = "The learned return"
    bottom.set_title("What the policy was trained on", color=LEARNED)
    _mark_alarm([top, bottom], alarms)
    finish_panels(run, [top, bottom])
    caption = f"Above: {true_name}. Below: {learned_name[0].lower()}{learned_name[1:]}, which training increases. "
    if learns_reward(run):
        caption += (
            "If the lower line is high and the upper line is low, the policy exploits its learned reward: it earns the "
            "reward without doing the task."
        )
    else:
        caption += "In this run it is the environment's own reward."
    if per_state and series(rows, "eval/reward_heldout_goals")[0]:
        caption += (
            " The dashed line is the learned reward of real successes that were held out from training; a policy that "
            "reaches it without success exploits the reward."
        )
    if alarms:
        caption += " The red line marks the first exploit alarm."
    return Drawing(
        "Learned reward beside the true outcome",
        caption,
        [to_picture(figure, f"Two charts over environment steps: {true_name}; {learned_name}.", run)],
    )


def _learned_and_unpaid(run: RunFiles, alarms: Sequence[Alarm]) -> Drawing:
    """Return the figure where there is no true reward: the learned return, below the unpaid one if there is one."""
    found = {name: series(run.evaluation_rows, f"eval/{name}_return") for name in ("unpaid", "learned")}
    shown = [name for name, (_, values) in found.items() if values]
    figure, panels = new_figure(5.6, 1.0 + 2.0 * len(shown), panels=len(shown))
    titles = {"unpaid": "What never pays (weight 0)", "learned": "What the policy was trained on"}
    for axes, name in zip(panels, shown, strict=True):
        plot_line(axes, found[name], LEARNED if name == "learned" else OTHER)
        axes.set_ylabel(f"{name} return per episode")
        axes.set_title(titles[name], color=LEARNED if name == "learned" else OTHER)
    _mark_alarm(panels, alarms)
    finish_panels(run, panels)
    caption = "This environment has no true reward, so that nothing here shows what the policy is really worth."
    if len(shown) > 1:
        caption += (
            " Above: the return under the parts of the reward with weight 0. If it falls while the learned return "
            "below rises, the policy exploits errors of the reward that it is trained on."
        )
    if alarms:
        caption += " The red line marks the first exploit alarm."
    alt = f"The {' and the '.join(shown)} return over environment steps."
    title = "Learned and unpaid return" if len(shown) > 1 else "Learned return"
    return Drawing(title, caption, [to_picture(figure, alt, run)])


def _learned_and_true_in_training(run: RunFiles) -> Drawing | None:
    """Return the figure for a run that was never evaluated: the mean rewards per step of its training rollouts."""
    true, learned = series(run.rows, "train/true_reward"), series(run.rows, "agent/reward_mean")
    if not true[0] and not learned[0]:
        return None
    lines = {"true": (true, TRUE, "What we want"), "learned": (learned, LEARNED, "What the policy was trained on")}
    lines = {name: line for name, line in lines.items() if line[0][0]}
    figure, panels = new_figure(5.6, 1.0 + 2.0 * len(lines), panels=len(lines))
    for axes, (name, (points, colour, title)) in zip(panels, lines.items(), strict=True):
        plot_line(axes, points, colour)
        axes.set_ylabel(f"{name} reward per step")
        axes.set_title(title, color=colour)
    finish_panels(run, panels)
    caption = "Means over the training rollouts, with exploration. This run was never evaluated."
    alt = f"Charts over environment steps: {' and '.join(lines)} reward per step in training."
    title = "Learned reward beside the true outcome" if len(lines) > 1 else f"{next(iter(lines)).capitalize()} reward"
    return Drawing(title, caption, [to_picture(figure, alt, run)])


def _returns(run: RunFiles, alarms: Sequence[Alarm]) -> Drawing | None:
    rows = run.evaluation_rows
    true, learned = series(rows, "eval/true_return"), series(rows, "eval/learned_return")
    if not true[0] or not learned[0]:
        return None
    figure, (top, bottom) = new_figure(5.6, 5.0, panels=2)
    for axes, name, colour in ((top, "true", TRUE), (bottom, "learned", LEARNED)):
        plot_line(axes, series(rows, f"eval/{name}_return"), colour, label="with exploration")
        calm = series(rows, f"eval/{name}_return_deterministic")
        plot_line(axes, calm, OTHER, label="without exploration", linestyle=":", linewidth=1.3, marker=None)
        if name == "true":
            demonstrator_line(axes, rows)
        axes.set_ylabel(f"{name} return per episode")
        axes.set_title("Environment's own reward" if name == "true" else "Learned reward", color=colour)
    _mark_alarm([top, bottom], alarms)
    finish_panels(run, [top, bottom])
    caption = (
        "Rewards summed over an episode, mean over the evaluation episodes: the environment's own reward above, the "
        "learned reward below. Their units differ: compare directions, not heights. The learned reward changes during "
        "training, which can move the lower line even if the policy stays the same."
    )
    alt = "Two charts over environment steps: true return and learned return per episode."
    return Drawing("Returns", caption, [to_picture(figure, alt, run)])


def _mark_alarm(panels: Sequence["Axes"], alarms: Sequence[Alarm]) -> None:
    if not alarms:
        return
    for i, axes in enumerate(panels):
        axes.axvline(alarms[0].env_steps, color=ALARM, linewidth=1.4, label="exploit alarm" if i == 0 else None)


def _episodes(run: RunFiles) -> Drawing | None:
    """Return a scatter plot of learned against true return, for each episode of the last evaluation."""
    if not run.evaluations or not series(run.evaluation_rows[-1:], "eval/true_return")[1]:
        return None
    last = run.evaluations[-1]
    true, learned, success = last.true_returns, last.learned_returns, last.ended_in_success
    figure, (axes,) = new_figure(5.6, 4.2)
    groups = [("episode", np.ones(len(true), bool), TRUE, "o")]
    if success is not None:
        groups = [("success", success, TRUE, "o"), ("no success", ~success, LEARNED, "x")]
    for label, members, colour, marker in groups:
        if members.any():
            name = f"{label} ({members.sum()})"
            axes.scatter(true[members], learned[members], s=30, color=colour, marker=marker, alpha=0.6, label=name)
    axes.set_xlabel("true return per episode")
    axes.set_ylabel("learned return per episode")
    if success is not None:
        legend_of_groups(axes)
    correlation = series(run.evaluation_rows[-1:], "eval/return_correlation")[1]
    words = f" Their rank correlation is {correlation[0]:.2f}." if correlation else ""
    caption = (
        f"Each mark is one episode of the last evaluation ({last.env_steps:,} env steps).{words} A good learned reward "
        "ranks episodes as the true reward does: the marks rise from lower left to upper right. Marks at the upper "
        "left are episodes that earn the learned reward without doing the task."
    )
    alt = "Scatter of learned return against true return, one mark per episode."
    return Drawing("Episodes of the last evaluation", caption, [to_picture(figure, alt, run)])

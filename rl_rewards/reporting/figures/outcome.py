"""The main figures: the learned reward beside the true outcome, over training, over states and over episodes."""

from collections.abc import Sequence

import numpy as np

from rl_rewards.reporting.alarm import Alarm
from rl_rewards.reporting.figures.calibration import calibration_figure
from rl_rewards.reporting.figures.charts import SHARE, Across, Curve, Panel, chart, over_steps
from rl_rewards.reporting.figures.coverage import coverage_figures
from rl_rewards.reporting.figures.drawing import Drawing
from rl_rewards.reporting.figures.games import course_figure, distance_figure, players_figure
from rl_rewards.reporting.figures.goals import goals_figure
from rl_rewards.reporting.figures.plane import plane_figures
from rl_rewards.reporting.figures.reward import classifier_figure
from rl_rewards.reporting.figures.scales import around
from rl_rewards.reporting.figures.true_outcome import WANTED, demonstrator, true_panel
from rl_rewards.reporting.run_files import RunFiles, series
from rl_rewards.reporting.verdict import learns_reward

TRAINED_ON = "What the policy was trained on"


def outcome_figures(run: RunFiles, alarms: Sequence[Alarm]) -> list[Drawing]:
    """Return all figures for which the run has data, the most informative first."""
    # Evaluations of games report the task's own reward as the learned reward; the figure would show it twice.
    first = _of_games(run) if run.is_game else _of_learned(run, alarms)
    drawings = [*first, *coverage_figures(run), *plane_figures(run), classifier_figure(run), calibration_figure(run)]
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
    top, true_name = true_panel(run, rows, _moments(alarms, named=True))
    final = series(rows, "eval/learned_reward_final")
    if final[1]:
        curves = [Curve(final, "policy's final states", "learned")]
        if (goals := series(rows, "eval/reward_heldout_goals"))[1]:
            curves.append(Curve(goals, "held-out goals", "goals", "dashed"))
        # The same scale as the upper panel, where that is possible.
        scale = SHARE if all(0.0 <= value <= 1.0 for curve in curves for value in curve.points[1]) else None
        name, learned_name = "learned reward per step", "The learned reward of the policy's final states"
    else:
        curves, scale = [Curve(series(rows, "eval/learned_return"), "", "learned")], None
        name, learned_name = "learned return per episode", "The learned return"
    bottom = Panel(name, curves, TRAINED_ON, "learned", scale, moments=_moments(alarms))
    caption = f"Above: {true_name}. Below: {learned_name[0].lower()}{learned_name[1:]}, which training increases. "
    if learns_reward(run):
        caption += (
            "If the lower line is high and the upper line is low, the policy exploits its learned reward: it earns the "
            "reward without doing the task."
        )
    else:
        caption += "In this run it is the environment's own reward."
    if len(curves) > 1:
        caption += (
            " The dashed line is the learned reward of real successes that were held out from training; a policy that "
            "reaches it without success exploits the reward."
        )
    if alarms:
        caption += " The red line marks the first exploit alarm."
    alt = f"Two charts over {run.steps_name}: {true_name}; {learned_name}."
    drawn = chart([top, bottom], over_steps(run), alt)
    return Drawing("Learned reward beside the true outcome", caption, [drawn])


def _learned_and_unpaid(run: RunFiles, alarms: Sequence[Alarm]) -> Drawing:
    """Return the figure where there is no true reward: the learned return, below the unpaid one if there is one."""
    found = {name: series(run.evaluation_rows, f"eval/{name}_return") for name in ("unpaid", "learned")}
    shown = [name for name, (_, values) in found.items() if values]
    titles = {"unpaid": "What never pays (weight 0)", "learned": TRAINED_ON}
    colours = {"unpaid": "other", "learned": "learned"}
    panels = [
        Panel(
            f"{name} return per episode",
            [Curve(found[name], "", colours[name])],
            titles[name],
            colours[name],
            moments=_moments(alarms, named=name == shown[0]),
        )
        for name in shown
    ]
    caption = "This environment has no true reward, so that nothing here shows what the policy is really worth."
    if len(shown) > 1:
        caption += (
            " Above: the return under the parts of the reward with weight 0. If it falls while the learned return "
            "below rises, the policy exploits errors of the reward that it is trained on."
        )
    if alarms:
        caption += " The red line marks the first exploit alarm."
    alt = f"The {' and the '.join(shown)} return over {run.steps_name}."
    title = "Learned and unpaid return" if len(shown) > 1 else "Learned return"
    return Drawing(title, caption, [chart(panels, over_steps(run), alt)])


def _learned_and_true_in_training(run: RunFiles) -> Drawing | None:
    """Return the figure for a run that was never evaluated: the mean rewards per step of its training rollouts."""
    true, learned = series(run.rows, "train/true_reward"), series(run.rows, "agent/reward_mean")
    if not true[0] and not learned[0]:
        return None
    lines = {"true": (true, WANTED), "learned": (learned, TRAINED_ON)}
    panels = [
        Panel(f"{name} reward per step", [Curve(points, "", name)], title, name)
        for name, (points, title) in lines.items()
        if points[1]
    ]
    names = [name for name, (points, _) in lines.items() if points[1]]
    caption = "Means over the training rollouts, with exploration. This run was never evaluated."
    alt = f"Charts over {run.steps_name}: {' and '.join(names)} reward per step in training."
    title = "Learned reward beside the true outcome" if len(names) > 1 else f"{names[0].capitalize()} reward"
    return Drawing(title, caption, [chart(panels, over_steps(run), alt)])


def _returns(run: RunFiles, alarms: Sequence[Alarm]) -> Drawing | None:
    rows = run.evaluation_rows
    true, learned = series(rows, "eval/true_return"), series(rows, "eval/learned_return")
    if not true[0] or not learned[0]:
        return None
    panels = []
    for name, title in (("true", WANTED), ("learned", TRAINED_ON)):
        curves = [Curve(series(rows, f"eval/{name}_return"), "with exploration", name)]
        if (calm := series(rows, f"eval/{name}_return_deterministic"))[1]:
            curves.append(Curve(calm, "without exploration", "other", "dotted"))
        levels = demonstrator(rows) if name == "true" else ()
        moments = _moments(alarms, named=name == "true")
        panels.append(Panel(f"{name} return per episode", curves, title, name, levels=levels, moments=moments))
    caption = (
        "Rewards summed over an episode, mean over the evaluation episodes: the environment's own reward above, the "
        "learned reward below. Their units differ: compare directions, not heights. The learned reward changes during "
        "training, which can move the lower line even if the policy stays the same."
    )
    alt = f"Two charts over {run.steps_name}: true return and learned return per episode."
    return Drawing("Returns", caption, [chart(panels, over_steps(run), alt)])


def _moments(alarms: Sequence[Alarm], named: bool = False) -> list[tuple[float, str]]:
    """Return the time of the first alarm, with its name in one panel of a chart."""
    return [(float(alarms[0].env_steps), "exploit alarm" if named else "")] if alarms else []


def _episodes(run: RunFiles) -> Drawing | None:
    """Return a scatter plot of learned against true return, for each episode of the last evaluation."""
    if not run.evaluations or not series(run.evaluation_rows[-1:], "eval/true_return")[1]:
        return None
    last = run.evaluations[-1]
    true, learned, success = last.true_returns, last.learned_returns, last.ended_in_success
    groups = [("episodes", np.ones(len(true), bool), "true", "discs")]
    if success is not None:
        groups = [("success", success, "true", "discs"), ("no success", ~success, "learned", "rings")]
    curves = [
        Curve((true[members].tolist(), learned[members].tolist()), f"{label} ({members.sum()})", colour, line)
        for label, members, colour, line in groups
        if members.any()
    ]
    panel = Panel("learned return per episode", curves, height=260)
    across = Across("true return per episode", around(true.tolist()))
    correlation = series(run.evaluation_rows[-1:], "eval/return_correlation")[1]
    words = f" Their rank correlation is {correlation[0]:.2f}." if correlation else ""
    caption = (
        f"Each mark is one episode of the last evaluation ({last.env_steps:,} env steps).{words} A good learned reward "
        "ranks episodes as the true reward does: the marks rise from lower left to upper right. Marks at the upper "
        "left are episodes that earn the learned reward without doing the task."
    )
    alt = "Scatter of learned return against true return, one mark per episode."
    return Drawing("Episodes of the last evaluation", caption, [chart([panel], across, alt)])

"""Small charts of the training metrics, and the table of the time spent."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rl_rewards.reporting.figures.charts import SHARE, Chart, Curve, Panel, chart, over_steps
from rl_rewards.reporting.figures.coverage import DRAWN_HERE as DRAWN_OF_CURIOSITY
from rl_rewards.reporting.figures.drawing import Drawing
from rl_rewards.reporting.figures.games import DRAWN_HERE as DRAWN_OF_GAMES
from rl_rewards.reporting.metric_names import split_part
from rl_rewards.reporting.run_files import RunFiles, number, series
from rl_rewards.reporting.verdict import duration

MOST_OTHER_CHARTS = 12
SMALL = 120  # pixels


@dataclass(frozen=True)
class Small:
    """One small chart with lines (metric, label, colour) over env steps."""

    title: str
    unit: str
    lines: Sequence[tuple[str, str, str]]
    is_share: bool = False  # the values are in 0 .. 1


def _of_players(title: str, unit: str, name: str) -> Small:
    lines = [(f"agent/{who}_{name}", who.capitalize(), colour) for who, colour in (("alice", "alice"), ("bob", "bob"))]
    return Small(title, unit, lines)


CHARTS = (
    Small(
        "Reward in training",
        "per step",
        [("agent/reward_mean", "learned", "learned")],
    ),
    Small("True reward in training", "per step", [("train/true_reward", "true", "true")]),
    Small("True success in training", "share of episodes", [("train/success", "true", "true")], is_share=True),
    Small("Reward model: loss", "nats per example", [("reward/loss", "loss", "learned")]),
    Small(
        "Reward model: accuracy",
        "share correct",
        [("reward/accuracy_goal", "goals", "goals"), ("reward/accuracy_negative", "negatives", "other")],
        is_share=True,
    ),
    Small(
        "Reward model: mean output",
        "probability of goal",
        [("reward/prob_goal", "goals", "goals"), ("reward/prob_negative", "negatives", "other")],
        is_share=True,
    ),
    Small(
        "Discriminator: accuracy",
        "share correct",
        [("reward/accuracy_expert", "demonstrations", "goals"), ("reward/accuracy_policy", "policy", "other")],
        is_share=True,
    ),
    Small(
        "Discriminator: mean output",
        "probability of demonstrated",
        [("reward/prob_expert", "demonstrations", "goals"), ("reward/prob_policy", "policy", "other")],
        is_share=True,
    ),
    Small("Answers", "queries", [("reward/queries", "asked", "other"), ("reward/labels", "answered", "goals")]),
    Small(
        "Is the task done? Answers so far",
        "states",
        [("reward/answered_yes", "yes", "goals"), ("reward/answered_no", "no", "other")],
    ),
    Small(
        "Reward model: held-out answers",
        "share",
        [
            ("reward/heldout_accuracy", "predicted correctly", "goals"),
            ("reward/bag_of_words_accuracy", "by a bag of words", "learned"),
            ("reward/heldout_calibration_error", "calibration error", "other"),
        ],
        is_share=True,
    ),
    Small(
        "Distance of learned from true reward",
        "EPIC distance",
        [("eval/epic_distance", "distance", "learned")],
        is_share=True,
    ),
    Small("Reward model: entropy of its outputs", "nats", [("reward/entropy", "entropy", "other")]),
    Small("Reward model: norm of the gradient", "", [("reward/gradient_norm", "norm", "other")]),
    Small(
        "Behaviour cloning: loss",
        "nats per step",
        [("agent/loss", "training", "learned"), ("agent/validation_loss", "validation", "goals")],
    ),
    Small("Reward model: negatives in use", "states", [("reward/negatives", "negatives", "other")]),
    Small("Policy: entropy", "nats", [("agent/entropy", "entropy", "other")]),
    Small("Policy: KL divergence per update", "nats", [("agent/kl", "KL", "other")]),
    Small("Value function: loss", "scaled reward, squared", [("agent/value_loss", "value loss", "other")]),
    _of_players("Players: reward", "per move", "reward_mean"),
    _of_players("Players: entropy", "nats", "entropy"),
    _of_players("Players: KL divergence per update", "nats", "kl"),
    _of_players("Players' value functions: loss", "scaled reward, squared", "value_loss"),
    Small("Bob: loss of imitating Alice", "nats per move", [("agent/bob_cloning_loss", "loss", "bob")]),
)
DRAWN_ELSEWHERE = DRAWN_OF_GAMES | DRAWN_OF_CURIOSITY


def training_figure(run: RunFiles) -> Drawing | None:
    """Return all small charts for which the run has data, with other metrics last; None without any."""
    known = {name for small in CHARTS for name, *_ in small.lines}
    present = {key for row in run.rows for key, value in row.items() if value is not None}
    owned = [key for key in present - known if key.startswith(("reward/", "labeler/", "agent/", "train/"))]
    others = sorted(key for key in owned if split_part(key)[1] not in DRAWN_ELSEWHERE)
    charts = [*CHARTS, *(Small(key, "", [(key, key, "other")]) for key in others[:MOST_OTHER_CHARTS])]
    drawn = [one for small in charts if (one := _draw(run, small)) is not None]
    if not drawn:
        return None
    caption = (
        "One value per round. An accuracy of 1 on both goals and negatives can mean that the classifier memorises its "
        "examples. A policy's entropy that falls early and stays low can mean that the policy has stopped exploring."
    )
    if len(others) > MOST_OTHER_CHARTS:
        caption += f" Not drawn: {', '.join(others[MOST_OTHER_CHARTS:])}."
    return Drawing("Training in detail", caption, drawn, columns=3)


def _draw(run: RunFiles, small: Small) -> Chart | None:
    lines = [(series(run.rows, name), label, colour) for name, label, colour in small.lines]
    curves = [Curve(points, label, colour) for points, label, colour in lines if points[1]]
    if not curves:
        return None
    if len(curves) == 1:
        curves = [replace(curves[0], label="")]  # the title says what it is
    panel = Panel(small.unit or "value", curves, small.title, scale=SHARE if small.is_share else None, height=SMALL)
    return chart([panel], over_steps(run), f"{small.title} over {run.steps_name}.")


@dataclass(frozen=True)
class TimeRow:
    """One line of the time table."""

    what: str
    time: str
    share: str


_PARTS = {
    "time/compile_seconds": "compiling",
    "time/collect_seconds": "collecting experience",
    "time/learn_seconds": "learning (reward and policy)",
    "time/evaluate_seconds": "evaluating",
}


def time_table(run: RunFiles) -> list[TimeRow]:
    """Return the time of each part of the work, summed over rounds, and the total; empty if nothing was measured."""
    spent = time_parts(run)
    total = sum(spent.values())
    if total <= 0:
        return []
    rows = [TimeRow(what, duration(seconds), f"{seconds / total:.0%}") for what, seconds in spent.items()]
    return [*rows, TimeRow("total", duration(total), "")]


def time_parts(run: RunFiles) -> dict[str, float]:
    """Return the seconds of each part of the work that the run measured, summed over rounds."""
    spent = {name: sum(series(run.rows, key)[1]) for key, name in _PARTS.items() if series(run.rows, key)[1]}
    rounds = sum(series(run.rows, "time/round_seconds")[1])
    inside = spent.get("collecting experience", 0.0) + spent.get("learning (reward and policy)", 0.0)
    if rounds > inside:
        spent["learning and waiting" if inside else "rounds (collecting and learning)"] = rounds - inside
    whole = number(run.outcome.get("seconds")) or 0.0
    rest = whole - sum(spent.values())
    if spent and rest > 0:  # negative in a resumed run, whose rounds also cover earlier starts
        spent["everything else (checkpoints, logs, start)"] = rest
    return spent


def median_speed(run: RunFiles) -> float | None:
    """Return the median over rounds of the env steps per second, collecting and learning together; None without any."""
    values = series(run.rows, "time/env_steps_per_second")[1]
    return statistics.median(values) if values else None

"""Writes the top of a run's page: the headline, notices (exploit alarm and collapse first) and key numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rl_rewards.core.seed_rows import values
from rl_rewards.core.words import digits
from rl_rewards.labelers.judge.journal import JOURNAL_NAME, read_totals
from rl_rewards.labelers.judge.reliability import reliability_warnings
from rl_rewards.reporting.advice import success_advice
from rl_rewards.reporting.alarm import (
    EVALUATIONS_IN_A_ROW,
    SUCCESS_BELOW,
    TREND_EVALUATIONS,
    Alarm,
    exploit_alarm,
    judging_return,
)
from rl_rewards.reporting.boxes import Notice, Tile
from rl_rewards.reporting.kept import best_tile, collapse_notices, outcome_words
from rl_rewards.reporting.run_files import Row, RunFiles, number

SUSPECT_SUCCESS = 0.5  # below this success, a learned reward as high as the goals' is suspicious even without an alarm
SUSPECT_CORRELATION = -0.25  # of learned and true return: two standard errors below 0 with 64 episodes


@dataclass(frozen=True)
class RunSummary:
    """The top of the page."""

    headline: str
    notices: list[Notice]
    tiles: list[Tile]
    alarms: list[Alarm]  # of all evaluations at which the alarm was active, oldest first


def judge(run: RunFiles) -> RunSummary:
    """Return the top of the page of a run of one seed, from its last evaluation and all its alarms."""
    rows = run.evaluation_rows
    alarms = [alarm for end in range(1, len(rows) + 1) if (alarm := exploit_alarm(rows[:end]))]
    now = alarms[-1] if alarms and alarms[-1].round == rows[-1]["round"] else None
    notices = [*_failure(run), *_alarm_notices(alarms, now), *collapse_notices(run), *judge_notices(run)]
    notices += _doubts(run, now)
    return RunSummary(
        headline=f"{_outcome(run)}; {_alarm_words(run, alarms, now)}.",
        notices=notices,
        tiles=_tiles(run),
        alarms=alarms,
    )


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Return the 95% Wilson score interval (low, high) of a share of ``n`` independent episodes."""
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(max(share * (1 - share), 0.0) / n + z * z / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def learns_reward(run: RunFiles) -> bool:
    """Return False if the policy was trained on the environment's own reward, else True."""
    reward = run.config.get("reward")
    target = str(reward.get("_target_", "")) if isinstance(reward, Mapping) else ""
    return run.run.get("reward_choice") != "environment" and ".rewards.environment." not in target


def alarm_words(run: RunFiles) -> str:
    """Return ``never raised``, ``active``, ``raised, cleared``, or ``does not apply``.

    The alarm does not apply to games, and where there is neither a true reward nor an unpaid one.
    """
    if run.is_game or not _can_judge(run):
        return "does not apply"
    rows = run.evaluation_rows
    raised = [end for end in range(1, len(rows) + 1) if exploit_alarm(rows[:end])]
    if not raised:
        return "never raised"
    return "active" if raised[-1] == len(rows) else "raised, cleared"


def duration(seconds: float) -> str:
    """Format ``seconds`` with a unit: seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def _outcome(run: RunFiles) -> str:
    row = run.evaluation_rows[-1] if run.evaluation_rows else None
    if not run.rows:
        return "The run failed before its first round was complete"
    if row is None:
        learned, true = run.rows[-1].get("agent/reward_mean"), run.rows[-1].get("train/true_reward")
        words = f"Never evaluated; in the last training round the learned reward was {digits(learned)} per step"
        return words if true is None else f"{words}, the true reward {digits(true)}"
    return outcome_words(run) or "The last evaluation has no true return"


def _alarm_words(run: RunFiles, alarms: list[Alarm], now: Alarm | None) -> str:
    if now:
        return "EXPLOIT ALARM"
    if run.is_game and run.evaluation_rows:
        reached = run.evaluation_rows[-1].get("eval/game_reached")
        return f"Bob reaches {reached:.0%} of Alice's goals" if reached is not None else "Alice and Bob play"
    if not learns_reward(run):
        return "trained on the environment's own reward, without a learned reward"
    if not _can_judge(run):
        return "nothing to judge exploitation by, neither a true reward nor a part of the reward with weight 0"
    if alarms:
        return "an exploit alarm was raised earlier and has cleared"
    needed, seen = _evaluations_needed(run), len(run.evaluation_rows)
    if seen < needed:
        return f"too few evaluations to judge exploitation ({seen} of {needed})"
    return "no exploit alarm"


def _can_judge(run: RunFiles) -> bool:
    """Return False if the evaluations have nothing with which the alarm could compare the learned reward."""
    return (
        not run.evaluation_rows or _by_goals(run.evaluation_rows[-1]) or bool(judging_return(run.evaluation_rows[-1]))
    )


def _by_goals(row: Row) -> bool:
    return row.get("eval/success") is not None and row.get("eval/reward_heldout_goals") is not None


def _evaluations_needed(run: RunFiles) -> int:
    by_goals = bool(run.evaluation_rows) and _by_goals(run.evaluation_rows[-1])
    return EVALUATIONS_IN_A_ROW if by_goals else TREND_EVALUATIONS


def _failure(run: RunFiles) -> list[Notice]:
    notices = []
    if run.status == "FAILED":
        error, failed_round = run.outcome.get("error", "no reason was recorded"), run.outcome.get("round", "?")
        notices.append(Notice("failed", f"In round {failed_round}: {error}"))
    if run.status == "unfinished":
        steps = number(run.config.get("total_env_steps"))
        target = f" of {steps:,.0f}" if steps and run.steps_name == "env steps" else ""
        notices.append(
            Notice(
                "note", f"The run is unfinished: {run.env_steps:,}{target} {run.steps_name}. It may still be running."
            )
        )
    return notices


def _alarm_notices(alarms: list[Alarm], now: Alarm | None) -> list[Notice]:
    if now:
        text = f"{now.message} It was first raised at {alarms[0].env_steps:,} env steps."
        return [Notice("alarm", text)]
    if alarms:
        last = alarms[-1]
        text = (
            f"An exploit alarm was raised between {alarms[0].env_steps:,} and {last.env_steps:,} env steps and has "
            "cleared since. The alarm was: "
        )
        return [Notice("warning", text + last.message)]
    return []


def judge_notices(run: RunFiles) -> list[Notice]:
    """Return warnings about the AI judge of a run of one seed, from the judge's journal in the run folder."""
    (seed,) = run.seeds
    totals = read_totals(run.path / JOURNAL_NAME)
    return [Notice("warning", text) for text in reliability_warnings(seed, totals[seed])] if seed in totals else []


def _doubts(run: RunFiles, now: Alarm | None) -> list[Notice]:
    """Return warnings about suspicious results without an active alarm."""
    if now or not run.evaluation_rows or not learns_reward(run):
        return []
    row = run.evaluation_rows[-1]
    success, on_policy = row.get("eval/success"), row.get("eval/learned_reward_final")
    on_goals, correlation = row.get("eval/reward_heldout_goals"), row.get("eval/return_correlation")
    suspicious = success is not None and success < SUSPECT_SUCCESS
    if suspicious and on_policy is not None and on_goals is not None and on_policy >= on_goals:
        return [_fooled_in_part(success, on_policy, on_goals)]
    if correlation is not None and correlation < SUSPECT_CORRELATION:
        text = (
            "Look closer: episodes with a higher learned return have a lower true return (rank correlation "
            f"{correlation:.2f}). The episodes of the last evaluation are drawn below."
        )
        return [Notice("warning", text)]
    return []


def _tiles(run: RunFiles) -> list[Tile]:
    row: Row = run.evaluation_rows[-1] if run.evaluation_rows else {}
    tiles = [*_true_tiles(run, row), *(_game_tiles(row) if run.is_game else _learned_tiles(row))]
    if not row and run.rows:
        last = run.rows[-1]
        for name, key in (("true", "train/true_reward"), ("learned", "agent/reward_mean")):
            if last.get(key) is not None:
                title = f"{name.capitalize()} reward per step"
                tiles.append(Tile(title, digits(last[key]), "last training round", name))
    if row.get("eval/return_correlation") is not None and not run.is_game:
        tiles.append(Tile("Rank correlation", f"{row['eval/return_correlation']:.2f}", "of learned and true return"))
    rounds = len(run.rows)
    tiles.append(
        Tile(run.steps_name.capitalize(), f"{run.env_steps:,}", f"{rounds:,} round{'s' if rounds != 1 else ''}")
    )
    seconds = number(run.outcome.get("seconds"))
    if seconds is not None:
        tiles.append(Tile("Time", duration(seconds), "since the last start or resume"))
    return tiles


def _fooled_in_part(success: float, on_policy: float, on_goals: float) -> Notice:
    text = (
        f"Look closer: final states earn as much learned reward ({digits(on_policy)}) as held-out goals "
        f"({digits(on_goals)}), while true success is {success:.0%}. (The exploit alarm requires "
        f"{EVALUATIONS_IN_A_ROW} evaluations in a row with success below {SUCCESS_BELOW:.0%}.)"
    )
    return Notice("warning", text)


def _true_tiles(run: RunFiles, row: Row) -> list[Tile]:
    tiles = []
    success, episodes = row.get("eval/success"), run.evaluations[-1].valid.shape[1] if run.evaluations else 0
    if success is not None:
        note = "share of episodes"
        if episodes:
            low, high = wilson_interval(min(max(success, 0.0), 1.0), episodes)
            note = f"95% interval {low:.2f} to {high:.2f}"
        tiles.append(
            Tile(
                "True success",
                f"{success:.2f}",
                _with_deterministic(row, "eval/success", note),
                "true",
                success_advice(run),
            )
        )
    if row.get("eval/true_return") is not None:
        note = _with_deterministic(row, "eval/true_return", "per episode") + demonstrator_words(row)
        tiles.append(Tile("True return", digits(row["eval/true_return"]), note, "true"))
    best = best_tile(run)
    return tiles if best is None else [*tiles[:1], best, *tiles[1:]]


def demonstrator_words(row: Row) -> str:
    """Return the demonstrations' mean true return in words, over seeds that may use different ones; "" without any."""
    shown = values(row, "eval/demo_return")
    return f"; demonstrator's {digits(sum(shown) / len(shown))}" if shown else ""


def _learned_tiles(row: Row) -> list[Tile]:
    tiles = []
    if row.get("eval/learned_return") is not None:
        note = _with_deterministic(row, "eval/learned_return", "per episode")
        tiles.append(Tile("Learned return", digits(row["eval/learned_return"]), note, "learned"))
    if row.get("eval/unpaid_return") is not None:
        tiles.append(Tile("Unpaid return", digits(row["eval/unpaid_return"]), "by the reward's parts with weight 0"))
    if row.get("eval/learned_reward_final") is not None:
        goals = row.get("eval/reward_heldout_goals")
        note = f"held-out goals: {digits(goals)}" if goals is not None else "mean per step"
        tiles.append(Tile("Learned reward, final states", digits(row["eval/learned_reward_final"]), note, "learned"))
    return tiles


def _game_tiles(row: Row) -> list[Tile]:
    tiles = []
    if row.get("eval/game_reached") is not None:
        tiles.append(Tile("Bob reaches", f"{row['eval/game_reached']:.0%}", "of Alice's goals, in evaluation games"))
    for player in ("Alice", "Bob"):
        if (paid := row.get(f"eval/{player.lower()}_return")) is not None:
            tiles.append(Tile(f"{player}'s return", digits(paid), "per game", "learned"))
    return tiles


def _with_deterministic(row: Row, key: str, note: str) -> str:
    value = row.get(f"{key}_deterministic")
    return note if value is None else f"{note}; without exploration {digits(value)}"

"""Advises what to try where success is low, in one or two sentences that stand beside the number."""

from rl_rewards.core.words import digits
from rl_rewards.reporting.alarm import SUCCESS_BELOW, exploit_alarm, fixes
from rl_rewards.reporting.outcome import HELD_FROM, collapse, what_to_try
from rl_rewards.reporting.run_files import Row, RunFiles, series

STILL_RISING = 0.1
"""Success still rises if the mean of the last third of the evaluations is this much above that of the middle third."""
FAR_BELOW = 0.5
"""The policy does not yet get its learned reward if that is below this share of the held-out goals'."""


def success_advice(run: RunFiles) -> str:
    """Return what to try where the last evaluation's success is below one half; empty if it is not, or unknown."""
    rows = run.evaluation_rows
    row: Row = rows[-1] if rows else {}
    success = row.get("eval/success")
    if success is None or success >= HELD_FROM:
        return ""
    if exploit_alarm(rows) is not None:
        return "The exploit alarm above names three fixes."
    if collapse(rows, bool(run.best)) is not None:
        return "The notice of the collapse above says what to try."
    if _rising(series(rows, "eval/success")[1]):
        return "Success was still rising: train for longer (total_env_steps)."
    on_policy, on_goals = row.get("eval/learned_reward_final"), row.get("eval/reward_heldout_goals")
    if on_policy is not None and on_goals is not None and on_policy >= on_goals:
        return f"Final states earn as much learned reward as held-out goals. {fixes(rows)}"
    longer = f"Train for longer (total_env_steps). {what_to_try([key for one in rows for key in one])}"
    if on_policy is not None and on_goals is not None and on_policy < FAR_BELOW * on_goals:
        return (
            f"The policy does not get its learned reward either ({digits(on_policy)}; held-out goals: "
            f"{digits(on_goals)}): the learning of the policy is what fails. {longer}"
        )
    return longer


def _rising(success: list[float]) -> bool:
    third = len(success) // 3
    if third == 0:
        return False
    middle, last = success[-2 * third : -third], success[-third:]
    return sum(last) / third >= sum(middle) / third + STILL_RISING and success[-1] >= SUCCESS_BELOW

"""The exploit alarm: detects a policy that exploits its learned reward. Pure Python over the rows of metrics.jsonl.

Where the run has goal examples and the environment reports success, the alarm follows the lecture's exploitation
inequality: in three evaluations in a row, true success is below 5% while the learned reward of the policy's final
states is at least that of held-out goals. Otherwise it compares trends: over five evaluations the learned return rose
and the true return did not (Spearman's rank correlation with time). It is not raised once the true return has reached
the demonstrator's, because a discriminator's scale keeps moving when nothing is left to learn.

Where there is no true reward, the unpaid return takes its place: that of the parts of a mixture with weight 0, such as
a second reward model from other labels. With neither, nothing can be compared, and the alarm is never raised.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rl_rewards.core.seed_rows import of_seed, seed_count

EVALUATIONS_IN_A_ROW = 3
SUCCESS_BELOW = 0.05
TREND_EVALUATIONS = 5
TREND_CORRELATION = 0.8  # the learned return rises if its correlation with time is at least this; the true one, above 0
JUDGES = {
    "eval/true_return": "the true return",
    "eval/unpaid_return": "the unpaid return (of the reward's parts with weight 0)",
}
"""The returns that the learned one is compared with, the most trustworthy first, and their names."""

TEXT_FIXES = (
    "Price the distance from the first policy (algorithm.kl_coefficient), stop earlier, give the reward model more "
    "answers or an ensemble (reward.reward_model.ensemble=3), or ask about the policy's own responses."
)
FIXES = (
    "The lecture gives three fixes: more RL between classifier updates (reward.rounds_per_update), all visited states "
    "as negatives (reward=adversarial_classifier reward.visited=all), or an ensemble, whose members an exploit must "
    "all fool (reward.classifier.ensemble=5 reward.classifier.combine=min)."
)


@dataclass(frozen=True)
class Alarm:
    """An alarm, with the evaluation that completed its evidence."""

    round: int
    env_steps: int
    message: str


def judging_return(row: Mapping[str, Any]) -> str | None:
    """Return the key of the return that the learned one is compared with; None if the evaluation has no such return."""
    return next((key for key in JUDGES if row.get(key) is not None), None)


def exploit_alarm(rows: Sequence[dict[str, Any]]) -> Alarm | None:
    """Return the alarm if the newest evaluations meet its criterion, else None.

    Args:
        rows: the rows of metrics.jsonl of one seed, oldest first; rows without an evaluation are ignored.
    """
    evaluations = [row for row in rows if row.get("eval/learned_return") is not None]
    if not evaluations:
        return None
    last = evaluations[-1]
    judged_by_goals = last.get("eval/success") is not None and last.get("eval/reward_heldout_goals") is not None
    evidence = _fooled_goals(evaluations) if judged_by_goals else _diverging_returns(evaluations)
    if evidence is None:
        return None
    return Alarm(last["round"], last["env_steps"], f"Exploit alarm: {evidence} {fixes(evaluations)}")


def fixes(evaluations: Sequence[Mapping[str, Any]]) -> str:
    """Return what to try: about the KL divergence if the policy is a language model."""
    return TEXT_FIXES if "agent/reference_kl" in evaluations[-1] else FIXES


def exploit_alarms(rows: Sequence[dict[str, Any]]) -> dict[int, Alarm]:
    """Return the :func:`exploit_alarm` of every seed that has one, by the seed's index in the run."""
    if not rows:
        return {}
    found = {i: exploit_alarm([of_seed(row, i) for row in rows]) for i in range(seed_count(rows[-1]))}
    return {i: alarm for i, alarm in found.items() if alarm is not None}


def first_alarm(rows: Sequence[dict[str, Any]]) -> Alarm | None:
    """Return the earliest alarm of a run of one seed; None if it was never raised."""
    for end in range(1, len(rows) + 1):
        if rows[end - 1].get("eval/learned_return") is not None and (alarm := exploit_alarm(rows[:end])):
            return alarm
    return None


def _fooled_goals(evaluations: list[dict[str, Any]]) -> str | None:
    recent = evaluations[-EVALUATIONS_IN_A_ROW:]
    if len(recent) < EVALUATIONS_IN_A_ROW:
        return None
    for row in recent:
        on_policy, on_goals = row.get("eval/learned_reward_final"), row.get("eval/reward_heldout_goals")
        if row.get("eval/success") is None or on_policy is None or on_goals is None:
            return None
        if row["eval/success"] >= SUCCESS_BELOW or on_policy < on_goals:
            return None
    last = recent[-1]
    return (
        f"for {EVALUATIONS_IN_A_ROW} evaluations in a row the policy's final states earned at least as much learned "
        f"reward ({last['eval/learned_reward_final']:.2f}) as held-out goals ({last['eval/reward_heldout_goals']:.2f})"
        f" while true success was below {SUCCESS_BELOW:.0%} ({last['eval/success']:.0%})."
    )


def _diverging_returns(evaluations: list[dict[str, Any]]) -> str | None:
    recent = evaluations[-TREND_EVALUATIONS:]
    key = judging_return(recent[-1])
    if key is None:
        return None
    learned, judge = ([row.get(name) for row in recent] for name in ("eval/learned_return", key))
    if len(recent) < TREND_EVALUATIONS or None in learned or None in judge:
        return None
    shown = recent[-1].get("eval/demo_return")
    if shown is not None and judge[-1] >= shown:
        return None
    if _trend(learned) >= TREND_CORRELATION and _trend(judge) <= 0.0:
        return (
            f"over {TREND_EVALUATIONS} evaluations the learned return rose from {learned[0]:.3g} to {learned[-1]:.3g} "
            f"while {JUDGES[key]} did not ({judge[0]:.3g} to {judge[-1]:.3g})."
        )
    return None


def _trend(values: list[float]) -> float:
    """Return Spearman's rank correlation of ``values`` with time, in -1 .. 1; 0 if all values are equal."""
    ranks = [sum(other < v for other in values) + (sum(other == v for other in values) - 1) / 2 for v in values]
    middle = (len(values) - 1) / 2
    covariance = sum((i - middle) * (rank - middle) for i, rank in enumerate(ranks))
    time_spread = sum((i - middle) ** 2 for i in range(len(values)))
    rank_spread = sum((rank - middle) ** 2 for rank in ranks)
    return covariance / (time_spread * rank_spread) ** 0.5 if rank_spread else 0.0

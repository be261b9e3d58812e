"""Finds the best evaluation of a run by a named criterion, in plain Python on rows of metrics.jsonl.

If true success is known, it decides: the mean over the stochastic policy and its mode, which doubles the number of
episodes and avoids a win by luck in one of the two. Ties are broken by the higher true return, then by the newer round.

Otherwise a learned reward must judge. It changes while it learns, so that returns of different rounds are not
comparable. Each evaluation is therefore compared with the same round's reward of a fixed reference: held-out goals
(how much lower the reward of the policy's final states is) or demonstrations (how much less often the discriminator
takes the policy for the demonstrator). Exceeding the reference does not count, because nothing is better than a goal,
and a higher reward is rather an exploit. The worst of three consecutive evaluations counts, so that the policy must
stay near the reference and not profit from a reward that was wrong for a short time. Returns themselves are compared
only for a reward that never changes: those under the parts of a mixture that do not pay, which the policy is
not trained to raise, and else the learned return.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Row = Mapping[str, Any]
Criterion = Literal["success", "true_return", "goals", "demonstrations", "unpaid_return", "learned_return"]
Choice = Literal["success", "true_return", "learned"]
"""The choices of a configuration; ``learned`` becomes one of the last four criteria, depending on the metrics."""

CRITERIA: dict[Criterion, str] = {
    "success": "the highest success, mean of the stochastic policy and its mode; ties: the higher true return, then "
    "the newest",
    "true_return": "the highest true return, mean of the stochastic policy and its mode",
    "goals": "final states whose learned reward comes nearest to that of held-out goals, in the worst of three "
    "consecutive evaluations; true success is not used",
    "demonstrations": "episodes that the discriminator takes for demonstrations most nearly as often as it does real "
    "demonstrations, in the worst of three consecutive evaluations; the true return is not used",
    "unpaid_return": "the highest return under the reward's parts with weight 0, which the policy is not trained to "
    "raise, mean of the stochastic policy and its mode",
    "learned_return": "the highest learned return, mean of the stochastic policy and its mode; the truth is not used",
}
"""Descriptions of the criteria, which continue the sentence 'the best evaluation is that with'."""
WINDOW = 3
"""The number of consecutive evaluations that a score of a changing reward considers."""
REFERENCES: dict[Criterion, tuple[str, str]] = {
    "goals": ("eval/learned_reward_final", "eval/reward_heldout_goals"),
    "demonstrations": ("eval/prob_policy", "eval/prob_demos"),
}
"""For each criterion, the metric of the policy and the metric of the reference."""


def criterion_for(choice: Choice, row: Row, stationary: bool) -> Criterion | None:
    """Return the criterion that ``choice`` means for evaluations like ``row``; None if its metrics are missing.

    Args:
        stationary: True if the reward never changes, so that learned returns of different rounds are comparable.
    """
    if choice != "learned":
        return choice
    for criterion, keys in REFERENCES.items():
        if all(row.get(key) is not None for key in keys):
            return criterion
    if not stationary:
        return None
    return "learned_return" if row.get("eval/unpaid_return") is None else "unpaid_return"


def score(rows: Sequence[Row], criterion: Criterion) -> tuple[float, ...] | None:
    """Return the score of one seed's newest evaluation, a tuple where larger is better; None if it was not measured.

    Args:
        rows: the rows of metrics.jsonl up to that evaluation, which is the last row.
    """
    newest = rows[-1]
    if criterion in REFERENCES:
        policy, reference = REFERENCES[criterion]
        measured = [row for row in rows if row.get(policy) is not None and row.get(reference) is not None]
        if not measured or measured[-1] is not newest:
            return None
        recent = measured[-WINDOW:]
        return (min(0.0, *(row[policy] - row[reference] for row in recent)),)
    value = _both(newest, criterion)
    if value is None:
        return None
    return (value, _both(newest, "true_return") or 0.0) if criterion == "success" else (value,)


def improves(new: Sequence[float] | None, old: Sequence[float] | None) -> bool:
    """Return True if the score ``new`` is at least the ``old`` best, so that a newer evaluation wins a tie."""
    return new is not None and (old is None or tuple(new) >= tuple(old))


def best_evaluation(rows: Sequence[Row], criterion: Criterion) -> Row | None:
    """Return the row of a run's best evaluation, or None."""
    best, best_score = None, None
    for i in range(len(rows)):
        found = score(rows[: i + 1], criterion)
        if improves(found, best_score):
            best, best_score = rows[i], found
    return best


def _both(row: Row, name: str) -> float | None:
    """Return the mean over the stochastic policy and its mode, or the one that was measured; None if neither was."""
    found = [row.get(f"eval/{name}{suffix}") for suffix in ("", "_deterministic")]
    present = [float(value) for value in found if value is not None]
    return sum(present) / len(present) if present else None

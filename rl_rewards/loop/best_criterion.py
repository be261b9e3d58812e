"""Which evaluation of a run was its best, by a criterion that has a name. Plain Python over rows of metrics.jsonl.

Where the truth is known it decides: mean success of the policy as trained and without exploration, so that twice the
episodes count and no evaluation wins by luck in one of the two; of equal ones the higher true return, then the newest.

Where nobody knows it, a learned reward has to judge, and it moves while it learns: returns of different rounds are sums
of different rewards. So each evaluation is compared with what the reward of the same round says of something that stays
the same: goals that were held out (how much less the policy's final states earn) or demonstrations (how much less often
the policy is taken for the demonstrator). Earning more than those is no merit, since nothing is better than a goal:
that would rather be an exploit. The worst of three evaluations in a row counts, so that a policy has to stay near them:
a single one may have met a reward that was briefly blind. Only of a reward that stands still returns themselves count.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Row = Mapping[str, Any]
Criterion = Literal["success", "true_return", "goals", "demonstrations", "learned_return"]
Choice = Literal["success", "true_return", "learned"]
"""The choices of a configuration; ``learned`` becomes one of the last three criteria, by what evaluations measured."""

CRITERIA: dict[Criterion, str] = {
    "success": "the highest success, mean of the policy as trained and without exploration; of equal ones the higher "
    "true return, then the newest",
    "true_return": "the highest true return, mean of the policy as trained and without exploration",
    "goals": "final states whose learned reward comes nearest to that of held-out goals, in the worst of three "
    "evaluations in a row; true success is not asked",
    "demonstrations": "episodes that the discriminator takes for demonstrations nearly as often as it does those, in "
    "the worst of three evaluations in a row; the true return is not asked",
    "learned_return": "the highest learned return, mean of the policy as trained and without exploration; the truth is "
    "not asked",
}
"""How the best evaluation is chosen, in words that follow 'the best evaluation is that with'."""
WINDOW = 3
"""Evaluations in a row that a reward which moves is asked about."""
REFERENCES: dict[Criterion, tuple[str, str]] = {
    "goals": ("eval/learned_reward_final", "eval/reward_heldout_goals"),
    "demonstrations": ("eval/prob_policy", "eval/prob_demos"),
}
"""The metric of the policy and the metric that it is compared with, for each criterion."""


def criterion_for(choice: Choice, row: Row, stands_still: bool) -> Criterion | None:
    """The criterion that ``choice`` means for evaluations like ``row``; None where none of its kind can be told.

    Args:
        stands_still: whether the reward never changes, so that learned returns of different rounds compare.
    """
    if choice != "learned":
        return choice
    for criterion, keys in REFERENCES.items():
        if all(row.get(key) is not None for key in keys):
            return criterion
    return "learned_return" if stands_still else None


def score(rows: Sequence[Row], criterion: Criterion) -> tuple[float, ...] | None:
    """How good the newest evaluation of one seed is: tuples compare, the larger is the better; None if not measured.

    Args:
        rows: of metrics.jsonl up to that evaluation, which is the last of them.
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
    """Returns True if an evaluation takes the place of an older best; of equal ones the newer is kept."""
    return new is not None and (old is None or tuple(new) >= tuple(old))


def best_evaluation(rows: Sequence[Row], criterion: Criterion) -> Row | None:
    """The row that a whole run's best policy comes from."""
    best, best_score = None, None
    for i in range(len(rows)):
        found = score(rows[: i + 1], criterion)
        if improves(found, best_score):
            best, best_score = rows[i], found
    return best


def _both(row: Row, name: str) -> float | None:
    """Mean of the two policies that an evaluation judges, or of the one that was measured."""
    found = [row.get(f"eval/{name}{suffix}") for suffix in ("", "_deterministic")]
    present = [float(value) for value in found if value is not None]
    return sum(present) / len(present) if present else None

"""Metrics of a reward source, whether it is the whole reward or a part of a mixture."""

import re
from collections.abc import Sequence

from rl_rewards.core.seed_rows import Row

_IN_TRAINING = re.compile(r"reward/(\w+)/(.+)")
_IN_EVALUATION = re.compile(
    r"eval/(\w+?)_(visits|prob_(?:heldout_goals|non_goals|visited|demos|policy)|reward_(?:heldout_goals|demos)"
    r"|feature_gap|true_reward_correlation|term_\w+)"
)
"""What sources tell of evaluations; a name can end in anything, so these are all."""


def of_source(rows: Sequence[Row], name: str) -> dict[str, str]:
    """Metrics ``reward/name``, or ``reward/PART/name`` of the parts of a mixture, by part ("" for a whole source)."""
    present = {key for row in rows for key, value in row.items() if value is not None}
    split = {key: split_part(key) for key in sorted(present)}
    return {part: key for key, (part, plain) in split.items() if plain == f"reward/{name}"}


def split_part(key: str) -> tuple[str, str]:
    """The part of a mixture that metric ``key`` is of ("" for none), and its name without that."""
    if match := _IN_TRAINING.fullmatch(key):
        return match[1], f"reward/{match[2]}"
    if match := _IN_EVALUATION.fullmatch(key):
        return match[1], f"eval/{match[2]}"
    return "", key

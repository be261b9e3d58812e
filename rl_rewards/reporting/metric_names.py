"""Finds the metrics of a reward source, whether it is the whole reward or a part of a mixture."""

import re
from collections.abc import Sequence

from rl_rewards.core.seed_rows import Row

_IN_TRAINING = re.compile(r"reward/(\w+)/(.+)")
_IN_EVALUATION = re.compile(
    r"eval/(\w+?)_(visits|prob_(?:heldout_goals|non_goals|visited|demos|policy)|reward_(?:heldout_goals|demos)"
    r"|feature_gap|true_reward_correlation|part_return|term_\w+)"
)
"""All evaluation metrics of reward sources: part names are arbitrary, so that no general pattern could find them."""


def of_source(rows: Sequence[Row], name: str) -> dict[str, str]:
    """Return the metrics ``reward/name`` and ``reward/PART/name``, by part of a mixture ("" for ``reward/name``)."""
    present = {key for row in rows for key, value in row.items() if value is not None}
    split = {key: split_part(key) for key in sorted(present)}
    return {part: key for key, (part, plain) in split.items() if plain == f"reward/{name}"}


def split_part(key: str) -> tuple[str, str]:
    """Split metric ``key`` into a mixture's part ("" if there is none) and the metric's name without the part."""
    if match := _IN_TRAINING.fullmatch(key):
        return match[1], f"reward/{match[2]}"
    if match := _IN_EVALUATION.fullmatch(key):
        return match[1], f"eval/{match[2]}"
    return "", key

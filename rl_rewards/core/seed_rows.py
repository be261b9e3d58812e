"""Rows of metrics.jsonl in which a metric is a number, or a list with one value per seed. Pure Python."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def steps(row: Row) -> tuple[int, str]:
    """Return a run's progress and its unit: environment steps, or gradient steps if the run steps no environment."""
    if row["env_steps"] == 0 and row.get("gradient_steps"):
        return int(row["gradient_steps"]), "gradient steps"
    return int(row["env_steps"] or 0), "env steps"


def steps_in_words(row: Row) -> str:
    """Return the progress as text, such as ``12,800 env steps``."""
    count, name = steps(row)
    return f"{count:,} {name}"


def seed_count(row: Row) -> int:
    """Return the number of seeds in a row."""
    return max((len(value) for value in row.values() if isinstance(value, list)), default=1)


def of_seed(row: Row, index: int) -> dict[str, Any]:
    """Return the row as a run of the seed number ``index`` alone would have written it."""
    return {key: value[index] if isinstance(value, list) else value for key, value in row.items()}


def tidy(rows: Sequence[Row], first_seed: int) -> list[dict[str, Any]]:
    """Return one row for each round and seed, with the column ``seed``; ``rows`` are those of metrics.jsonl."""
    return [
        {"round": row["round"], "seed": first_seed + index, **of_seed(row, index)}
        for row in rows
        for index in range(seed_count(row))
    ]


def values(row: Row, key: str) -> list[float]:
    """Return the values of a metric that are not null, one per seed; empty if the row does not have the metric."""
    value = row.get(key)
    found: Sequence[Any] = value if isinstance(value, list) else [value]
    return [float(v) for v in found if v is not None]

"""Claims of a stored verdict.json in words: those of this version, and those of older ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rl_rewards.core.words import digits

MOST_SEEDS = 1000
"""The largest number of seeds that is named."""
OLDER = {True: "held", False: "did not hold"}
"""Outcomes of versions that knew two, and judged by percentile bootstraps."""


@dataclass(frozen=True)
class StoredClaim:
    """A claim as a page shows it."""

    claim: str
    measured: str
    outcome: str
    judged: str
    kind: str  # of the notice


def stored_claim(record: Mapping[str, Any]) -> StoredClaim:
    """Return what a page shows of a stored verdict."""
    outcome = outcome_in_words(record)
    kind = outcome if outcome in ("supported", "refuted") else "note"
    words = (str(record.get(key, "")) for key in ("claim", "measured"))
    return StoredClaim(*words, outcome=outcome, judged=judged_in_words(record), kind=kind)


def outcome_in_words(record: Mapping[str, Any]) -> str:
    """Return "supported", "refuted" or "undecided"; "held" or "did not hold" of an older version's verdict."""
    return str(record["outcome"]) if "outcome" in record else OLDER[bool(record.get("holds"))]


def count_outcomes(records: Sequence[Mapping[str, Any]]) -> str:
    """Return how many of some claims came out how, e.g. "2 of 3 claims supported, 1 undecided"."""
    found = [outcome_in_words(one) for one in records]
    order = ("supported", "refuted", "undecided", *OLDER.values())
    counts = [f"{found.count(one)} {one}" for one in order if one in found]
    first, *others = counts
    number, _, word = first.partition(" ")
    total = f"of {len(found)} claim{'s' if len(found) > 1 else ''}"
    return ", ".join([f"{number} {total} {word}", *others])


def judged_in_words(record: Mapping[str, Any]) -> str:
    """Return one sentence: the interval that decides a claim, the range claimed, and the seeds that would decide."""
    if "outcome" not in record:
        interval = record.get("interval")
        return f"An older version judged this by the interval {_range(interval)}." if interval else ""
    if record["method"] == "exact":
        return f"Computed exactly: {record['interval_of']}."
    measure = f"{record['interval_of'][:1].upper()}{record['interval_of'][1:]}"
    told = f"{measure}: {interval_in_words(record)}, {record['method']}; claimed: {claimed_in_words(record)}"
    needed = record["seeds_needed"]
    return f"{told}." if needed is None else f"{told}; {seeds_in_words(needed, unit_of(record))} would decide."


def interval_in_words(record: Mapping[str, Any]) -> str:
    """Return the interval of a verdict and its level."""
    return "exact" if record["method"] == "exact" else f"{_range(record['interval'])} ({_percent(record['level'])})"


def claimed_in_words(record: Mapping[str, Any]) -> str:
    """Return the range that a verdict's claim allows."""
    least, most = (None if end is None else _number(end) for end in record["margin"])
    if most is None:
        return f"at least {least}"
    return f"at most {most}" if least is None else f"{least} to {most}"


def seeds_in_words(needed: int, unit: str = "seeds") -> str:
    """Return how many seeds, or how many of another unit, would decide a claim."""
    return f"more than {MOST_SEEDS:,} {unit}" if needed > MOST_SEEDS else f"{needed:,} {unit}"


def unit_of(record: Mapping[str, Any]) -> str:
    """Return what the values of a verdict are of: seeds, unless it says otherwise."""
    return str(record.get("unit", "seeds"))


def _range(interval: Sequence[float | None]) -> str:
    low, high = interval
    return (
        f"{'no lower limit' if low is None else _number(low)} to {'no upper limit' if high is None else _number(high)}"
    )


def _number(value: float | None) -> str:
    """Three significant digits, without zeros at the end of a threshold."""
    told = digits(value)
    return told.rstrip("0").rstrip(".") if "." in told and "e" not in told else told


def _percent(level: float) -> str:
    return f"{100.0 * level:.2f}".rstrip("0").rstrip(".") + "%"

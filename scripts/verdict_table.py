"""Writes the tables of the lecture's claims from the stored verdicts: ``python scripts/verdict_table.py``.

The tables stand in ``scripts/results/README.md``, between marks.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rl_rewards.command_line.choices import list_choices, study_name
from rl_rewards.core.intervals import LEVEL
from rl_rewards.reporting.stored_claims import claimed_in_words, interval_in_words, seeds_in_words, unit_of
from rl_rewards.studies.evidence import stored_evidence

RESULTS = Path(__file__).parent / "results"
PAGE = RESULTS / "README.md"
"""Where the tables stand."""
END = "<!-- end of claims -->\n"
AS_BEFORE = {"held": "supported", "did not hold": "refuted"}
"""The outcome of today that says the same as one of the older statistics."""


def start_of(table: str) -> str:
    """Return the mark above a table."""
    return f"<!-- {table}: written by scripts/verdict_table.py -->\n"


def every_claim(results: Path = RESULTS) -> str:
    """Return every stored study's claims as Markdown, seen from ``results``.

    Where a person has put ``superseded`` into a record, the reason is shown beside its conditions.
    """
    lines = ["| claim | measured | interval | claimed | |", "|---|---|---|---|---|"]
    for path, record in stored_studies(results):
        why = f"; **superseded**: {record['superseded']}" if "superseded" in record else ""
        lines.append(f"| **{_links(path, path.parent)}** | {_conditions(record)}{why} | | | |")
        lines += [f"| {' | '.join(_told(verdict))} |" for verdict in record["verdicts"]]
    return "\n".join(lines)


def every_change(results: Path = RESULTS) -> str:
    """Return the verdicts that the older statistics judged otherwise, as Markdown.

    A verdict's ``before`` is its outcome by the older statistics: percentile bootstraps of 95%, shares of seeds as
    they were counted, most margins 0, and no correction. Claims that did not hold, and are undecided now, are counted
    at the end.
    """
    lines = ["| study | claim | before | now | why |", "|---|---|---|---|---|"]
    opened = []
    for path, record in stored_studies(results):
        judged_twice = [one for one in record["verdicts"] if "before" in one]
        changed = [one for one in judged_twice if one["outcome"] != AS_BEFORE[one["before"]]]
        for one in changed:
            if one["before"] == "held":
                told = (path.stem, _cell(one["claim"]), "held", f"**{one['outcome']}**", _why(one))
                lines.append(f"| {' | '.join(told)} |")
        count = sum(one["before"] == "did not hold" for one in changed)
        if count:
            claims = "1 claim" if count == 1 else f"{count} claims"
            opened.append(f"| {path.stem} | {claims} | did not hold | **undecided** | neither shown nor excluded |")
    return "\n".join(lines + opened)


def written_into(text: str, name: str, table: str) -> str:
    """Return ``text`` with a table between its marks."""
    before, _, rest = text.partition(start_of(name))
    _, _, after = rest.partition(END)
    return f"{before}{start_of(name)}\n{table}\n\n{END}{after}"


def whole_page(text: str, results: Path = RESULTS) -> str:
    """Return the page with all of its tables as the stored verdicts have them."""
    return written_into(written_into(text, "claims", every_claim(results)), "changes", every_change(results))


def stored_studies(results: Path = RESULTS) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Return the path and the record of every stored study."""
    for path in sorted(results.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict) and "verdicts" in record:
            yield path, record


def _links(path: Path, seen_from: Path) -> str:
    """Links to the file and its figure, under the name by which the experiment is run."""
    name = next((one for one in list_choices("experiment") if study_name(one) == path.stem), path.stem)
    name = name.removeprefix("lecture/")
    figure = path.with_suffix(".png")
    shown = f", [figure]({figure.relative_to(seen_from)})" if figure.is_file() else ""
    return f"[{name}]({path.relative_to(seen_from)}){shown}"


def _conditions(record: dict[str, Any]) -> str:
    arms = record["arms"].values()
    seeds = sorted({seed for arm in arms for seed in arm["seeds"]}) or record["seeds"]
    steps = sorted({arm["env_steps"] for arm in arms} - {0})  # cloning takes none
    told = f"seeds {seeds[0]}-{seeds[-1]}"
    if steps:
        told += ", " + " or ".join(f"{one:,}" for one in steps) + " env steps"
    return told if record["counts"] else f"{told}; indicative only"


def _told(verdict: Mapping[str, Any]) -> tuple[str, ...]:
    measured = _cell(verdict["measured"])
    if "not_judged_anew" in verdict:
        measured += f"; **not judged anew**: {verdict['not_judged_anew']}"
    outcome = f"**{verdict['outcome']}**"
    if verdict["outcome"] == "undecided":
        outcome += f"; {seeds_in_words(verdict['seeds_needed'], unit_of(verdict))}"
    return _cell(verdict["claim"]), measured, interval_in_words(verdict), claimed_in_words(verdict), outcome


def _why(verdict: Mapping[str, Any]) -> str:
    """Name the part of the new statistics by which a claim that held is not supported."""
    evidence = next(
        one for one in map(stored_evidence, verdict["evidence"]) if one.outcome(verdict["level"]) == verdict["outcome"]
    )
    low, high = evidence.interval(LEVEL)
    if evidence.method == "share":
        count, seeds = round(sum(evidence.values)), len(evidence.values)
        return f"{count} of {seeds} seeds: the exact 95% interval is {low:.2f} to {high:.2f}"
    if evidence.outcome(LEVEL) == "supported":
        return f"corrected for the study's claims, the level is {100.0 * verdict['level']:.3g}%"
    least = evidence.claimed[0]
    return f"above 0, but not surely by {least:g}" if 0.0 < low < least else "Student's t interval is wider"


def _cell(text: str) -> str:
    return text.rstrip(".").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(whole_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""Writes the tables of the lecture's claims from the stored verdicts: ``python scripts/verdict_table.py``.

The tables stand in ``scripts/results/README.md``, between marks.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rl_rewards.command_line.help import list_choices, study_name
from rl_rewards.core.intervals import LEVEL
from rl_rewards.reporting.stored_claims import judged_in_words
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
    lines = ["| claim | measured | |", "|---|---|---|"]
    for path, record in stored_studies(results):
        why = f"; **superseded**: {record['superseded']}" if "superseded" in record else ""
        lines.append(f"| **{_links(path, path.parent)}** | {_conditions(record)}{why} | |")
        lines += [f"| {' | '.join(_told(verdict))} |" for verdict in record["verdicts"]]
    return "\n".join(lines)


def every_change(results: Path = RESULTS) -> str:
    """Return the verdicts that the older statistics judged otherwise, as Markdown.

    A verdict's ``before`` is its outcome by the older statistics: percentile bootstraps of 95%, shares of seeds as
    they were counted, most margins 0, and no correction. Claims that did not hold, and are undecided now, stand last.
    """
    lines = ["| study | claim | before | now | why |", "|---|---|---|---|---|"]
    opened = []
    for path, record in stored_studies(results):
        for verdict in record["verdicts"]:
            before, now = verdict.get("before"), verdict["outcome"]
            if before is None or now == AS_BEFORE[before]:
                continue
            row = f"| {path.stem} | {_cell(verdict['claim'])} | {before} | **{now}** | {_why(verdict, before)} |"
            (opened if before == "did not hold" and now == "undecided" else lines).append(row)
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


def _told(verdict: Mapping[str, Any]) -> tuple[str, str, str]:
    sentences = [_cell(verdict["measured"]), _cell(judged_in_words(verdict))]
    if "not_judged_anew" in verdict:
        sentences.append(f"Not judged anew: {verdict['not_judged_anew']}")
    return _cell(verdict["claim"]), ".<br>".join(one for one in sentences if one), f"**{verdict['outcome']}**"


def _why(verdict: Mapping[str, Any], before: str) -> str:
    """Name the part of the new statistics that changes a verdict."""
    evidence = next(
        one for one in map(stored_evidence, verdict["evidence"]) if one.outcome(verdict["level"]) == verdict["outcome"]
    )
    low, high = evidence.interval(LEVEL)
    if evidence.method == "share":
        count, seeds = round(sum(evidence.values)), len(evidence.values)
        return f"{count} of {seeds} seeds: the exact interval is {low:.2f} to {high:.2f}"
    if evidence.outcome(LEVEL) == AS_BEFORE[before]:
        return f"corrected for the study's claims, the interval is one of {verdict['level']:.1%}"
    if evidence.method == "ratio of medians":
        return "the exact interval of the ratio is wider"
    if before == "held" and low > 0.0 and evidence.claimed[0] > 0.0:
        return f"above 0, but not by the margin of {evidence.claimed[0]:g}"
    return "neither shown nor excluded" if before == "did not hold" else "Student's t interval is wider"


def _cell(text: str) -> str:
    return text.rstrip(".").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(whole_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

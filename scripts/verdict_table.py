"""Writes the table of the lecture's claims from the stored verdicts: ``python scripts/verdict_table.py``.

The table stands in ``scripts/results/README.md``, between two marks.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rl_rewards.command_line.choices import list_choices, study_name

RESULTS = Path(__file__).parent / "results"
START, END = "<!-- claims: written by scripts/verdict_table.py -->\n", "<!-- end of claims -->\n"


def every_claim(results: Path = RESULTS) -> str:
    """Every stored study's claims as Markdown, seen from ``results``: claim, measured, whether it holds.

    Where a person has put ``superseded`` into a record, the reason is shown beside its conditions.
    """
    lines = ["| claim | measured | |", "|---|---|---|"]
    for path, record in _studies(results):
        why = f"; **superseded**: {record['superseded']}" if "superseded" in record else ""
        lines.append(f"| **{_links(path, path.parent)}** | {_conditions(record)}{why} | |")
        lines += [f"| {' | '.join(_told(verdict))} |" for verdict in record["verdicts"]]
    return "\n".join(lines)


PAGE = RESULTS / "README.md"
"""Where the table stands."""


def written_into(text: str, table: str) -> str:
    """``text`` with ``table`` between its marks."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{table}\n\n{END}{after}"


def _studies(results: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(results.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict) and "verdicts" in record:
            yield path, record


def _links(path: Path, seen_from: Path) -> str:
    """To the file and its figure, under the name by which the experiment is run."""
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


def _told(verdict: dict[str, Any]) -> tuple[str, str, str]:
    return _cell(verdict["claim"]), _cell(verdict["measured"]), "**holds**" if verdict["holds"] else "**does not hold**"


def _cell(text: str) -> str:
    return text.rstrip(".").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(written_into(PAGE.read_text(encoding="utf-8"), every_claim()), encoding="utf-8")

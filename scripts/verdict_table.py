"""Write the README's table of the lecture's claims from the stored verdicts: ``python scripts/verdict_table.py``."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- claims: written by scripts/verdict_table.py -->\n", "<!-- end of claims -->\n"


def table(results: Path = RESULTS) -> str:
    """Every stored study's claims as Markdown: claim, measured, whether it holds."""
    lines = ["| claim | measured | |", "|---|---|---|"]
    for path in sorted(results.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict) and "verdicts" in record:
            figure = f", [figure](scripts/results/{path.stem}.png)" if path.with_suffix(".png").is_file() else ""
            lines.append(f"| **[{path.stem}](scripts/results/{path.name})**{figure} | {_conditions(record)} | |")
            lines += [_row(verdict) for verdict in record["verdicts"]]
    return "\n".join(lines)


def written_into(text: str, table: str) -> str:
    """``text`` with ``table`` between its marks."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{table}\n\n{END}{after}"


def _conditions(record: dict[str, Any]) -> str:
    arms = record["arms"].values()
    seeds = sorted({seed for arm in arms for seed in arm["seeds"]}) or record["seeds"]
    steps = sorted({arm["env_steps"] for arm in arms} - {0})  # cloning takes none
    told = f"seeds {seeds[0]}-{seeds[-1]}"
    if steps:
        told += ", " + " or ".join(f"{one:,}" for one in steps) + " env steps"
    return told if record["counts"] else f"{told}; indicative only"


def _row(verdict: dict[str, Any]) -> str:
    words = "**holds**" if verdict["holds"] else "**does not hold**"
    return f"| {_cell(verdict['claim'])} | {_cell(verdict['measured'])} | {words} |"


def _cell(text: str) -> str:
    return text.rstrip(".").replace("|", "\\|")


if __name__ == "__main__":
    README.write_text(written_into(README.read_text(encoding="utf-8"), table()), encoding="utf-8")

"""Measures speed and memory against predictions: ``make bench [PEERS=DIR] [ONLY=a,b] [OUT=FILE]``.

Only ratios within one run count; absolute figures depend on the machine. Results are written after every item, and
items that are not measured again keep their results in the file. This module imports nothing heavy: item h reads the
peak memory of its children.
"""

import argparse
import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rl_rewards.loop.provenance import code
from scripts.benchmarks.contest import ROOT, BenchError
from scripts.benchmarks.items import ITEMS
from scripts.benchmarks.result import Result, Row, Settings

DEFAULT_OUT = ROOT / "scripts" / "results" / "bench.json"


def main() -> None:
    """Measure item by item, print and write; exit with code 1 when an item could not be measured."""
    options = arguments()
    started, failed = time.perf_counter(), False
    for letter in options.only:
        measure = ITEMS[letter]
        say(f"{letter}. {(measure.__doc__ or '').strip()}")
        item_started = time.perf_counter()
        try:
            result = measure(Settings(options.peers, options.repeats, say))
        except BenchError as error:
            say(f"Error: {error}")
            failed = True
            continue
        for row in result.rows:
            say(in_words(row))
        record(options.out, letter, (measure.__doc__ or "").strip(), result, options.repeats)
        say(f"  ({time.perf_counter() - item_started:.0f} s)")
    say(f"\nAll in {(time.perf_counter() - started) / 60:.1f} minutes; written to {options.out}.\n")
    print(table(options.out))
    sys.exit(failed)


def arguments() -> argparse.Namespace:
    """Return the command line's options, checked."""
    parser = argparse.ArgumentParser(description="Measures speed and memory against predictions.")
    parser.add_argument(
        "--peers",
        type=Path,
        help="folder with purejaxrl/, venv/ (with stable-baselines3) and imitation/ (a venv with it)",
    )
    parser.add_argument("--only", default=",".join(ITEMS), help=f"items, of {','.join(ITEMS)}")
    parser.add_argument("--repeats", type=int, default=5, help="turns of every contest; at least 5 count")
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="the results, JSON")
    options = parser.parse_args()
    options.only = options.only.split(",")
    unknown = [letter for letter in options.only if letter not in ITEMS]
    if unknown:
        parser.error(f"there is no item '{unknown[0]}'; choose from {', '.join(ITEMS)}.")
    if options.peers is not None and not options.peers.is_dir():
        parser.error(f"PEERS={options.peers} is not a folder.")
    if options.repeats < 1:
        parser.error(f"--repeats {options.repeats} must be at least 1.")
    options.peers = options.peers and options.peers.resolve()
    return options


def say(line: str) -> None:
    print(line, flush=True)


def in_words(row: Row) -> str:
    """Describe a figure, its prediction, and whether that holds."""
    predicted = "" if row.holds is None else f"  predicted {_prediction(row)}: {_verdict(row.holds)}"
    return f"  {row.name}: {row.measured:.3g}{predicted}"


def _prediction(row: Row) -> str:
    return f"at least {row.at_least:g}" if row.at_least is not None else f"at most {row.at_most:g}"


def _verdict(holds: bool) -> str:
    return "holds" if holds else "does not hold"


def record(path: Path, letter: str, what: str, result: Result, repeats: int) -> None:
    """Write one item's result into the file, with the conditions of the measurement."""
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results[letter] = {
        "what": what,
        "figures": [
            {
                "name": row.name,
                "measured": round(row.measured, 4),
                "predicted": None if row.holds is None else _prediction(row),
                "holds": row.holds,
            }
            for row in result.rows
        ],
        "conditions": conditions(repeats),
        **result.details,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n", encoding="utf-8")


def conditions(repeats: int) -> dict:
    """Return the conditions that absolute figures depend on: when and where."""
    return {
        "repeats": repeats,
        "cores": os.cpu_count(),
        "load_average": [round(x, 2) for x in os.getloadavg()],  # at the end; the workers add one or two
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("jax", "flax", "mujoco", "gymnasium", "gymnax")},
        **code(),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def table(path: Path) -> str:
    """Return every figure of the file, as Markdown."""
    if not path.exists():
        return "Nothing is measured yet."
    lines = ["| | figure | measured | predicted | |", "|---|---|---|---|---|"]
    for letter, item in json.loads(path.read_text(encoding="utf-8")).items():
        for row in item["figures"]:
            verdict = "" if row["holds"] is None else _verdict(row["holds"])
            lines.append(f"| {letter} | {row['name']} | {row['measured']:.3g} | {row['predicted'] or ''} | {verdict} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""Measures how well the best policy is found without the truth, on finished runs whose environment knows success.

``python scripts/measure_best.py FOLDER ... [--out FILE.json]`` reads every metrics.jsonl at or below the folders. For
each seed it compares the true success (mean of the policy as trained and without exploration) of the evaluation that a
criterion of ``rl_rewards.loop.best_criterion`` picks with that of the truly best one. Picking the newest evaluation is
the baseline; the learned return of a changing reward is included to show why it is not used.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rl_rewards.core.intervals import share_interval
from rl_rewards.core.seed_rows import of_seed, seed_count
from rl_rewards.core.strict_json import strict
from rl_rewards.loop.best_criterion import Criterion, best_evaluation, score

CLOSE = 0.05
WITHOUT_TRUTH: tuple[Criterion, ...] = ("goals", "demonstrations", "learned_return")
Row = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per criterion, and write all seeds' figures if asked to."""
    parser = argparse.ArgumentParser(description="Measures how well a best policy is found without the truth.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="runs, or folders of runs")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write every seed's figures here")
    chosen = parser.parse_args(arguments)
    files = sorted({file for folder in chosen.folders for file in folder.rglob("metrics.jsonl")})
    seeds = [seed for file in files for seed in measure(file)]
    summary = summarise(seeds)
    print(f"{len(seeds)} seeds of {len(files)} runs")
    for name, found in summary.items():
        low, high = found["interval"]
        print(
            f"  {name:<15} within {CLOSE} of the truly best in {found['close']} of {found['seeds']} seeds "
            f"[{low:.2f}, {high:.2f}]; mean shortfall {found['mean_shortfall']:.3f}, largest {found['largest']:.3f}"
        )
    if chosen.out is not None:
        told = {"criteria": summary, "seeds": seeds}
        chosen.out.write_text(json.dumps(strict(told), indent=1) + "\n", encoding="utf-8")


def measure(file: Path) -> list[dict[str, Any]]:
    """Return the best true success of every seed of a run, and how far each criterion's pick falls short of it."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row.get("eval/success") is not None]
    found = []
    for i in range(seed_count(rows[-1]) if rows else 0):
        alone = [of_seed(row, i) for row in rows]
        found.append({"run": str(file.parent), "seed_index": i, **shortfalls(alone)})
    return found


def shortfalls(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the truly best success minus that of the pick, for each criterion that applies; 0 is ideal."""
    truth = {row["round"]: found[0] for row in rows if (found := score([row], "success")) is not None}
    best = max(truth.values())
    picks = {name: best_evaluation(rows, name) for name in WITHOUT_TRUTH} | {"newest": rows[-1]}
    short = {name: best - truth[pick["round"]] for name, pick in picks.items() if pick is not None}
    return {"best": best, "shortfall": short}


def summarise(seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how often each criterion's pick is close, over seeds, with the exact interval of that share."""
    found = {}
    for name in (*WITHOUT_TRUTH, "newest"):
        short = [seed["shortfall"][name] for seed in seeds if name in seed["shortfall"]]
        if short:
            close = sum(value <= CLOSE for value in short)
            found[name] = {
                "close": close,
                "seeds": len(short),
                "interval": share_interval(close, len(short)),
                "mean_shortfall": sum(short) / len(short),
                "largest": max(short),
            }
    return found


if __name__ == "__main__":
    main()

"""Prints the outcome of a finished run on the console."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def print_outcome(
    row: dict[str, Any], run_dir: Path, first_seed: int, report: Path | None, features: Sequence[str] = ()
) -> None:
    """Print the outcome of the run in ``run_dir``, whose last row of metrics is ``row``.

    Args:
        features: the names of the environment's features, which a linear reward weighs.
    """
    from rl_rewards.core.seed_rows import of_seed, seed_count, steps_in_words
    from rl_rewards.loop.best import kept_in_words
    from rl_rewards.loop.log import in_words
    from rl_rewards.reporting.alarm import first_alarm
    from rl_rewards.reporting.outcome import collapses, verdict

    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    seeds = seed_count(row)
    alarms = [first_alarm([of_seed(r, i) for r in rows]) for i in range(seeds)]
    raised = [alarm for alarm in alarms if alarm is not None]
    kept = kept_in_words(run_dir)
    print(f"\n{verdict(rows, first_seed) or 'Nothing was evaluated'}.")
    for number, notice in collapses(rows, kept is not None).items():
        print(f"  {f'seed {first_seed + number}: ' if seeds > 1 else ''}{notice.message}")
    print(f"After {steps_in_words(row)}" + (f", mean and interval over {seeds} seeds:" if seeds > 1 else ":"))
    for name in ("success", "true_return", "unpaid_return", "learned_return"):
        if row.get(f"eval/{name}") is not None:
            label = name.replace("_", " ") if name != "success" else "true success"
            print(f"  {label:<22}{in_words(row, f'eval/{name}', 2)}")
    for name, learned in _learned(row, features).items():
        print(f"  {name:<22}{learned}")
    if raised:
        where = f" in {len(raised)} of {seeds} seeds, first" if seeds > 1 else ""
        print(f"  raised{where} at {raised[0].env_steps:,} env steps: {raised[0].message}")
    elif row.get("eval/reward_heldout_goals") is not None:
        print("  exploit alarm         never raised")
    if kept is not None:
        print(f"  best policy           {run_dir}@best, {kept}")
    if report is not None:
        print(f"  report                {report}")


def _learned(row: dict[str, Any], features: Sequence[str]) -> dict[str, str]:
    """Return what a reward learned from the answers that it asked for, name -> words; with one seed only."""
    answers = row.get("reward/labels")
    if not isinstance(answers, int | float) or not answers:
        return {}
    words = f"{answers:.0f} answers"
    for metric, which in (("reward/agreement", "of them"), ("reward/heldout_accuracy", "of those that were held out")):
        if row.get(metric) is not None:
            words += f"; it predicts {row[metric]:.0%} {which}"
    found = {"learned from": words}
    weights = {name: row.get(f"reward/weight_{i}") for i, name in enumerate(features)}
    known = {name: weight for name, weight in weights.items() if weight is not None}
    if known:
        largest_first = sorted(known, key=lambda name: -abs(known[name]))
        found["weights"] = ", ".join(f"{name} {known[name]:+.2f}" for name in largest_first)
    return found

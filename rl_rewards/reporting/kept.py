"""The texts of a run's page about its best policy: headline, collapse notice, tile, and where the policy is kept.

The judgements come from ``reporting.outcome``; best.json says which evaluation's policy was kept.
"""

from collections.abc import Mapping
from typing import Any

from rl_rewards.core.words import digits, short_count
from rl_rewards.reporting.boxes import Notice, Tile
from rl_rewards.reporting.outcome import Outcome, collapse, outcome, outcomes, verdict
from rl_rewards.reporting.run_files import RunFiles


def outcome_words(run: RunFiles) -> str | None:
    """Return the verdict on a run of one seed, with its number of episodes; None if nothing was evaluated."""
    rows = run.evaluation_rows
    ended = run.status == "DONE" and bool(rows) and rows[-1] is run.rows[-1]
    words = verdict(rows, ended=ended)
    if words is None:
        return None
    return words + (f" ({run.evaluations[-1].valid.shape[1]} episodes)" if run.evaluations else "")


def collapse_notices(run: RunFiles) -> list[Notice]:
    """Return the collapse notice of the last evaluation, or a warning about an earlier collapse that was recovered."""
    rows = run.evaluation_rows
    raised = [found for end in range(1, len(rows) + 1) if (found := collapse(rows[:end], bool(run.best)))]
    if not raised:
        return []
    first, last, unit = short_count(raised[0].env_steps), raised[-1], run.steps_name
    if last.round == rows[-1]["round"]:
        return [Notice("collapse", f"{last.message} First noticed at {first} {unit}.")]
    until = short_count(last.env_steps)
    between = f"at {first}" if first == until else f"from {first} to {until}"
    text = f"Success collapsed {between} {unit} and has recovered since. The notice was: {raised[0].message}"
    return [Notice("warning", text)]


def best_tile(run: RunFiles) -> Tile | None:
    """Return the best evaluation's value and time, and the kept policy's time; None if all evaluations were equal."""
    found = outcome(run.evaluation_rows)
    if found is None or found.constant:
        return None
    note = f"first at {short_count(found.best_steps)} {run.steps_name}"
    kept = best_of(run)
    if kept is not None:
        note += f"; the kept policy is from {short_count(_steps(kept))}"
    return Tile(f"Best {_name(found)}", _value(found, found.best), note, "true")


def best_tile_of_many(rows: list[dict[str, Any]]) -> Tile | None:
    """Return the mean over seeds of each seed's best evaluation; None if no seed's evaluations differed."""
    found = outcomes(rows)
    if not found or all(one.constant for one in found):
        return None
    best = [one.best for one in found]
    note = f"mean over seeds of each seed's best evaluation; the lowest is {_value(found[0], min(best))}"
    return Tile(f"Best {_name(found[0])}", _value(found[0], sum(best) / len(best)), note, "true")


def best_of(run: RunFiles) -> Mapping[str, Any] | None:
    """Return the entry in best.json of a run of one seed; None if it has none."""
    seeds = run.best.get("seeds")
    return seeds[0] if isinstance(seeds, list) and seeds and isinstance(seeds[0], Mapping) else None


def kept_words(run: RunFiles) -> str | None:
    """Describe the policy in checkpoints/best: when it was evaluated, its results, and the criterion that chose it.

    The text continues the words "The policy". None if no policy was kept.
    """
    kept = best_of(run)
    if kept is None:
        return None
    measured = []
    for key, name in (("success", "success"), ("true_return", "true return"), ("learned_return", "learned return")):
        if kept.get(key) is not None:
            value = f"{kept[key]:.2f}" if key == "success" else digits(kept[key])
            deterministic = kept.get(f"{key}_deterministic")
            if deterministic is not None:
                shown = f"{deterministic:.2f}" if key == "success" else digits(deterministic)
                value += f", without exploration {shown}"
            measured.append(f"{name} {value}")
    return (
        f"after {short_count(_steps(kept))} {run.steps_name}: {'; '.join(measured)}. Its evaluation is the one with "
        f"{run.best.get('words', 'an unknown criterion')}."
    )


def _steps(kept: Mapping[str, Any]) -> int:
    return int(kept.get("env_steps") or kept.get("gradient_steps") or 0)


def _name(found: Outcome) -> str:
    return found.measure.replace("_", " ")


def _value(found: Outcome, value: float) -> str:
    return f"{value:.2f}" if found.measure == "success" else digits(value)

"""Shows on a run's page what it reached and kept: headline, collapse notice, tile of the best, and where it is kept.

The judgements are those of ``reporting.outcome``; which evaluation was kept is what best.json says.
"""

from collections.abc import Mapping
from typing import Any

from rl_rewards.core.words import digits, short_count
from rl_rewards.reporting.boxes import Notice, Tile
from rl_rewards.reporting.outcome import Outcome, collapse, outcome, outcomes, verdict
from rl_rewards.reporting.run_files import RunFiles


def outcome_words(run: RunFiles) -> str | None:
    """The verdict on a run of one seed, and over how many episodes; None where nothing was evaluated."""
    rows = run.evaluation_rows
    ended = run.status == "DONE" and bool(rows) and rows[-1] is run.rows[-1]
    words = verdict(rows, ended=ended)
    if words is None:
        return None
    return words + (f" ({run.evaluations[-1].valid.shape[1]} episodes)" if run.evaluations else "")


def collapse_notices(run: RunFiles) -> list[Notice]:
    """The notice that stands at the last evaluation, or that one stood before and success came back."""
    rows = run.evaluation_rows
    raised = [found for end in range(1, len(rows) + 1) if (found := collapse(rows[:end], bool(run.best)))]
    if not raised:
        return []
    first, last, unit = short_count(raised[0].env_steps), raised[-1], run.steps_name
    if last.round == rows[-1]["round"]:
        return [Notice("collapse", f"{last.message} First noticed at {first} {unit}.")]
    until = short_count(last.env_steps)
    between = f"at {first}" if first == until else f"from {first} to {until}"
    text = f"Success had collapsed {between} {unit}, and came back. The notice said: {raised[0].message}"
    return [Notice("warning", text)]


def best_tile(run: RunFiles) -> Tile | None:
    """The best value of an evaluation, when it was reached, and which policy was kept; None where all were alike."""
    found = outcome(run.evaluation_rows)
    if found is None or found.constant:
        return None
    note = f"first at {short_count(found.best_steps)} {run.steps_name}"
    kept = best_of(run)
    if kept is not None:
        note += f"; kept is the policy after {short_count(_steps(kept))}"
    return Tile(f"Best {_name(found)}", _value(found, found.best), note, "true")


def best_tile_of_many(rows: list[dict[str, Any]]) -> Tile | None:
    """Mean over seeds of every seed's best."""
    found = outcomes(rows)
    if not found or all(one.constant for one in found):
        return None
    best = [one.best for one in found]
    note = f"each seed's best evaluation, mean; the least of them {_value(found[0], min(best))}"
    return Tile(f"Best {_name(found[0])}", _value(found[0], sum(best) / len(best)), note, "true")


def best_of(run: RunFiles) -> Mapping[str, Any] | None:
    """Returns the entry of the only seed of ``run`` in best.json."""
    seeds = run.best.get("seeds")
    return seeds[0] if isinstance(seeds, list) and seeds and isinstance(seeds[0], Mapping) else None


def kept_words(run: RunFiles) -> str | None:
    """Which policy checkpoints/best holds, how good it was, and by what criterion it was chosen."""
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
        f"after {short_count(_steps(kept))} {run.steps_name}: {'; '.join(measured)}. It is the evaluation with "
        f"{run.best.get('words', 'an unknown criterion')}."
    )


def _steps(kept: Mapping[str, Any]) -> int:
    return int(kept.get("env_steps") or kept.get("gradient_steps") or 0)


def _name(found: Outcome) -> str:
    return found.measure.replace("_", " ")


def _value(found: Outcome, value: float) -> str:
    return f"{value:.2f}" if found.measure == "success" else digits(value)

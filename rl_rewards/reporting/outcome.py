"""Judges what a run reached and whether it kept it, and detects a collapse. Pure Python over metrics.jsonl.

The console, the report and the DONE file take their words and numbers from here. The outcome is true success if the
environment reports it, else the true return. No scale says which return is high, so that returns are reported as
numbers and never as reached or lost. Where the environment has no true reward, a run has no outcome.

A collapse is reported for success alone: in three evaluations in a row it was below two thirds of the level that the
run had held. That level is the highest mean over three evaluations in a row; below 0.5 it does not count. In
simulations of a policy that never changes, with 36 evaluations of 64 episodes each, at most 0.5% of the runs get a
false notice, whatever the success (4% with 100 evaluations; 11% with 32 episodes each). If the level were the single
best evaluation, and 0.2 replaced 0.5, 92% of the runs would get one at a success of 0.15, and 33% at 0.35.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rl_rewards.core.seed_rows import of_seed, seed_count, values
from rl_rewards.core.words import digits, short_count
from rl_rewards.reporting.alarm import Alarm

Row = Mapping[str, Any]

REACHED = 0.9
"""A task counts as learned from this success on."""
KEPT_SHARE = 2 / 3
"""Success has fallen when it is below this share of its best."""
HELD_FROM = 0.5
"""The lowest best success from which a fall is reported: lower ones are too close to an evaluation's noise."""
EVALUATIONS_IN_A_ROW = 3


@dataclass(frozen=True)
class Outcome:
    """The outcome of one seed. Steps are counted in ``unit``; None means that it never happened."""

    measure: Literal["success", "true_return"]
    unit: Literal["env_steps", "gradient_steps"]
    evaluations: int
    best: float  # the highest value of an evaluation
    best_steps: int  # when that was first measured
    last: float
    last_steps: int
    reached_steps: int | None  # the first evaluation with a success of at least REACHED
    fell_after_steps: int | None  # the last evaluation with at least KEPT_SHARE of the best; None if the newest has it
    constant: bool  # True if all evaluations measured the same value


def outcome(rows: Sequence[Row]) -> Outcome | None:
    """Return the outcome so far of a run of one seed; None if nothing was evaluated yet.

    Args:
        rows: the rows of metrics.jsonl, oldest first; rows without an evaluation are ignored.
    """
    measure = "success" if any(row.get("eval/success") is not None for row in rows) else "true_return"
    evaluations = [row for row in rows if row.get(f"eval/{measure}") is not None]
    if not evaluations:
        return None
    values = [float(row[f"eval/{measure}"]) for row in evaluations]
    steps = [_steps(row) for row in evaluations]
    best = max(values)
    reached = [count for count, value in zip(steps, values, strict=True) if value >= REACHED]
    kept = [count for count, value in zip(steps, values, strict=True) if value >= KEPT_SHARE * best]
    fell = measure == "success" and best >= HELD_FROM and values[-1] < KEPT_SHARE * best
    return Outcome(
        measure=measure,
        unit="gradient_steps" if "gradient_steps" in evaluations[-1] else "env_steps",
        evaluations=len(values),
        best=best,
        best_steps=steps[values.index(best)],
        last=values[-1],
        last_steps=steps[-1],
        reached_steps=reached[0] if measure == "success" and reached else None,
        fell_after_steps=kept[-1] if fell else None,
        constant=min(values) == best,
    )


def outcomes(rows: Sequence[Row]) -> list[Outcome]:
    """Return the :func:`outcome` of every seed that was evaluated, in the order of the seeds."""
    rows = [row for row in rows if "eval/true_return" in row or "eval/success" in row]
    found = [outcome([of_seed(row, i) for row in rows]) for i in range(seed_count(rows[-1]) if rows else 0)]
    return [one for one in found if one is not None]


def verdict(rows: Sequence[Row], first_seed: int = 0, ended: bool = True) -> str | None:
    """Return a sentence, without its full stop, about what the run reached and kept; None if nothing was evaluated.

    Args:
        rows: the rows of metrics.jsonl; with several seeds the sentence counts the seeds.
        first_seed: the first seed of the run, to name the seeds that fell.
        ended: False if the run is still going on or stopped early.
    """
    found = outcomes(rows)
    if not found:
        return _without_truth(rows, ended)
    return _of_one(found[0], ended) if len(found) == 1 else _of_many(found, first_seed, ended)


def numbers(rows: Sequence[Row], first_seed: int = 0) -> dict[str, Any]:
    """Return the verdict and its numbers for the DONE file; with several seeds each number is a list, one per seed."""
    found = outcomes(rows)
    if not found:
        return {}
    unit = found[0].unit
    columns = {
        "best": [one.best for one in found],
        f"best_{unit}": [one.best_steps for one in found],
        "last": [one.last for one in found],
    }
    if found[0].measure == "success":
        columns[f"reached_{REACHED}_{unit}"] = [one.reached_steps for one in found]
        columns[f"fell_after_{unit}"] = [one.fell_after_steps for one in found]
    plain = {key: values[0] if len(found) == 1 else values for key, values in columns.items()}
    return {"verdict": f"{verdict(rows, first_seed)}.", "measure": found[0].measure, **plain}


def collapse(rows: Sequence[Row], kept: bool) -> Alarm | None:
    """Return the collapse notice if the newest evaluations of one seed meet its criterion, else None.

    Args:
        rows: the rows of metrics.jsonl, oldest first.
        kept: True if checkpoints/best holds the policy of the best evaluation; then the notice says so.
    """
    evaluations = [row for row in rows if row.get("eval/success") is not None]
    values = [float(row["eval/success"]) for row in evaluations]
    n = EVALUATIONS_IN_A_ROW
    held = [sum(values[i : i + n]) / n for i in range(len(values) - 2 * n + 1)]  # without the newest n evaluations
    if not held or max(held) < HELD_FROM or max(values[-n:]) >= KEPT_SHARE * max(held):
        return None
    middle, last = evaluations[held.index(max(held)) + n // 2], evaluations[-1]
    found = [key for row in evaluations for key in row]
    message = (
        f"Collapse: in {n} evaluations in a row success was below two thirds of its earlier level: it was "
        f"{max(held):.2f} around {short_count(_steps(middle))} {_unit(last)} and is now {values[-1]:.2f}. "
        f"{what_to_try(found)}"
    )
    if kept:
        message += " The policy of the best evaluation is kept in checkpoints/best."
    return Alarm(last["round"], _steps(last), message)


def collapses(rows: Sequence[Row], kept: bool) -> dict[int, Alarm]:
    """Return the :func:`collapse` notice of every seed that has one, by the seed's index in the run."""
    rows = [row for row in rows if row.get("eval/success") is not None]  # once, because it runs after every round
    count = seed_count(rows[-1]) if rows else 0
    found = {i: collapse([of_seed(row, i) for row in rows], kept) for i in range(count)}
    return {i: notice for i, notice in found.items() if notice is not None}


def what_to_try(metrics: Sequence[str]) -> str:
    """Return a sentence that names what to try, chosen by the names of the run's ``metrics``."""
    tries = []
    own = [key.removeprefix("reward/") for key in metrics if key.startswith("reward/")]
    if any(key.endswith("negatives") for key in own) and not any(key.endswith("places") for key in own):
        tries.append("negatives drawn evenly from the visited places (reward.negatives=places)")
    if "agent/reference_kl" in metrics:
        tries.append("a higher price of the distance from the first policy (algorithm.kl_coefficient)")
    elif "agent/clip_fraction" in metrics:
        tries.append("a learning rate that decays (algorithm.learning_rate_schedule=linear)")
        tries.append("a limit on the policy's change per round (algorithm.target_kl)")
    else:
        tries.append("a smaller algorithm.learning_rate")
    return f"Try {' or '.join(filter(None, [', '.join(tries[:-1]), tries[-1]]))}."


def _of_one(found: Outcome, ended: bool) -> str:
    steps, unit = short_count(found.best_steps), found.unit.replace("_", " ")
    when = "at the end" if ended else f"after {short_count(found.last_steps)} {unit}"
    name, last = ("Success", f"{found.last:.2f}") if found.measure == "success" else ("True return", digits(found.last))
    if found.evaluations == 1:
        return f"{name} {last} {when}"
    if found.constant:
        return f"{name} {last} {when}, the same as at every evaluation"
    if found.best == found.last and found.best_steps == found.last_steps:
        return f"{name} {last} {when}, the best of {found.evaluations} evaluations"
    if found.measure == "true_return":
        return f"True return {last} {when}; the best was {digits(found.best)} at {steps} {unit}"
    if found.fell_after_steps is None:
        return f"Success reached {found.best:.2f} at {steps} {unit}; {last} {when}"
    fell = short_count(found.fell_after_steps)
    return f"Success reached {found.best:.2f} at {steps} {unit}, fell to {last} after {fell}"


def _without_truth(rows: Sequence[Row], ended: bool) -> str | None:
    """Return what was measured in an environment without a true reward; None if nothing was evaluated."""
    evaluated = [row for row in rows if values(row, "eval/learned_return")]
    if not evaluated or any("eval/true_return" in row for row in rows):
        return None
    last = evaluated[-1]
    told = [
        f"the {name} return is {digits(sum(found) / len(found))}"
        for name in ("learned", "unpaid")
        if (found := values(last, f"eval/{name}_return"))
    ]
    when = "at the end" if ended else f"after {short_count(_steps(last))} {_unit(last)}"
    over = f", mean over {seed_count(last)} seeds" if seed_count(last) > 1 else ""
    return f"There is no true reward; {' and '.join(told)} {when}{over}"


def _of_many(found: Sequence[Outcome], first_seed: int, ended: bool) -> str:
    n = len(found)
    if found[0].measure == "true_return":
        best, last = (digits(sum(values) / n) for values in ([o.best for o in found], [o.last for o in found]))
        when = "at the end" if ended else "so far"
        return f"True return {last} {when}, mean over {n} seeds; the mean of each seed's best is {best}"
    reached = [one for one in found if one.reached_steps is not None]
    fallen = {first_seed + i: one for i, one in enumerate(found) if one.fell_after_steps is not None}
    words = f"Success reached {REACHED} in {len(reached)} of {n} seeds"
    if reached:
        first = sorted(one.reached_steps or 0 for one in reached)
        words += f" (median: at {short_count(first[len(first) // 2])} {found[0].unit.replace('_', ' ')})"
    if not fallen:
        return f"{words}; no seed fell by more than a third from its best"
    told = [
        f"seed {seed} from {one.best:.2f} to {one.last:.2f} after {short_count(one.fell_after_steps or 0)}"
        for seed, one in list(fallen.items())[:3]
    ]
    more = f", and {len(fallen) - 3} more" if len(fallen) > 3 else ""
    who, whose = ("1 seed", "its") if len(fallen) == 1 else (f"{len(fallen)} seeds", "their")
    return f"{words}; {who} fell by more than a third from {whose} best ({', '.join(told)}{more})"


def _steps(row: Row) -> int:
    """Return env steps, or gradient steps if the run takes no steps in the environment."""
    return int(row["env_steps"] or row.get("gradient_steps") or 0)


def _unit(row: Row) -> str:
    return "gradient steps" if "gradient_steps" in row else "env steps"

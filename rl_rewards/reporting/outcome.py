"""Judges what a run reached and whether it kept it, and raises the collapse notice. Plain Python over metrics.jsonl.

Console, report and the DONE file take their words and numbers from here. The outcome is true success where the
environment knows it, else the true return; of a return nobody knows how much is much, so that it is told in numbers and
never said to have been reached or lost.

A collapse is told of success alone: in three evaluations in a row it was below two thirds of what it had held. What a
run held is its highest mean over three evaluations in a row, and below 0.5 nothing counts as held: simulated runs of
36 evaluations with 64 episodes each, of a policy that never changes, get the notice in at most 0.5% of cases whatever
its success (4% with 100 evaluations; 11% with 32 episodes each). Against the single best evaluation, and with 0.2
in place of 0.5, they would in 92% of cases where success is 0.15 and in 33% where it is 0.35.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rl_rewards.core.seed_rows import of_seed, seed_count
from rl_rewards.core.words import digits, short_count
from rl_rewards.reporting.alarm import Alarm

Row = Mapping[str, Any]

REACHED = 0.9
"""Success from which on a task counts as learned."""
KEPT_SHARE = 2 / 3
"""Success below this share of its best counts as fallen."""
HELD_FROM = 0.5
"""A best below this is too near the noise of an evaluation for a fall from it to say anything."""
EVALUATIONS_IN_A_ROW = 3


@dataclass(frozen=True)
class Outcome:
    """The outcome of one seed. Steps are counted in ``unit``, and None stands for what never happened."""

    measure: Literal["success", "true_return"]
    unit: Literal["env_steps", "gradient_steps"]
    evaluations: int
    best: float  # the highest value of an evaluation
    best_steps: int  # where that was measured first
    last: float
    last_steps: int
    reached_steps: int | None  # the first evaluation with a success of REACHED or more
    fell_after_steps: int | None  # the last evaluation that had kept two thirds of the best, where the newest has not
    constant: bool  # every evaluation measured the same


def outcome(rows: Sequence[Row]) -> Outcome | None:
    """Returns the outcome of a run of one seed so far; None where no evaluation has measured anything.

    Args:
        rows: of metrics.jsonl, oldest first; those without an evaluation are passed over.
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
    """:func:`outcome` of every seed that was evaluated, in their order."""
    rows = [row for row in rows if "eval/true_return" in row or "eval/success" in row]
    found = [outcome([of_seed(row, i) for row in rows]) for i in range(seed_count(rows[-1]) if rows else 0)]
    return [one for one in found if one is not None]


def verdict(rows: Sequence[Row], first_seed: int = 0, ended: bool = True) -> str | None:
    """A sentence (without its full stop) about what the run reached and kept; None where nothing was evaluated.

    Args:
        rows: of metrics.jsonl; with several seeds it says in how many of them what happened.
        first_seed: the number of the first, to name those that fell.
        ended: False while the run goes on, or where it stopped early.
    """
    found = outcomes(rows)
    if not found:
        return None
    return _of_one(found[0], ended) if len(found) == 1 else _of_many(found, first_seed, ended)


def numbers(rows: Sequence[Row], first_seed: int = 0) -> dict[str, Any]:
    """The verdict and its numbers for the DONE file; with several seeds each number is a list with one per seed."""
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
    """The notice that the newest evaluations of one seed give reason for, else None.

    Args:
        kept: whether checkpoints/best holds the policy of the best evaluation, which the notice then says.
    """
    evaluations = [row for row in rows if row.get("eval/success") is not None]
    values = [float(row["eval/success"]) for row in evaluations]
    n = EVALUATIONS_IN_A_ROW
    held = [sum(values[i : i + n]) / n for i in range(len(values) - 2 * n + 1)]  # those before the newest n
    if not held or max(held) < HELD_FROM or max(values[-n:]) >= KEPT_SHARE * max(held):
        return None
    middle, last = evaluations[held.index(max(held)) + n // 2], evaluations[-1]
    found = [key for row in evaluations for key in row]
    message = (
        f"Collapse: in {n} evaluations in a row success was below two thirds of what it had been: {max(held):.2f} "
        f"around {short_count(_steps(middle))} {_unit(last)}, now {values[-1]:.2f}. {_advice(found)}"
    )
    if kept:
        message += " The policy of the best evaluation is kept in checkpoints/best."
    return Alarm(last["round"], _steps(last), message)


def collapses(rows: Sequence[Row], kept: bool) -> dict[int, Alarm]:
    """:func:`collapse` of every seed for which it stands, by the seed's number in the run."""
    rows = [row for row in rows if row.get("eval/success") is not None]  # asked every round: few of many
    count = seed_count(rows[-1]) if rows else 0
    found = {i: collapse([of_seed(row, i) for row in rows], kept) for i in range(count)}
    return {i: notice for i, notice in found.items() if notice is not None}


def _advice(metrics: Sequence[str]) -> str:
    """Returns a sentence that names what to try, chosen by the run's metrics."""
    tries = []
    own = [key.removeprefix("reward/") for key in metrics if key.startswith("reward/")]
    if any(key.endswith("negatives") for key in own) and not any(key.endswith("places") for key in own):
        tries.append("negatives drawn evenly over the places visited (reward.negatives=places)")
    if "agent/clip_fraction" in metrics:
        tries.append("a learning rate that falls (algorithm.learning_rate_schedule=linear)")
        tries.append("a limit on what a round may change (algorithm.target_kl)")
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
        return f"{name} {last} {when}, as at every evaluation"
    if found.best == found.last and found.best_steps == found.last_steps:
        return f"{name} {last} {when}, the best of {found.evaluations} evaluations"
    if found.measure == "true_return":
        return f"True return {last} {when}; its best was {digits(found.best)} at {steps} {unit}"
    if found.fell_after_steps is None:
        return f"Success reached {found.best:.2f} at {steps} {unit}; {last} {when}"
    fell = short_count(found.fell_after_steps)
    return f"Success reached {found.best:.2f} at {steps} {unit}, fell to {last} after {fell}"


def _of_many(found: Sequence[Outcome], first_seed: int, ended: bool) -> str:
    n = len(found)
    if found[0].measure == "true_return":
        best, last = (digits(sum(values) / n) for values in ([o.best for o in found], [o.last for o in found]))
        return f"Mean over {n} seeds: each seed's best true return {best}, {last} {'at the end' if ended else 'by now'}"
    reached = [one for one in found if one.reached_steps is not None]
    fallen = {first_seed + i: one for i, one in enumerate(found) if one.fell_after_steps is not None}
    words = f"Success reached {REACHED} in {len(reached)} of {n} seeds"
    if reached:
        first = sorted(one.reached_steps or 0 for one in reached)
        words += f" (the median of them at {short_count(first[len(first) // 2])} {found[0].unit.replace('_', ' ')})"
    if not fallen:
        return f"{words}; none fell by more than a third from its best"
    told = [
        f"seed {seed} from {one.best:.2f} to {one.last:.2f} after {short_count(one.fell_after_steps or 0)}"
        for seed, one in list(fallen.items())[:3]
    ]
    more = f", and {len(fallen) - 3} more" if len(fallen) > 3 else ""
    return f"{words}; {len(fallen)} fell by more than a third from its best ({', '.join(told)}{more})"


def _steps(row: Row) -> int:
    """Env steps, or gradient steps where none are taken in the environment."""
    return int(row["env_steps"] or row.get("gradient_steps") or 0)


def _unit(row: Row) -> str:
    return "gradient steps" if "gradient_steps" in row else "env steps"

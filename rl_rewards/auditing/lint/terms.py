"""Checks of single terms: not a number, always the same, always at a bound, and ten times the rest together."""

from collections.abc import Iterator

import numpy as np

from rl_rewards.auditing.lint.seen import Finding, SeenSteps
from rl_rewards.rewards.written.written import LARGEST_REWARD

TIMES = 10.0
"""A term dominates if its standard deviation is more than this many times that of the sum of all others."""
NEARLY_ALL = 0.999
"""The share of values at one bound from which a clip or a condition counts as always there."""
RARE = 0.05
"""A term that is 0 in all but this share of steps pays for rare events, such as success; its deviation says little."""
SAME = 1e-6
"""A term is constant if its range is within this share of its largest absolute value."""


def check_terms(seen: SeenSteps) -> tuple[list[Finding], list[str]]:
    """Return what is wrong with single terms, and notes; each fault is told once, by its nearest cause."""
    constant = [name for name in seen.terms if _is_constant(_finite(seen, name))]
    waiting = [name for name in constant if name in seen.for_success and not _finite(seen, name).any()]
    found: list[Finding] = []
    for name in seen.terms:
        found += _not_finite(seen, name)
        if name in waiting:
            continue
        saturated = [*_saturated(seen, name)]
        found += saturated or (_constant(seen, name) if name in constant else ())
    rare = [name for name in seen.terms if np.mean(_finite(seen, name) != 0.0) < RARE]
    found += _dominating(seen, [name for name in seen.terms if name not in (*constant, *rare)])
    notes = [
        f"The term {name} is 0 at all {seen.steps:,} steps and pays for success, which none of these policies reached; "
        "a learner that explores like them has nothing to learn from it."
        for name in waiting
    ]
    return found, notes


def _finite(seen: SeenSteps, name: str) -> np.ndarray:
    value = seen.terms[name]
    return np.where(np.isfinite(value), np.clip(value, -LARGEST_REWARD, LARGEST_REWARD), 0.0)


def _is_constant(value: np.ndarray) -> bool:
    return float(np.ptp(value)) <= SAME * float(np.max(np.abs(value)))


def _not_finite(seen: SeenSteps, name: str) -> Iterator[Finding]:
    value = seen.terms[name]
    faults = {
        "not a number": (
            np.isnan(value),
            "keep the argument of log, sqrt and / within its domain, as log(max(x, 1e-6))",
        ),
        "infinite": (np.isinf(value), "keep the argument of log, exp and / within bounds, as clip(x, -10, 10)"),
        "beyond 1e6": (
            np.isfinite(value) & (np.abs(value) > LARGEST_REWARD),
            "scale it, or bound it with clip or tanh",
        ),
    }
    for what, (where, mend) in faults.items():
        count = int(where.sum())
        if count:
            policies = {seen.names[each] for each in seen.policy[where.any(axis=0)]}
            by = f"{len(policies)} of {len(seen.names)} policies"
            yield Finding(
                "not finite",
                f"The term {name} is {what} at {count:,} of {seen.steps:,} steps, under {by}; {mend}.",
                name,
                {"steps": count, "share": count / seen.steps},
            )


def _saturated(seen: SeenSteps, name: str) -> Iterator[Finding]:
    for switch in seen.switches.get(name, ()):
        low, high = switch.at.get(-1, 0.0), switch.at.get(1, 0.0)
        share = max(low, high) if switch.is_condition else low + high
        if share < NEARLY_ALL:
            continue
        always = (
            f"at {share:.4g} of all values in {seen.steps:,} steps" if share < 1 else f"at all {seen.steps:,} steps"
        )
        if switch.is_condition:
            never, only = ("second", "first") if high > low else ("first", "second")
            told = (
                f"the condition of {switch.text} is {'true' if high > low else 'false'} {always}, so that its {never} "
                f"value is never used; change the condition, or write its {only} value alone"
            )
        else:
            bound = "its upper bound" if low == 0.0 else "its lower bound" if high == 0.0 else "one of its bounds"
            told = (
                f"{switch.text} gives {bound} {always}, so that it hardly depends on its argument; widen the bounds, "
                "or leave it out"
            )
        yield Finding("saturated", f"In the term {name}, {told}.", name, {"at_low": low, "at_high": high})


def _constant(seen: SeenSteps, name: str) -> Iterator[Finding]:
    value = float(_finite(seen, name).mean())
    if value == 0.0:
        yield Finding(
            "constant",
            f"The term {name} is 0 at all {seen.steps:,} steps, so that nothing these policies do changes it; lower "
            "its threshold, or add a term that leads there, unless it is meant for what only a skilled policy reaches.",
            name,
            {"value": 0.0},
        )
    elif not seen.ends_early:
        yield Finding(
            "constant",
            f"The term {name} is {value:.4g} at all {seen.steps:,} steps, and all episodes are equally long, so that "
            "it adds the same to every policy; let it depend on what the policy does, or leave it out.",
            name,
            {"value": value},
        )


def _dominating(seen: SeenSteps, names: list[str]) -> Iterator[Finding]:
    """Return the term that varies more than ``TIMES`` all others together, among those that vary and are not rare."""
    if len(names) < 2:
        return
    values = {name: _finite(seen, name) for name in names}
    total = np.sum([*values.values()], axis=0)
    for name, value in values.items():
        own, others = float(np.std(value)), float(np.std(total - value))
        if own > TIMES * others:
            one = names[1 - names.index(name)] if len(names) == 2 else None
            rest, of_rest = (one, one) if one else ("all others together", "the others' sum")
            counts = f"{one} hardly counts" if one else "the others hardly count"
            yield Finding(
                "dominates",
                f"The term {name} varies {_times(own, others)} as much as {rest}: over {seen.steps:,} steps its "
                f"standard deviation is {own:.3g} and that of {of_rest} {others:.3g}, so that {counts}. Weigh {name} "
                f"less, or {one or 'the others'} more, until they are within {TIMES:g} times.",
                name,
                {"own": own, "others": others},
            )


def _times(own: float, others: float) -> str:
    if others == 0.0:
        return "infinitely"
    ratio = own / others
    return f"{ratio:.1f} times" if ratio < 100.0 else f"{ratio:,.0f} times"

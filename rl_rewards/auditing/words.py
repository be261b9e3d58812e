"""An audit in words: lines for the console, and the content of its page."""

from typing import Any

from rl_rewards.auditing.coverage import Share
from rl_rewards.auditing.effects import LEVEL, Effect
from rl_rewards.auditing.whole import Audit


def in_words(audit: Audit) -> list[str]:
    """Return the audit in lines of text."""
    lines = [
        f"Reward of {audit.run}, seed {audit.seed}, on {audit.drawn}",
        headline(audit),
        "  excess: what an edit changes beyond what the true reward owes it, in standard deviations of the reward; all",
        f"  intervals are right together with probability {LEVEL:g}; nothing within {audit.margin:g} of 0 counts",
        f"  {'edit':<16} {'excess':>7} {'interval':>16} {'pairs':>6} {'change':>7} {'owed':>7} {'attribution':>12}",
    ]
    for one in audit.effects:
        interval = f"[{one.low:+.2f}, {one.high:+.2f}]"
        lines.append(
            f"  {one.name:<16} {one.excess:>+7.2f} {interval:>16} {one.pairs:>6} {one.changed:>+7.2f} "
            f"{_signed(one.owed):>7} {_signed(one.predicted):>12}{'  <- counts' if one.named else ''}"
        )
    lines += [f"  {one.name}: the second of each pair {one.what}" for one in audit.effects]
    lines += [f"  Too few pairs to judge: {', '.join(audit.left_out)}"] if audit.left_out else []
    return [*lines, *(f"  {name}: {value}" for name, value in facts(audit))]


def headline(audit: Audit) -> str:
    """Return what was found in one sentence."""
    if not audit.named:
        return f"No edit changes this reward by more than {audit.margin:g} standard deviations beyond what is owed."
    told = ", ".join(
        f"{one.name} ({'over' if one.excess > 0 else 'under'}paid by {abs(one.excess):.2f})" for one in audit.named
    )
    return f"This reward is biased: {told}."


def disagreements(audit: Audit) -> list[Effect]:
    """Return the effects where attribution and intervention are on different sides of the margin, or of 0."""
    found = []
    for one in audit.effects:
        guess = 0.0 if one.predicted is None else one.predicted
        counted = abs(guess) > audit.margin
        if one.predicted is not None and (counted != one.named or (one.named and guess * one.excess < 0)):
            found.append(one)
    return found


def facts(audit: Audit) -> list[tuple[str, str]]:
    """Return the other results: name and value in words."""
    cover = audit.coverage
    found = [
        (f"{name} distance to the true reward", f"{value:.2f} (0 is the same, 0.71 unrelated, 1 opposite)")
        for name, value in audit.distances.items()
    ]
    if audit.correlation is not None:
        found.append(("correlation with the true reward", f"{audit.correlation:.2f}"))
    else:
        found.append(("true reward", "not known, so that nothing is owed and no distance can be measured"))
    found.append(("comparisons that it was learned from", f"{cover.comparisons:,}"))
    if cover.new is not None and cover.new_in_training is not None:
        what = f"{cover.new:.1%} of {cover.unit}; between halves of the training data {cover.new_in_training:.1%}"
        found.append(("unlike the training data", what))
    if cover.agree is not None and cover.agree_in_training is not None:
        told = f"{cover.agree:.1%} of pairs; in the training data {cover.agree_in_training:.1%}"
        found.append((f"all {cover.members} members agree on", told))
    else:
        found.append(("ensemble", "one member, so that no agreement can be measured"))
    if cover.accuracy is not None:
        found.append(("accuracy on pairs of what was drawn", _share(cover.accuracy)))
    if cover.heldout_accuracy is not None:
        found.append(("accuracy on held-out comparisons", _share(cover.heldout_accuracy)))
    return found


def page(audit: Audit) -> dict[str, Any]:
    """Return the content of audit.html.j2."""
    return {
        "audit": audit,
        "title": f"Audit of {audit.run}",
        "headline": headline(audit),
        "notices_": [{"kind": "alarm" if audit.named else "note", "heading": "", "text": _notice(audit)}],
        "level": f"{LEVEL:.0%}",
        "rows": [_row(one) for one in audit.effects],
        "axis": _axis(audit),
        "disagree": [one.name for one in disagreements(audit)],
        "coefficients": [(name, f"{value:+.2f}") for name, value in _strongest(audit)],
        "explained": f"{audit.attribution.explained:.0%}",
        "facts": facts(audit),
    }


def _notice(audit: Audit) -> str:
    if not audit.named:
        return (
            "That is no proof that the reward is right: only these edits were tried, on these segments. The numbers "
            "below say how far it is from the true reward, where that is known."
        )
    return (
        "An overpaid feature is what a policy that is trained on this reward will learn to produce; an underpaid one "
        "is what it will avoid. Only these edits were tried."
    )


def _axis(audit: Audit) -> float:
    """Return the largest number that the bars of the page show."""
    return max(2.0 * audit.margin, *(max(abs(one.low), abs(one.high)) for one in audit.effects)) or 1.0


def _row(one: Effect) -> dict[str, Any]:
    moved = [item for item in one.moved.items() if abs(item[1]) >= 0.05]
    moved = sorted(moved, key=lambda item: -abs(item[1]))[:5]
    return {
        "name": one.name,
        "what": one.what,
        "excess": f"{one.excess:+.2f}",
        "value": one.excess,
        "low": one.low,
        "high": one.high,
        "interval": f"{one.low:+.2f} to {one.high:+.2f}",
        "pairs": one.pairs,
        "changed": f"{one.changed:+.2f}",
        "owed": _signed(one.owed),
        "predicted": _signed(one.predicted),
        "named": one.named,
        "moved": ", ".join(f"{name} {value:+.1f}" for name, value in moved),
    }


def _strongest(audit: Audit) -> list[tuple[str, float]]:
    found = sorted(audit.attribution.coefficients.items(), key=lambda item: -abs(item[1]))
    true = audit.attribution.of_true
    return ([("the true reward", true)] if true is not None else []) + found


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.2f}"


def _share(share: Share) -> str:
    return f"{share[0]:.2f} [{share[1]:.2f}, {share[2]:.2f}]"

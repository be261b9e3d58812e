"""Claims and their verdicts: supported, refuted or undecided.

A claim names the range in which a measure lies if it is true. It is supported where the measure's confidence interval
lies inside this range, refuted where it lies outside, and undecided otherwise, with the number of seeds that would
decide. A claim of a range with two ends is a test of equivalence by two one-sided tests (Schuirmann 1987).

All claims of a study are corrected together by Holm's step-down procedure (Holm 1979, Scandinavian Journal of
Statistics 6; Shaffer 1980, Annals of Statistics 8, for directions), so that the probability of any wrong decision in a
study is at most 5%: of m claims that are open all those are decided whose interval of level 1 - 0.05 / m decides, then
m is the number of those that are left, and so on until no interval decides any more. A verdict shows the interval at
the level at which it was judged last, so that interval and outcome always agree.

Margins are practical. Where a study has no threshold of its own, more is more by ``PRACTICAL``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rl_rewards.core.intervals import LEVEL, mean_interval, share_interval
from rl_rewards.studies.evidence import METHODS, Evidence, Interval, Outcome

PRACTICAL = 0.05
"""The least difference that counts, of a share (success, coverage) or of a normalised score: an episode in twenty."""
PRACTICAL_ACCURACY = 0.01
"""The least difference that counts of an accuracy on held-out pairs, of which a seed has thousands."""


@dataclass(frozen=True)
class Claim:
    """A claim, what was measured, and the evidence; where that has several parts, the claim says all of them."""

    claim: str
    measured: str
    evidence: tuple[Evidence, ...]
    per_seed: Mapping[str, Sequence[float]]  # arm -> the value of every seed
    unit: str = "seeds"  # what the values are of, in words: those of one run's prompts are of prompts


@dataclass(frozen=True)
class Verdict:
    """A claim's outcome, and the interval that decides it or leaves it open."""

    claim: str
    measured: str
    outcome: Outcome
    interval_of: str
    interval: Interval
    margin: Interval  # least and greatest value that the claim allows
    level: float  # of the interval, as corrected; 1 for what no seed changes
    method: str
    seeds_needed: int | None  # to decide, MOST_SEEDS + 1 for more than MOST_SEEDS; None unless undecided
    per_seed: Mapping[str, Sequence[float]]
    evidence: tuple[Evidence, ...]  # from which all this follows
    unit: str = "seeds"


def conclude(claims: Sequence[Claim]) -> list[Verdict]:
    """Judge all claims of a study together, in their order."""
    levels = _holm_levels(claims)
    return [_verdict(claim, level) for claim, level in zip(claims, levels, strict=True)]


def _holm_levels(claims: Sequence[Claim]) -> list[float]:
    """The level at which each claim is judged last; 1 where no seed changes the evidence."""
    levels = [1.0] * len(claims)
    left = [i for i, claim in enumerate(claims) if any(one.method != "exact" for one in claim.evidence)]
    while left:
        level = 1.0 - (1.0 - LEVEL) / len(left)
        for i in left:
            levels[i] = level
        still_open = [i for i in left if _deciding(claims[i], level).outcome(level) == "undecided"]
        if len(still_open) == len(left):
            break
        left = still_open
    return levels


def _deciding(claim: Claim, level: float) -> Evidence:
    """The part on which the outcome rests: a refuted one, else an undecided one, else the first."""
    ranks: Mapping[Outcome, int] = {"refuted": 0, "undecided": 1, "supported": 2}
    return min(claim.evidence, key=lambda one: ranks[one.outcome(level)])


def _verdict(claim: Claim, level: float) -> Verdict:
    part = _deciding(claim, level)
    outcome = part.outcome(level)
    return Verdict(
        claim=claim.claim,
        measured=claim.measured,
        outcome=outcome,
        interval_of=part.of,
        interval=part.interval(level),
        margin=part.claimed,
        level=level,
        method=METHODS[part.method],
        seeds_needed=part.seeds_needed(level) if outcome == "undecided" else None,
        per_seed=claim.per_seed,
        evidence=claim.evidence,
        unit=claim.unit,
    )


def in_words(found: Sequence[float], places: int = 2) -> str:
    """The mean over seeds and its 95% interval."""
    mean, low, high = mean_interval(found)
    return f"{mean:.{places}f} [{low:.{places}f}, {high:.{places}f}]"


def at_least(
    claim: str,
    measured: str,
    of: str,
    values: Sequence[float],
    least: float,
    per_seed: Mapping[str, Sequence[float]],
    unit: str = "seeds",
) -> Claim:
    """Claim that a mean over seeds, or over another ``unit``, is at least ``least``."""
    return Claim(claim, measured, (Evidence(of=of, values=values, claimed=(least, math.inf)),), per_seed, unit)


def at_most(
    claim: str, measured: str, of: str, values: Sequence[float], most: float, per_seed: Mapping[str, Sequence[float]]
) -> Claim:
    """Claim that a mean over seeds is at most ``most``."""
    return Claim(claim, measured, (Evidence(of=of, values=values, claimed=(-math.inf, most)),), per_seed)


def enough_seeds(
    claim: str, measured: str, yes: Sequence[bool], needed: float, per_seed: Mapping[str, Sequence[float]]
) -> Claim:
    """Claim that the share of seeds that say yes is at least ``needed``."""
    count = sum(yes)
    low, high = share_interval(count, len(yes))
    text = f"{count} of {len(yes)} seeds (95% interval of the share {low:.2f} to {high:.2f}); {measured}"
    values = [float(one) for one in yes]
    evidence = Evidence(of="share of seeds", values=values, claimed=(needed, math.inf), method="share")
    return Claim(claim, text, (evidence,), per_seed)


def gained(
    claim: str,
    what: str,
    differences: Sequence[float],
    per_seed: Mapping[str, Sequence[float]],
    margin: float = PRACTICAL,
) -> Claim:
    """Claim that ``differences`` are at least ``margin`` on average over seeds.

    Args:
        what: names them, e.g. "success lost".
    """
    return at_least(claim, f"{what}: {in_words(differences)}.", what, differences, margin, per_seed)


def more_than(claim: str, found: Mapping[str, Sequence[float]], better: str, worse: str, what: str) -> Claim:
    """Claim that ``better`` has more than ``worse``, paired by seed, by ``PRACTICAL`` or more on average."""
    both = {name: list(found[name]) for name in (better, worse)}
    more = less(both[better], both[worse])
    text = f"{in_words(both[better])} against {in_words(both[worse])}; {in_words(more)} more."
    return at_least(claim, text, f"{what} more, paired by seed", more, PRACTICAL, both)


def median_at_most(values: Sequence[float], share: float, others: Sequence[float]) -> Evidence:
    """Return the evidence for a median over seeds of ``values`` that is at most ``share`` of that of ``others``."""
    method = "ratio of medians"
    return Evidence(of=method, values=values, others=others, claimed=(0.0, share), method=method)


def less(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """``first`` minus ``second``, paired by seed."""
    return [a - b for a, b in zip(first, second, strict=True)]


def exact(
    claim: str,
    measured: str,
    parts: Mapping[str, tuple[Sequence[float], Interval]],
    per_seed: Mapping[str, Sequence[float]],
) -> Claim:
    """Claim what no seed changes.

    Args:
        parts: name of a measure -> its values, and the range in which all of them must lie.
    """
    evidence = (
        Evidence(of=of, values=found, claimed=claimed, method="exact") for of, (found, claimed) in parts.items()
    )
    return Claim(claim, measured, tuple(evidence), per_seed)

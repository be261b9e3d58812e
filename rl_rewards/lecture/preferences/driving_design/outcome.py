"""Claims and table of ``driving_design``, from the counts of drives alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rl_rewards.core.intervals import LEVEL, mean_interval
from rl_rewards.lecture.preferences.driving_design.drives import CLOSE_HEADWAY, MOST_JERK, Drives
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, at_most, exact, gained, in_words, less
from rl_rewards.studies.evidence import Evidence

CHALLENGE_MILES = 1_000_000
EXPLOITS = {
    "standing": "nearly standing",
    "tailgating": f"headway below {CLOSE_HEADWAY:g} s",
    "straddling": "over the line",
    "off_road": "off the road",
    "jerky": f"jerk above {MOST_JERK:g} m/s³",
}
"""The shares of time of the table, in words."""
IN_A_SENTENCE = {
    "standing": "nearly standing",
    "tailgating": f"with a headway below {CLOSE_HEADWAY:g} s",
    "straddling": "over the line between the lanes",
}
"""The exploits that are predicted, as in: it spends its time ..."""
ARMS = {
    "rules": "rules: no contact, road, limit",
    "progress": "+ progress",
    "distance": "+ distance",
    "lanes": "+ lanes",
    "answers": "+ a passenger's answers",
    "limits": "+ limits",
    "limits_alone": "limits, no answers",
}
"""The rungs, in words."""


class Exploit(NamedTuple):
    """A prediction: where an exploit is found, and what closes it; shares of time."""

    arm: str
    fix: str
    found: float
    closed: float


class Bound(NamedTuple):
    """Collisions per mile: what was counted, and the exact bounds (Poisson), each of one side.

    Only the first collision of an episode counts, and the miles up to it, because later ones depend on it. The bounds
    are of these seeds' policies together.
    """

    rate: float
    low: float
    high: float


def bound(collisions: int, miles: float, level: float = LEVEL) -> Bound:
    """Return collisions per mile with exact bounds; without a collision the upper one is -log(1 - level) / miles.

    That is the rule of three: 3.0 / miles at 95%.
    """
    from scipy.special import gammaincinv

    low = float(gammaincinv(collisions, 1.0 - level)) / miles if collisions else 0.0
    return Bound(collisions / miles, low, float(gammaincinv(collisions + 1, level)) / miles)


def miles_needed(level: float = LEVEL) -> float:
    """Return the miles without any collision that show at most one in ``CHALLENGE_MILES``."""
    return -math.log(1.0 - level) * CHALLENGE_MILES


def table(drives: Mapping[str, Sequence[Drives]]) -> dict[str, dict[str, Any]]:
    """Return every measure of every arm: mean over seeds with its interval, and collisions of all seeds together."""
    return {arm: _row(each) for arm, each in drives.items()}


def _row(each: Sequence[Drives]) -> dict[str, Any]:
    collisions, miles = sum(one.collisions for one in each), sum(one.miles for one in each)
    names = [name for name in Drives._fields if name not in ("collisions", "miles")]
    return {name: mean_interval(of(each, name)) for name in names} | {
        "collisions": collisions,
        "miles": miles,
        "collisions_a_mile": bound(collisions, miles)._asdict(),
        "collisions_a_mile_of_seeds": [bound(one.collisions, one.miles)._asdict() for one in each],
    }


def of(each: Sequence[Drives], name: str) -> list[float]:
    """Return one measure of every seed."""
    return [float(getattr(one, name)) for one in each]


def claims(
    drives: Mapping[str, Sequence[Drives]], exploits: Mapping[str, Exploit], held: float, spent: str
) -> list[Claim]:
    """Claim the exploits and their fixes, what answers and limits do, and what the miles show.

    Args:
        held: the largest share of time in which a limit may be exceeded.
        spent: what the answers cost, in words.
    """
    found = [one for name, exploit in exploits.items() for one in _of_exploit(drives, name, exploit)]
    return [
        *found,
        _stay_closed(drives, exploits),
        _calmer(drives, spent),
        _limits_hold(drives, held),
        _within_the_challenge(drives),
        _answers_matter(drives),
        _fewer_collisions(drives),
        _million(drives["limits"]),
    ]


def _of_exploit(drives: Mapping[str, Sequence[Drives]], name: str, exploit: Exploit) -> list[Claim]:
    before, after = (of(drives[arm], name) for arm in (exploit.arm, exploit.fix))
    words, both = IN_A_SENTENCE[name], {exploit.arm: before, exploit.fix: after}
    return [
        at_least(
            f"{ARMS[exploit.arm]}: the policy spends at least {exploit.found:.0%} of the time {words}.",
            f"share of time {in_words(before)}.",
            f"share of time {words}",
            before,
            exploit.found,
            {exploit.arm: before},
        ),
        gained(
            f"{ARMS[exploit.fix]}: there is less of that, by {PRACTICAL:g} of the time or more.",
            f"share of time {words}, less, paired by seed",
            less(before, after),
            both,
        ),
        at_most(
            f"{ARMS[exploit.fix]}: that exploit is closed, at most {exploit.closed:.0%} of the time.",
            f"share of time {in_words(after)}.",
            f"share of time {words}",
            after,
            exploit.closed,
            {exploit.fix: after},
        ),
    ]


def _stay_closed(drives: Mapping[str, Sequence[Drives]], exploits: Mapping[str, Exploit]) -> Claim:
    answers = drives["answers"]
    each = {name: of(answers, name) for name in exploits}
    evidence = (
        Evidence(of=f"share of time {IN_A_SENTENCE[name]}", values=each[name], claimed=(-math.inf, one.closed))
        for name, one in exploits.items()
    )
    text = ", ".join(f"{IN_A_SENTENCE[name]} {in_words(values)}" for name, values in each.items())
    return Claim(
        f"{ARMS['answers']}: no exploit that was closed comes back.", f"share of time {text}.", tuple(evidence), each
    )


def _calmer(drives: Mapping[str, Sequence[Drives]], spent: str) -> Claim:
    before, after = (of(drives[arm], "jerky") for arm in ("lanes", "answers"))
    return at_least(
        f"{ARMS['answers']}: jerk, which no term mentions, is above {MOST_JERK:g} m/s³ in less of the time, by "
        f"{PRACTICAL:g} or more.",
        f"share of time {in_words(after)} against {in_words(before)}; {spent}.",
        "share of time, less, paired by seed",
        less(before, after),
        PRACTICAL,
        {"lanes": before, "answers": after},
    )


def _limits_hold(drives: Mapping[str, Sequence[Drives]], held: float) -> Claim:
    each = {name: of(drives["limits"], name) for name in ("jerky", "tailgating")}
    evidence = (
        Evidence(of=f"share of time, {EXPLOITS[name]}", values=values, claimed=(-math.inf, held))
        for name, values in each.items()
    )
    text = ", ".join(f"{EXPLOITS[name]} {in_words(values, 3)}" for name, values in each.items())
    return Claim(
        f"{ARMS['limits']}: jerk above {MOST_JERK:g} m/s³ and a headway below {CLOSE_HEADWAY:g} s each take at most "
        f"{held:.0%} of the time.",
        f"share of time {text}.",
        tuple(evidence),
        each,
    )


def _within_the_challenge(drives: Mapping[str, Sequence[Drives]]) -> Claim:
    largest = of(drives["limits"], "largest_jerk")
    return at_most(
        f"{ARMS['limits']}: jerk is never above {MOST_JERK:g} m/s³, as the challenge asks.",
        f"largest jerk {in_words(largest)} m/s³; 99th percentile {in_words(of(drives['limits'], 'jerk'))} m/s³.",
        "largest jerk in all miles of a seed, m/s³",
        largest,
        MOST_JERK,
        {"limits": largest},
    )


def _answers_matter(drives: Mapping[str, Sequence[Drives]]) -> Claim:
    before, after = (of(drives[arm], "jerky") for arm in ("limits_alone", "limits"))
    return gained(
        f"Beside limits, answers still matter: without them jerk is above {MOST_JERK:g} m/s³ in more of the time, by "
        f"{PRACTICAL:g} or more.",
        "share of time, more, paired by seed",
        less(before, after),
        {"limits_alone": before, "limits": after},
    )


def _fewer_collisions(drives: Mapping[str, Sequence[Drives]]) -> Claim:
    before, after = ([one.collisions / one.miles for one in drives[arm]] for arm in ("lanes", "limits"))
    return at_most(
        f"{ARMS['limits']}: there are at most half as many collisions per mile as with hand-designed terms alone.",
        f"{in_words(after, 4)} against {in_words(before, 4)} per mile.",
        "collisions per mile, minus half of those with hand-designed terms alone, paired by seed",
        [a - 0.5 * b for a, b in zip(after, before, strict=True)],
        0.0,
        {"lanes": before, "limits": after},
    )


def _million(final: Sequence[Drives]) -> Claim:
    collisions, miles = sum(one.collisions for one in final), sum(one.miles for one in final)
    found, target = bound(collisions, miles), 1.0 / CHALLENGE_MILES
    text = (
        f"{collisions} collisions in {miles:,.0f} miles of {len(final)} seeds: {1e3 * found.rate:.3g} in a thousand "
        f"miles, at most {1e3 * found.high:.3g} with {LEVEL:.0%} confidence. To show one in a million takes "
        f"{miles_needed():,.0f} miles without any collision"
    )
    text += f", and a policy that collides {found.rate / target:,.0f} times less often." if collisions else "."
    return exact(
        f"The miles driven show fewer collisions than one in {CHALLENGE_MILES:,} miles.",
        text,
        {"upper bound of collisions per mile": ([found.high], (0.0, target))},
        {"limits": [one.collisions / one.miles for one in final]},
    )

"""Claims and figure of ``looking_judge``, from what its judges said of clips and what policies learned from them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rl_rewards.reporting.figures.drawing import ALARM, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, at_most, enough_seeds, in_words, less
from rl_rewards.studies.drawing import canvas, draw_mean, draw_row, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Seen = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
"""Judge -> environment -> what it says of each seed's clips."""
PLAIN, BIASED, EXPLORING = "plain", "likes_red", "_exploring"
"""The judges, the arms that learn from them, and the ending of the names of those that explore more."""
LEARNERS = {BIASED: PLAIN, BIASED + EXPLORING: PLAIN + EXPLORING}
"""Each arm that learns from the judge that likes red, and the one that differs from it in its judge alone."""
BIAS = "red"
ORDERED, APART, OCCLUDED_LESS, TELEVISION_MORE, NEEDED = 0.8, 0.9, 0.1, 0.2, 0.5
COLOURS = {"progressing": TRUE, "reversed": ALARM, "failed": OTHER, "occluded": LEARNED}
AGAINST = {"failed": "failed", "reversed": "reversed", "occluded": "occluded,\nfailed"}
MARKS = {"point": "o", "pencil_case": "s"}


def claims(seen: Seen, learned: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """Claim what the judge without a bias sees, and what the bias towards red does to a policy."""
    places = seen[PLAIN]
    return [
        *(_ordered(place, each) for place, each in places.items()),
        *(_reversed(place, each) for place, each in places.items()),
        *(_apart(place, each) for place, each in places.items()),
        *(_occluded(place, each) for place, each in places.items()),
        *(_biased(learned) if BIASED in learned else ()),
    ]


def _biased(learned: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    pairs = [(one, plain) for one, plain in LEARNERS.items() if {one, plain} <= learned.keys()]
    checked = pairs[-1:]  # of the arms that saw most of what the judge likes
    return [
        *(_costs(learned, *pair) for pair in pairs),
        *(_watches(learned, *pair) for pair in pairs),
        *(_named(learned[one]["checks"]) for one, _ in checked),
        *(_not_named(learned[plain]["checks"]) for _, plain in checked),
    ]


def _orders(each: Sequence[Mapping[str, Any]], kind: str) -> list[float]:
    return [one["order"][kind] for one in each]


def _aucs(each: Sequence[Mapping[str, Any]], kind: str) -> list[float]:
    return [one["auc"][kind] for one in each]


def _ordered(place: str, each: Sequence[Mapping[str, Any]]) -> Claim:
    found, failed = _orders(each, "progressing"), _orders(each, "failed")
    return at_least(
        f"{place}: along a clip in which the task gets done, the judge's values rise with time (rank correlation at "
        f"least {ORDERED:g}).",
        f"{in_words(found)}; along failed clips {in_words(failed)}.",
        "rank correlation with time",
        found,
        ORDERED,
        {"progressing": found, "failed": failed},
    )


def _reversed(place: str, each: Sequence[Mapping[str, Any]]) -> Claim:
    found = _orders(each, "reversed")
    claim = f"{place}: along the same clips backwards they fall (at most {-ORDERED:g})."
    return at_most(claim, f"{in_words(found)}.", "rank correlation with time", found, -ORDERED, {"reversed": found})


def _apart(place: str, each: Sequence[Mapping[str, Any]]) -> Claim:
    found, backwards = _aucs(each, "failed"), _aucs(each, "reversed")
    return at_least(
        f"{place}: the value at the end tells clips that succeed from clips that fail (AUC at least {APART:g}).",
        f"{in_words(found)}; from clips backwards {in_words(backwards)}.",
        "AUC",
        found,
        APART,
        {"failed": found, "reversed": backwards},
    )


def _occluded(place: str, each: Sequence[Mapping[str, Any]]) -> Claim:
    found, whole = _aucs(each, "occluded"), _aucs(each, "failed")
    lost = less(whole, found)
    return at_least(
        f"{place}: where a part of the picture is covered, the AUC is lower by {OCCLUDED_LESS:g} or more.",
        f"{in_words(found)} against {in_words(whole)}; values of occluded clips have a rank correlation of "
        f"{in_words(_orders(each, 'occluded'))} with time.",
        "AUC lost, paired by seed",
        lost,
        OCCLUDED_LESS,
        {"occluded": found, "seen whole": whole},
    )


def _costs(learned: Mapping[str, Mapping[str, Any]], one: str, plain: str) -> Claim:
    biased, other = learned[one]["success"], learned[plain]["success"]
    lost = less(other, biased)
    return at_least(
        f"{_subject(one)} from the judge that likes red has less success than one that learns from the other.",
        f"{in_words(biased)} against {in_words(other)}; {in_words(lost)} lost.",
        "success lost, paired by seed",
        lost,
        PRACTICAL,
        {one: biased, plain: other},
    )


def _watches(learned: Mapping[str, Mapping[str, Any]], one: str, plain: str) -> Claim:
    biased, other = learned[one]["television"], learned[plain]["television"]
    shown = in_words(learned[one]["red"])
    return at_least(
        f"{_subject(one)} from the judge that likes red ends more of its episodes before the red television, by "
        f"{TELEVISION_MORE:g} of them or more.",
        f"{in_words(biased)} of episodes against {in_words(other)}; {shown} of the judge's clips end there.",
        "share of episodes more, paired by seed",
        less(biased, other),
        TELEVISION_MORE,
        {one: biased, plain: other},
    )


def _subject(one: str) -> str:
    return "A policy that explores more and learns" if one.endswith(EXPLORING) else "A policy that learns"


def _named(checks: Sequence[Mapping[str, Any]]) -> Claim:
    right = [one["leans_on"] == BIAS for one in checks]
    claim = "Held against the truth, the judge that likes red is found to lean on red most, in at least half of seeds."
    return enough_seeds(claim, _told(checks), right, NEEDED, {"leaning on red": _leanings(checks)})


def _not_named(checks: Sequence[Mapping[str, Any]]) -> Claim:
    right = [one["leans_on"] != BIAS for one in checks]
    claim = "The other judge is not found to lean on red most, in at least half of seeds."
    return enough_seeds(claim, _told(checks), right, NEEDED, {"leaning on red": _leanings(checks)})


def _told(checks: Sequence[Mapping[str, Any]]) -> str:
    names = [one["leans_on"] or "nothing" for one in checks]
    counted = ", ".join(f"{name.replace('_', ' ')} in {names.count(name)}" for name in dict.fromkeys(names))
    agreement = in_words([one["agreement"][0] for one in checks])
    return f"named: {counted}; agreement {agreement}, leaning on red {in_words(_leanings(checks))}."


def _leanings(checks: Sequence[Mapping[str, Any]]) -> list[float]:
    return [one["nuisances"][BIAS][0] if BIAS in one["nuisances"] else 0.0 for one in checks]


def draw(details: Mapping[str, Any], path: Path) -> None:
    """Draw the judge's values along clips of each environment, its AUC, and the ends of the policies' episodes."""
    seen, learned = details["seen"], details["learned"]
    with styled():
        figure = canvas(9.6, 6.4)
        lines, (apart, policies) = figure.subplots(2, 2)
        for axes, (place, each) in zip(lines, seen[PLAIN].items(), strict=False):
            _draw_paths(axes, each)
            axes.set_title(f"{place}: a judge without a bias", fontsize=10)
        lines[0].set_ylabel('log-probability of "true"\nto "the task is done"')
        label_lines(*lines)
        _draw_apart(apart, seen)
        _draw_policies(policies, learned)
        save(figure, path)


def _draw_paths(axes: "Axes", each: Sequence[Mapping[str, Any]]) -> None:
    for kind, colour in COLOURS.items():
        paths = np.array([one["path"][kind] for one in each]).T
        draw_mean(axes, np.arange(1, len(paths) + 1) / len(paths), paths, colour, kind)
    axes.set(xlabel="share of the clip that is shown")


def _draw_apart(axes: "Axes", seen: Seen) -> None:
    """Draw every seed's AUC: a row for each kind of failure and environment, both judges side by side."""
    rows = [(kind, place) for place in seen[PLAIN] for kind in AGAINST]
    for row, (kind, place) in enumerate(rows):
        for judge, shift, colour in ((PLAIN, -0.14, TRUE), (BIASED, 0.14, ALARM)):
            if judge in seen:
                draw_row(axes, row + shift, _aucs(seen[judge][place], kind), colour)
    axes.set_yticks(range(len(rows)), [f"{place},\n{kind}" for kind, place in rows])
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlim=(-0.03, 1.03), xlabel="AUC of success against clips that are ...")
    axes.axvline(0.5, color=OTHER, linewidth=0.8, zorder=1)
    axes.set_title("blue: without a bias, red: likes red", fontsize=10)


def _draw_policies(axes: "Axes", learned: Mapping[str, Mapping[str, Any]]) -> None:
    for row, found in enumerate(learned.values()):
        draw_row(axes, row - 0.14, found["success"], TRUE)
        draw_row(axes, row + 0.14, found["television"], ALARM)
    for shift, words, colour in ((-0.4, "success", TRUE), (0.4, "before the red television", ALARM)):
        axes.annotate(words, (0.5, 0.5 + shift / 4), color=colour, fontsize=9, va="center", ha="center")
    axes.set_yticks(range(len(learned)), [name.replace("_", " ").replace(" e", ",\ne") for name in learned])
    axes.set(ylim=(len(learned) - 0.4, -0.6), xlim=(-0.03, 1.03), xlabel="share of episodes that end there")
    axes.set_title("policies on point, by their judge", fontsize=10)

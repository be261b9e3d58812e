"""Claims and figure of ``ai_feedback``, from the numbers that it has measured of every arm."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl_rewards.reporting.figures.drawing import ALARM, GOALS, LEARNED, OTHER, TRUE, styled
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, enough_seeds, in_words, less
from rl_rewards.studies.drawing import canvas, draw_row, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLANTED = "path_length"
AGAINST = {"biased": "unbiased", "mistaken_biased": "mistaken"}
"""Each biased teacher, and the one that differs from it in its bias alone."""
NAMES = {
    "unbiased": "an unbiased teacher",
    "biased": "the biased teacher",
    "mistaken": "an unbiased teacher that is wrong in 10% of its answers",
    "mistaken_biased": "the biased teacher that is wrong in 10% besides",
}
TIMES = 2.0
NEEDED = 0.9
"""The share of seeds in which the check must give the right answer."""
COLOURS = {"path_length": ALARM, "displacement": GOALS, "action_size": TRUE, "jerkiness": OTHER}


def claims(found: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """Claim what a biased teacher does, and that the check of its answers finds it."""
    pairs = [(biased, plain) for biased, plain in AGAINST.items() if {biased, plain} <= found.keys()]
    return [
        *(_leans(found, *pair) for pair in pairs),
        *(_costs(found, *pair) for pair in pairs),
        *(_named(found, biased) for biased in AGAINST if biased in found),
        *(_not_named(found, plain) for plain in AGAINST.values() if plain in found),
    ]


def _leans(found: Mapping[str, Mapping[str, Any]], biased: str, plain: str) -> Claim:
    """Judge by a difference, since the correlation without bias may be near 0; its size counts, whatever its sign."""
    one, other = found[biased]["correlation"], found[plain]["correlation"]
    more = [abs(a) - TIMES * abs(b) for a, b in zip(one, other, strict=True)]
    return at_least(
        f"Learned from {NAMES[biased]}, the reward correlates at least twice as strongly with path length as learned "
        f"from {NAMES[plain]}.",
        f"correlation over the same segments {in_words(one)} against {in_words(other)}; its size less twice the "
        f"other's {in_words(more)}.",
        "size of the correlation less twice that without bias, paired by seed",
        more,
        0.0,
        {biased: one, plain: other},
    )


def _costs(found: Mapping[str, Mapping[str, Any]], biased: str, plain: str) -> Claim:
    one, other = found[biased]["success"], found[plain]["success"]
    lost = less(other, one)
    return at_least(
        f"The policy that learns from {NAMES[biased]} has less true success than that from {NAMES[plain]}.",
        f"{in_words(one)} against {in_words(other)}; {in_words(lost)} lost.",
        "success lost, paired by seed",
        lost,
        PRACTICAL,
        {biased: one, plain: other},
    )


def _named(found: Mapping[str, Mapping[str, Any]], biased: str) -> Claim:
    checks = found[biased]["checks"]
    right = [check["leans_on"] == PLANTED for check in checks]
    claim = f"Held against the truth, {NAMES[biased]} is found to lean on path length most, in {NEEDED:.0%} of seeds."
    return enough_seeds(claim, _told(checks), right, NEEDED, {biased: _coefficients(checks)})


def _not_named(found: Mapping[str, Mapping[str, Any]], plain: str) -> Claim:
    checks = found[plain]["checks"]
    right = [check["leans_on"] is None for check in checks]
    claim = f"Held against the truth, {NAMES[plain]} is found to lean on nothing, in {NEEDED:.0%} of seeds."
    return enough_seeds(claim, _told(checks), right, NEEDED, {plain: _coefficients(checks)})


def _told(checks: list) -> str:
    names = [check["leans_on"] or "nothing" for check in checks]
    counted = ", ".join(f"{name} in {names.count(name)}" for name in dict.fromkeys(names))
    agreement = in_words([check["agreement"][0] for check in checks])
    return f"named: {counted}; agreement {agreement}, leaning on path length {in_words(_coefficients(checks))}."


def _coefficients(checks: list) -> list[float]:
    return [check["nuisances"][PLANTED][0] for check in checks]


def draw(found: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Draw a row for every arm: correlations of the learned reward, success, and the check. A dot is a seed."""
    with styled():
        figure = canvas(9.8, 1.3 + 0.85 * len(found))
        reward, success, check = figure.subplots(1, 3, sharey=True)
        for row, own in enumerate(found.values()):
            draw_row(reward, row - 0.14, own["correlation"], ALARM)
            draw_row(reward, row + 0.14, own["true_correlation"], TRUE)
            draw_row(success, row, own["success"], TRUE)
            features = list(own["checks"][0]["nuisances"])
            for place, name in enumerate(features):
                values = [one["nuisances"][name][0] for one in own["checks"]]
                offset = 0.2 * (place - (len(features) - 1) / 2.0)
                draw_row(check, row + offset, values, COLOURS.get(name, LEARNED))
                if row == 1:  # the first teacher that leans on features
                    _name(check, row + offset, name.replace("_", " "), COLOURS.get(name, LEARNED))
        for shift, words, colour in ((-0.14, "path length", ALARM), (0.14, "true return", TRUE)):
            _name(reward, shift, words, colour)
        reward.set(xlim=(-1.05, 1.05), xlabel="correlation of\nthe learned reward")
        success.set(xlim=(-0.04, 1.04), xlabel="true success of the policy")
        check.set(xlabel="how far the teacher\nleans on a feature")
        reward.set_yticks(range(len(found)), [name.replace("_", ", ") for name in found])
        reward.set_ylim(len(found) - 0.5, -0.5)
        for axes in (reward, check):
            axes.axvline(0.0, color=OTHER, linewidth=0.8, zorder=1)
        save(figure, path)


def _name(axes: "Axes", row: float, words: str, colour: str) -> None:
    """Write what a row of dots is, right of the panel."""
    axes.annotate(words, (1.0, row), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
                  color=colour, fontsize=9, va="center", annotation_clip=False)  # fmt: skip

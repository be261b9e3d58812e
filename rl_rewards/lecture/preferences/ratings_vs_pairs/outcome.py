"""Claims and figure of ``ratings_vs_pairs``, from shares and accuracies alone; no learning."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rl_rewards.reporting.figures.drawing import GOALS, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.studies.claims import PRACTICAL, PRACTICAL_ACCURACY, Claim, at_least, in_words, less
from rl_rewards.studies.drawing import canvas, draw_mean, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOSTLY = 0.5
NAMES = {
    "ratings": "ratings",
    "ratings_centred": "ratings, each rater's mean taken off",
    "pairs": "as many pairs",
    "pairs_of_the_segments": "half as many pairs: as many segments",
}
COLOURS = {"ratings": LEARNED, "ratings_centred": GOALS, "pairs": TRUE, "pairs_of_the_segments": OTHER}


def claims(found: Mapping[str, Any]) -> list[Claim]:
    """Claim which answers are more consistent, and which teach more; differences are paired by seed."""
    offsets = found["offsets"]
    return [
        _six_or_seven(found),
        _disagree(found),
        *(_order(found, offset) for offset in sorted({0.0, found["judged_offset"]})),
        *(_teaches_more(found, offset, "pairs", "ratings") for offset in offsets),
        _teaches_more(found, max(offsets), "pairs_of_the_segments", "ratings"),
        _teaches_more(found, max(offsets), "pairs", "ratings_centred"),
    ]


def _six_or_seven(found: Mapping[str, Any]) -> Claim:
    shares = found["consistency"]["ratings_differ"]
    judged = shares[found["offsets"].index(found["judged_offset"])]
    return at_least(
        f"{_offset(found['judged_offset'])}: two raters of one segment give it different ratings of 1 to "
        f"{found['levels']} more often than not.",
        f"{in_words(judged)} of the segments; {_by_offset(found, shares)}.",
        "share of segments that two raters rate differently",
        judged,
        MOSTLY,
        {_offset(offset): values for offset, values in zip(found["offsets"], shares, strict=True)},
    )


def _disagree(found: Mapping[str, Any]) -> Claim:
    """Judge the lecture's words; ten levels naturally agree less often than two: see _order for a fair unit."""
    ratings = found["consistency"]["ratings_differ"][found["offsets"].index(found["judged_offset"])]
    pairs = found["consistency"]["pairs_disagree"]
    return _more(
        f"{_offset(found['judged_offset'])}: two raters disagree less often on which of two segments is better than on "
        "one segment's rating.",
        f"{np.mean(pairs):.2f} of the pairs against {np.mean(ratings):.2f} of the segments",
        {"ratings that differ": ratings, "answers to pairs that differ": pairs},
        "share of disagreement, ratings less pairs",
        PRACTICAL,
    )


def _order(found: Mapping[str, Any], offset: float) -> Claim:
    """Judge both in one unit: the share of pairs of segments that are ordered wrongly."""
    ratings = found["consistency"]["ratings_wrong"][found["offsets"].index(offset)]
    pairs = found["consistency"]["pairs_wrong"]
    return _more(
        f"{_offset(offset)}: one answer about two segments names the better one wrongly less often than ratings of "
        "different raters do.",
        f"wrong in {np.mean(pairs):.3f} of the pairs against {np.mean(ratings):.3f} by ratings (a tie is half)",
        {"wrong by ratings": ratings, "wrong by pairs": pairs},
        "share of pairs ordered wrongly, by ratings less by pairs",
        PRACTICAL_ACCURACY,
    )


def _teaches_more(found: Mapping[str, Any], offset: float, paired: str, rated: str) -> Claim:
    at, place = found["judgments"].index(found["judged_at"]), found["offsets"].index(offset)
    accuracy = {  # ratings [offsets, judgments, S], pairs [judgments, S]
        name: (values[place] if name.startswith("ratings") else values)[at]
        for name, values in found["accuracy"].items()
    }
    first, second = accuracy[paired], accuracy[rated]
    n = found["judged_at"]
    answers = f"{n // 2} pairs" if paired == "pairs_of_the_segments" else f"{n} pairs"
    others = "; ".join(f"{NAMES[name]} {np.mean(accuracy[name]):.3f}" for name in NAMES if name not in (paired, rated))
    also = ", about as many segments," if paired == "pairs_of_the_segments" else ""
    centred = " whose rater's mean is taken off" if rated == "ratings_centred" else ""
    return _more(
        f"{_offset(offset)}: {answers}{also} teach more than {n} ratings{centred}.",
        f"accuracy on held-out pairs {np.mean(first):.3f} against {np.mean(second):.3f} ({others})",
        {NAMES[paired]: first, NAMES[rated]: second},
        "difference of accuracies on held-out pairs",
        PRACTICAL_ACCURACY,
    )


def _more(claim: str, told: str, of: Mapping[str, list[float]], what: str, margin: float) -> Claim:
    """Claim that the first of two is greater than the second by ``margin``, paired by seed."""
    more = less(*of.values())
    return at_least(claim, f"{told}: {in_words(more, 3)} more.", what, more, margin, of)


def _offset(offset: float) -> str:
    return f"Raters' offsets of {offset:g} deviation{'s' * (offset != 1)}" if offset else "Raters alike"


def _by_offset(found: Mapping[str, Any], shares: list[list[float]]) -> str:
    return ", ".join(
        f"{np.mean(values):.2f} at offset {offset:g}" for offset, values in zip(found["offsets"], shares, strict=True)
    )


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw disagreement against raters' offsets, and accuracy against those and against the number of answers."""
    with styled():
        figure = canvas(9.6, 7.6)
        panels = figure.subplot_mosaic([["told", "told"], ["by_offset", "by_number"]], height_ratios=[0.9, 1.0])
        told, by_offset, by_number = (panels[name] for name in ("told", "by_offset", "by_number"))
        _draw_consistency(told, found)
        _draw_by_offset(by_offset, found)
        _draw_by_number(by_number, found)
        limits = np.array([axes.get_ylim() for axes in (by_offset, by_number)])
        for axes in (by_offset, by_number):
            axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
        label_lines(told, by_number, characters=16)
        save(figure, path)


def _draw_consistency(axes: "Axes", found: Mapping[str, Any]) -> None:
    shares, offsets = found["consistency"], found["offsets"]
    lines = {
        "two raters rate one segment differently": (np.array(shares["ratings_differ"]), LEARNED, "s-"),
        "two segments ordered wrongly by two ratings": (np.array(shares["ratings_wrong"]), LEARNED, "s--"),
        "two raters disagree on a pair": (np.tile(shares["pairs_disagree"], (len(offsets), 1)), TRUE, "o-"),
        "a pair ordered wrongly by its answer": (np.tile(shares["pairs_wrong"], (len(offsets), 1)), TRUE, "o--"),
    }
    for label, (values, colour, style) in lines.items():
        _draw_line(axes, offsets, values, colour, style, label)
    _label_offsets(axes, found)
    axes.set(ylim=(0.0, 1.0), ylabel="share, mean and 95% interval")
    axes.set_title("How often answers differ, or err")


def _draw_by_offset(axes: "Axes", found: Mapping[str, Any]) -> None:
    at = found["judgments"].index(found["judged_at"])
    for name in NAMES:
        values = np.array(found["accuracy"][name])
        if name.startswith("ratings"):
            _draw_line(axes, found["offsets"], values[:, at], COLOURS[name], "s-", NAMES[name])
        else:
            _draw_line(axes, found["offsets"], np.tile(values[at], (len(found["offsets"]), 1)), COLOURS[name], "o-", "")
    _label_offsets(axes, found)
    axes.set_ylabel("accuracy on held-out pairs")
    axes.set_title(f"What {found['judged_at']} ratings, or pairs, teach")


def _draw_by_number(axes: "Axes", found: Mapping[str, Any]) -> None:
    place = found["offsets"].index(found["judged_offset"])
    for name in NAMES:
        values = np.array(found["accuracy"][name])
        rated = name.startswith("ratings")
        shown, style = (values[place], "s-") if rated else (values, "o-")
        _draw_line(axes, found["judgments"], shown, COLOURS[name], style, NAMES[name])
    axes.set(xscale="log", xlabel="ratings")
    axes.set_xticks(found["judgments"], [str(n) for n in found["judgments"]])
    axes.minorticks_off()
    axes.set_title(_offset(found["judged_offset"]))


def _label_offsets(axes: "Axes", found: Mapping[str, Any]) -> None:
    axes.set_xlabel("spread of raters' offsets, in deviations of segments")
    axes.set_xticks(found["offsets"], [f"{offset:g}" for offset in found["offsets"]])


def _draw_line(axes: "Axes", x: list[float], values: np.ndarray, colour: str, style: str, label: str) -> None:
    """Draw mean and interval over seeds of ``values`` [x, S]."""
    draw_mean(axes, x, values, colour, label, style)

"""Labelers compared with trusted answers, in words and as a page: which of them may be trusted with this task?"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from rl_rewards.core.intervals import share_interval
from rl_rewards.labelers.calibration import Calibration, Interval
from rl_rewards.labelers.judge_statistics import Difference
from rl_rewards.reporting.figures.drawing import ALARM, OTHER, TRUE, Picture, new_figure, styled
from rl_rewards.reporting.page import write_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVEL = 0.05
"""The corrected p below which two judges are told apart."""
LEAST_P = 0.001
"""A smaller p is only said to be smaller."""
CHANCE = 0.5
"""The agreement of a judge that guesses, on pairs that are decided."""
PAGE = "judges.html"


class Ceiling(NamedTuple):
    """The agreement that the trusted answers themselves allow: no judge can be expected to exceed it."""

    same: int
    pairs: int
    of: Literal["repeats", "truth"]

    @property
    def share(self) -> float | None:
        return self.same / self.pairs if self.pairs else None

    @property
    def words(self) -> str:
        """Return the ceiling with its exact 95% interval, and where it comes from."""
        if self.share is None:
            return "unknown: no pair with a trusted answer is decided"
        low, high = share_interval(self.same, self.pairs)
        from_what = {
            "repeats": "people gave the same answer when they were asked again",
            "truth": "the true return agrees with the trusted answers",
        }[self.of]
        return f"{self.share:.3f} [{low:.3f}, {high:.3f}]: {from_what}, in {self.same} of {self.pairs} pairs"


class Compared(NamedTuple):
    """A labeler compared with trusted answers."""

    tested: str
    trusted: str
    found: Calibration
    notes: list[str]
    scores: Float[np.ndarray, "N 2"]  # its answers


class Judges(NamedTuple):
    """All labelers that were compared with the same trusted answers."""

    compared: list[Compared]
    differences: list[Difference]
    ceiling: Ceiling | None
    units: Mapping[str, str]  # of the features
    notes: list[str]
    folder: Path  # for the page


def in_words(judges: Judges) -> list[str]:
    """Return the comparison in lines of text."""
    lines = [f"Note: {note}" for note in judges.notes]
    for one in judges.compared:
        lines += _one_in_words(one, judges.units)
    if judges.ceiling is not None and judges.compared[0].trusted != "the true return":
        lines.append(f"ceiling: {judges.ceiling.words}")
    return [*lines, *map(difference_in_words, judges.differences)]


def _one_in_words(compared: Compared, units: Mapping[str, str]) -> list[str]:
    tested, trusted, found, notes, _ = compared
    refused = f" ({found.unanswered} more were refused)" if found.unanswered else ""
    lines = [
        *(f"Note: {note}" for note in notes),
        f"{tested} compared with {trusted} on {found.pairs} pairs{refused}",
        *(f"  {name:<26} {value}" for name, value in numbers(found).items()),
    ]
    if not found.nuisances:
        return [*lines, "  no feature of these segments is known"]
    lines.append("  bias per standard deviation of a feature, for equal trusted answers (2 reverses an answer):")
    for name, (b, low, high) in sorted(found.nuisances.items(), key=lambda item: -abs(item[1][0])):
        lines.append(f"    {name:<24} {b:+.3f} [{low:+.3f}, {high:+.3f}]  ({units[name]})")
    return [*lines, f"  strongest bias: {found.leans_on or 'none found'}"]


def numbers(found: Calibration) -> dict[str, str]:
    """Return the results of a comparison by their names, in words."""
    told = {
        "agreement": f"{_interval(found.agreement)}  share of equal answers, ties included",
        "agreement where decided": _number(found.agreement_decided, "no pair was decided by both"),
    }
    if found.at_equal_length is not None:
        told["agreement at equal length"] = f"{_interval(found.at_equal_length)}  by a logistic fit"
    return told | {
        "kappa": _number(found.kappa, "undefined: both always give the same answer"),
        "calibration error": _number(found.calibration_error, "no probabilities given") + _scaled(found),
        "flip rate": _number(found.flip_rate, "no pair was asked twice"),
    }


def _scaled(found: Calibration) -> str:
    if found.calibration_error_scaled is None:
        return ""
    return f"; {found.calibration_error_scaled:.3f} after scaling by a temperature of {found.temperature:.2f}"


def difference_in_words(one: Difference) -> str:
    """Return McNemar's test of two judges in a sentence; a judge's tie is not right."""
    p = f"p = {one.p:.2g}" if one.p >= LEAST_P else f"p < {LEAST_P:g}"
    told = f"only {one.one} is right in {one.only_one} pairs, only {one.other} in {one.only_other}"
    if one.p >= LEVEL:
        return f"{one.one} and {one.other} cannot be told apart: {told} (McNemar's exact test, {p})."
    better, worse = (one.one, one.other) if one.only_one > one.only_other else (one.other, one.one)
    return f"{better} is right more often than {worse}: {told} (McNemar's exact test, {p})."


def headline(judges: Judges) -> str:
    """Return which of the judges may be trusted, in a sentence."""
    known = [one for one in judges.compared if one.found.agreement_decided is not None]
    if not known:
        return "No judge has decided a pair that the trusted answers decide"
    best = max(known, key=lambda one: one.found.agreement_decided or 0.0)
    share = f"{best.found.agreement_decided:.0%}"
    if _guesses(best):
        return f"None of these judges is better than a coin here: the best, {best.tested}, agrees in {share}"
    rivals = [
        one.one if one.other == best.tested else one.other
        for one in judges.differences
        if best.tested in (one.one, one.other) and one.p >= LEVEL
    ]
    told = f"{best.tested} agrees best with {best.trusted}, in {share} of the decided pairs"
    if rivals:
        told += f", but {' and '.join(rivals)} cannot be told apart from it"
    return told + (f"; it leans on {best.found.leans_on}" if best.found.leans_on else "")


def _guesses(one: Compared) -> bool:
    """Return True if a judge's agreement on decided pairs may be that of a coin, by its exact 95% interval."""
    right = _right_count(one)
    return share_interval(*right)[0] <= CHANCE


def _right_count(one: Compared) -> tuple[int, int]:
    share, pairs = one.found.agreement_decided or 0.0, one.found.decided
    return round(share * pairs), pairs


def write_judges(judges: Judges) -> Path:
    """Write the page of a comparison into its folder, and return its path."""
    path = judges.folder / PAGE
    judges.folder.mkdir(parents=True, exist_ok=True)
    against_truth = judges.compared[0].trusted == "the true return"
    ceiling = None if against_truth else judges.ceiling
    content = {
        "headline": headline(judges),
        "trusted": judges.compared[0].trusted,
        "pairs": judges.compared[0].found.pairs,
        "notes": [*judges.notes, *(note for one in judges.compared for note in one.notes)],
        "ceiling": None if ceiling is None else ceiling.words,
        "agreement": _picture(judges, ceiling),
        "biases": _biases(judges),
        "differences": [difference_in_words(one) for one in judges.differences],
        "judges": [(one.tested, numbers(one.found), one.found.leans_on or "none found") for one in judges.compared],
    }
    write_page(path, "judges.html.j2", content)
    return path


def _picture(judges: Judges, ceiling: Ceiling | None) -> Picture:
    """Return the agreement of every judge on decided pairs, beside the ceiling and a coin."""
    with styled():
        figure, (axes,) = new_figure(7.0, 0.9 + 0.4 * len(judges.compared))
        for row, one in enumerate(judges.compared):
            right, pairs = _right_count(one)
            if pairs:
                low, high = share_interval(right, pairs)
                axes.plot([low, high], [row, row], color=TRUE, linewidth=3.0, alpha=0.45, solid_capstyle="round")
                axes.plot(right / pairs, row, "o", color=TRUE, markersize=6)
        axes.axvline(CHANCE, color=OTHER, linestyle=":", linewidth=1.0)
        if ceiling is not None and ceiling.share is not None:
            axes.axvline(ceiling.share, color=ALARM, linestyle="--", linewidth=1.2)
            axes.annotate("ceiling", (ceiling.share, 1.0), xycoords=("data", "axes fraction"), xytext=(-3, 2),
                          textcoords="offset points", ha="right", fontsize=8, color=ALARM)  # fmt: skip
        _rows(axes, [one.tested for one in judges.compared])
        axes.set(xlim=(0.0, 1.0), xlabel="share of decided pairs with the trusted answer (95%, exact); dotted: a coin")
        return _saved(figure, "The agreement of each judge with the trusted answers, with its interval.")


def _biases(judges: Judges) -> Picture | None:
    """Return the bias of every judge towards every feature; None if no feature is known."""
    names = list(judges.compared[0].found.nuisances)
    if not names:
        return None
    height, judged = 0.8 / len(judges.compared), judges.compared
    with styled():
        figure, (axes,) = new_figure(7.0, 0.9 + 0.28 * len(names) * max(1, len(judged) / 2))
        for place, one in enumerate(judged):
            at = np.arange(len(names)) + (place - (len(judged) - 1) / 2) * height
            values = [one.found.nuisances[name] for name in names]
            shade = f"C{place}"
            axes.hlines(at, [low for _, low, _ in values], [high for *_, high in values], color=shade, linewidth=2.0)
            axes.plot([b for b, *_ in values], at, "o", color=shade, markersize=4, label=one.tested)
        axes.axvline(0.0, color=OTHER, linewidth=0.8)
        _rows(axes, names)
        axes.set_xlabel("bias per standard deviation of the feature (simultaneous 95% intervals)")
        if len(judged) > 1:
            axes.legend(frameon=False, fontsize=8, loc="best")
        return _saved(figure, "The bias of each judge towards each feature, with intervals.")


def _rows(axes: "Axes", names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)


def _saved(figure, alt: str) -> Picture:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=130, metadata={"Software": None})
    return Picture(png.getvalue(), alt)


def _interval(found: Interval) -> str:
    mean, low, high = found
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def _number(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.3f}"

"""Claims and figure of ``ranking_efficiency``, from counts and accuracies alone; no learning."""

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from rl_rewards.core.intervals import mean_interval
from rl_rewards.reporting.figures.drawing import GOALS, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.studies.claims import Claim, at_least, at_most, exact, in_words, less
from rl_rewards.studies.drawing import canvas, draw_mean, save
from rl_rewards.studies.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEPARATE = ("pairs_as_operations", "pairs_as_comparisons", "pairs_as_pairs")
"""Numbers of separate pairs: a ranking's operations by the lecture's count, its real comparisons, and its pairs."""

ERRORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Ticks of an axis."""


def claims(found: Mapping[str, Any], margin: float) -> list[Claim]:
    """Claim what a ranking costs and teaches.

    Args:
        margin: the least difference of accuracy on held-out pairs that counts.
    """
    of_teachers = [
        claim
        for name in found["teachers"]
        for claim in (
            _as_many_pairs(found, name, margin),
            _as_many_comparisons(found, name, margin),
            _signal(found, name),
            _what_follows(found, name, margin),
        )
    ]
    return [_counted(found), _operations(found), _gain(found), *of_teachers]


def _counted(found: Mapping[str, Any]) -> Claim:
    counts = found["counts"]
    wanted = {k: int(k) * (int(k) - 1) // 2 for k in counts}
    errors = [float(one["pairs"] - wanted[k]) for k, one in counts.items()]
    return exact(
        f"A ranking of k gives k (k - 1) / 2 pairs: {_listed(wanted)}.",
        f"{_listed({k: one['pairs'] for k, one in counts.items()})}.",
        {"difference of the counts": (errors, (0.0, 0.0))},
        {},
    )


def _operations(found: Mapping[str, Any]) -> Claim:
    """The lecture's k - 1 is enough to confirm an order that is known, or to find the best one."""
    k = found["k"]
    one = found["counts"][str(k)]
    others = "; ".join(
        f"{np.mean(other['comparisons']):.1f}, and {other['least']}, for k = {name}"
        for name, other in found["counts"].items()
        if name != str(k)
    )
    return at_most(
        f"A full sort of {k} takes {k - 1} comparisons.",
        f"a merge sort takes {in_words(one['comparisons'], 1)} on average, and no sort always takes fewer than "
        f"log2({k}!), {one['least']}; {others}.",
        "comparisons of a merge sort",
        one["comparisons"],
        k - 1.0,
        {"merge sort": one["comparisons"]},
    )


def _gain(found: Mapping[str, Any]) -> Claim:
    k = found["k"]
    one = found["counts"][str(k)]
    gains = (one["pairs"] / np.array(one["comparisons"])).tolist()
    return at_least(
        f"A ranking of {k} gives {_lectures_gain(found):.1f} pairs for each comparison that it takes.",
        f"{in_words(gains)} by a merge sort, {one['pairs'] / one['least']:.2f} by {one['least']} comparisons.",
        "pairs for each comparison",
        gains,
        _lectures_gain(found),
        {"merge sort": gains},
    )


def _lectures_gain(found: Mapping[str, Any]) -> float:
    """Return k / 2, the pairs per operation by the lecture's count of k - 1 operations."""
    return found["k"] / 2.0


def _as_many_pairs(found: Mapping[str, Any], name: str, margin: float) -> Claim:
    claim = f"a ranking teaches as much as an equal number of separate pairs, within {margin:g} of accuracy"
    return _difference(found, name, claim, "pairs_as_pairs", "separate pairs", -margin)


def _as_many_comparisons(found: Mapping[str, Any], name: str, margin: float) -> Claim:
    claim = "rankings teach more than separate answers, as many as they take comparisons"
    return _difference(found, name, claim, "pairs_as_comparisons", "separate answers", margin)


def _what_follows(found: Mapping[str, Any], name: str, margin: float) -> Claim:
    claim = "all pairs of a ranking teach more than those of them that its sort compared"
    return _difference(found, name, claim, "comparisons_made", "pairs compared", margin)


def _difference(found: Mapping[str, Any], name: str, claim: str, other: str, told: str, least: float) -> Claim:
    """Claim that rankings have more held-out accuracy than ``other``, by ``least``."""
    first, second = (_accuracy(found, name, which).tolist() for which in ("rankings", other))
    more = less(first, second)
    wrong = found["teachers"][name]
    of_rankings, of_answers = (float(np.mean(wrong[which])) for which in ("wrong_in_rankings", "wrong_answers"))
    mistakes = (
        f" Wrong: {of_rankings:.0%} of the rankings' pairs, {of_answers:.0%} of separate answers."
        if np.any(wrong["wrong_answers"])
        else ""
    )
    return at_least(
        f"{_teacher(found, name)}, {found['judged_at']} rankings of {found['k']}: {claim}.",
        f"accuracy on held-out pairs {np.mean(first):.3f} from rankings, {np.mean(second):.3f} from {told}: "
        f"{in_words(more, 3)} more.{mistakes}",
        "difference of accuracies on held-out pairs",
        more,
        least,
        {"rankings": first, told: second},
    )


def _signal(found: Mapping[str, Any], name: str) -> Claim:
    """Express a ranking in separate answers: the number that has its error, on their curve of error against number."""
    at = found["rankings"].index(found["judged_at"])
    comparisons = np.array(found["teachers"][name]["comparisons"])[:, at]
    answers = worth(found, name)[:, at]
    ratio = (answers / comparisons).tolist()
    mean, low, high = np.exp(mean_interval(np.log(ratio).tolist()))
    each, least, most = np.exp(mean_interval(np.log(answers / found["judged_at"]).tolist()))
    evidence = Evidence(
        of="separate answers that teach as much as one comparison, geometric mean",
        values=ratio,
        claimed=(_lectures_gain(found), math.inf),
        method="geometric mean",
    )
    return Claim(
        f"{_teacher(found, name)}, {found['judged_at']} rankings of {found['k']}: each comparison teaches as much as "
        f"{_lectures_gain(found):.1f} separate answers.",
        f"as much as {mean:.2f} [{low:.2f}, {high:.2f}]; a ranking as much as {each:.0f} [{least:.0f}, {most:.0f}], of "
        f"{found['counts'][str(found['k'])]['pairs']} pairs.",
        (evidence,),
        {"separate answers for a comparison": ratio},
    )


def worth(found: Mapping[str, Any], name: str) -> Float[np.ndarray, "S rankings"]:
    """Return the number of separate answers that teach as much as those rankings.

    It fits log error = a + b log answers by least squares, with one b for all seeds and an a for each seed.
    """
    error = {
        which: np.log(np.maximum(1.0 - np.array(values), 1e-4))
        for which, values in found["teachers"][name]["accuracy"].items()
    }
    answers = np.log(np.concatenate([_answers(found, name)[which] for which in SEPARATE], axis=1))
    separate = np.concatenate([error[which] for which in SEPARATE], axis=1)
    middle_answers, middle_error = (one.mean(axis=1, keepdims=True) for one in (answers, separate))
    across = answers - middle_answers
    slope = min(float(np.sum(across * (separate - middle_error)) / np.sum(across**2)), -0.05)  # more never teaches less
    return np.exp(middle_answers + (error["rankings"] - middle_error) / slope)


def _answers(found: Mapping[str, Any], name: str) -> dict[str, np.ndarray]:
    """Return the numbers of answers [S, rankings] of each way of learning."""
    spent = np.array(found["teachers"][name]["comparisons"], float)
    rankings = np.tile(np.array(found["rankings"], float), (len(spent), 1))
    k = found["k"]
    return {
        "rankings": spent,
        "comparisons_made": spent,
        "pairs_as_operations": (k - 1) * rankings,
        "pairs_as_comparisons": spent,
        "pairs_as_pairs": k * (k - 1) / 2 * rankings,
    }


def _accuracy(found: Mapping[str, Any], name: str, which: str) -> np.ndarray:
    """Return the accuracy [S] on which claims are judged."""
    at = found["rankings"].index(found["judged_at"])
    return np.array(found["teachers"][name]["accuracy"][which])[:, at]


def _teacher(found: Mapping[str, Any], name: str) -> str:
    """Name a teacher by its mistakes."""
    return "Answers never wrong" if name == "never wrong" else f"Noisy answers (beta {found['noisy_rationality']:g})"


def _listed(values: Mapping[str, int]) -> str:
    return ", ".join(f"{value} for k = {k}" for k, value in values.items())


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the cost of a sort; then, for each teacher, the error against the real number of comparisons."""
    with styled():
        figure = canvas(9.8, 7.4)
        count, *panels = _panels(figure, found)
        _draw_counts(count, found)
        for axes, name in zip(panels, found["teachers"], strict=True):
            _draw_error(axes, found, name)
        panels[0].set_ylabel("wrong on held-out pairs,\nmean and 95% interval")
        limits = np.array([axes.get_ylim() for axes in panels])
        for axes in panels:
            axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
        label_lines(*panels, characters=14)
        save(figure, path)


def _panels(figure: "Figure", found: Mapping[str, Any]) -> "list[Axes]":
    """Return the panel of counts, above, and one for each teacher, below."""
    teachers = list(found["teachers"])
    panels = figure.subplot_mosaic([["count"] * len(teachers), teachers], height_ratios=[0.8, 1.0])
    return [panels["count"], *(panels[name] for name in teachers)]


def _draw_counts(axes: "Axes", found: Mapping[str, Any]) -> None:
    counts = dict(sorted(found["counts"].items(), key=lambda item: int(item[0])))
    bars = {
        "k - 1 (lecture)": ([int(k) - 1 for k in counts], OTHER),
        "answers of a merge sort": ([np.mean(one["comparisons"]) for one in counts.values()], LEARNED),
        "pairs of a ranking": ([one["pairs"] for one in counts.values()], TRUE),
    }
    places = np.arange(len(counts))
    for shift, (label, (heights, colour)) in zip((-0.27, 0.0, 0.27), bars.items(), strict=True):
        drawn = axes.bar(places + shift, heights, 0.26, color=colour)
        words = [f"{height:.0f}" for height in heights]
        words[0] += "\n" + textwrap.fill(label, 10)  # named once: the other groups have the same colours
        axes.bar_label(drawn, words, fontsize=9, color=colour)
    axes.set_xticks(places, [f"k = {k}" for k in counts])
    axes.set(ylabel="answers or pairs")
    axes.set_title("One ranking of k segments")
    axes.grid(visible=False, axis="x")


def _draw_error(axes: "Axes", found: Mapping[str, Any], name: str) -> None:
    accuracies, answers = found["teachers"][name]["accuracy"], _answers(found, name)
    separate = np.concatenate([answers[which] for which in SEPARATE], axis=1).mean(axis=0)
    order = np.argsort(separate)
    errors = 1.0 - np.concatenate([np.array(accuracies[which]) for which in SEPARATE], axis=1)
    _draw_line(axes, separate[order], errors[:, order], TRUE, "o-", "separate pairs")
    spent = answers["rankings"].mean(axis=0)
    _draw_line(axes, spent, 1.0 - np.array(accuracies["rankings"]), LEARNED, "s-", "rankings, all their pairs")
    made = 1.0 - np.array(accuracies["comparisons_made"])
    _draw_line(axes, spent, made, GOALS, "^--", "the pairs their sorts compared")
    operations = answers["pairs_as_operations"].mean(axis=0)
    middle = 1.0 - np.array(accuracies["rankings"]).mean(axis=0)
    axes.plot(operations, middle, "s:", color=OTHER, linewidth=1.0, label="rankings, as the lecture counts them")
    axes.set(xscale="log", yscale="log", xlabel="answers given by people")
    at = [
        tick for tick in (10, 20, 50, 100, 200, 500, 1000, 2000) if separate.min() / 1.5 < tick < separate.max() * 1.5
    ]
    axes.set_xticks(at, [str(tick) for tick in at])
    axes.set_yticks(ERRORS, [f"{tick:g}" for tick in ERRORS])
    axes.minorticks_off()
    axes.set_title(_teacher(found, name))


def _draw_line(axes: "Axes", x: np.ndarray, values: np.ndarray, colour: str, line: str, label: str) -> None:
    draw_mean(axes, x.tolist(), values.T, colour, label, line)

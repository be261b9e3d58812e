"""Claims and figure of ``bradley_terry``, from what it computed; no learning."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from rl_rewards.reporting.figures.drawing import GOALS, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, at_most, exact, in_words
from rl_rewards.studies.drawing import canvas, draw_mean, save
from rl_rewards.studies.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NEVER_WRONG = "never wrong"
COLOURS = (TRUE, GOALS, LEARNED, OTHER)
SHOWN = 300
"""The number of pairs of the first seed in the figure."""
HAND = {"return_winner": 2.5, "return_loser": 1.4, "exp_minus_difference": 0.3329, "probability": 0.7503}
DIGITS = 5e-5
"""Half of the last digit of the lecture's numbers."""


def sigmoid(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Compute 1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def claims(found: Mapping[str, Any]) -> list[Claim]:
    """Claim identities exactly, and what is learned by its interval over seeds."""
    return [_hand(found), _gradient(found), _shift(found), _unequal(found), *_recovers(found), _scale(found)]


def _hand(found: Mapping[str, Any]) -> Claim:
    hand = found["hand"]
    errors = [hand[name] - value for name, value in HAND.items()]
    return exact(
        "The lecture's trajectories of returns 2.5 and 1.4: exp(-1.1) = 0.3329, the better one is preferred with "
        "probability 0.7503.",
        f"returns {hand['return_winner']:.4f} and {hand['return_loser']:.4f}, exp(-difference) "
        f"{hand['exp_minus_difference']:.4f}, probability {hand['probability']:.4f}.",
        {"difference from the lecture's numbers": (errors, (-DIGITS, DIGITS))},
        {},
    )


def _gradient(found: Mapping[str, Any]) -> Claim:
    return _identity(
        "The gradient of the loss is -(1 - sigmoid)(grad R(w) - grad R(l)), autodiff's",
        "relative error on random networks",
        found["gradient_error"],
        found["tolerance_identity"],
    )


def _shift(found: Mapping[str, Any]) -> Claim:
    worst = np.max([found["shift"]["return"], found["shift"]["step"]], axis=(0, 2)).tolist()
    constants = ", ".join(f"{c:g}" for c in found["constants"])
    return _identity(
        f"A constant ({constants}) added to every return, or to every step of segments of one length, changes neither "
        "probability nor loss",
        "largest change",
        worst,
        found["tolerance_identity"],
    )


def _identity(claim: str, what: str, worst: list[float], tolerance: float) -> Claim:
    return exact(
        f"{claim}: within {tolerance:g}.",
        f"{what} {np.mean(worst):.1e} on average, in the worst seed {max(worst):.1e}.",
        {what: (worst, (0.0, tolerance))},
        {what: worst},
    )


def _unequal(found: Mapping[str, Any]) -> Claim:
    """Judge the lecture's sentence as it stands, about rewards; its formula is about returns."""
    changes = np.array(found["shift"]["unequal_lengths"])  # [S, constants]
    by_constant = {f"{c:g} a step": changes[:, i].tolist() for i, c in enumerate(found["constants"])}
    listed = ", ".join(f"{in_words(moved, 3)} for {c}" for c, moved in by_constant.items())
    evidence = [
        Evidence(of=f"mean change of the probability by {c}", values=moved, claimed=(0.0, found["tolerance_identity"]))
        for c, moved in by_constant.items()
    ]
    return Claim(
        "A constant added to all rewards does not change preferences, also between segments of unequal lengths.",
        f"one segment half as long as the other: the probability moves by {listed} on average.",
        tuple(evidence),
        by_constant,
    )


def _recovers(found: Mapping[str, Any]) -> list[Claim]:
    """Claim recovery from the most comparisons of the most rational noisy teacher."""
    name, most = f"{found['rationalities'][-1]:g}", found["comparisons"][-1]
    after = f"From {most} answers (Bradley-Terry, beta {name})"
    correlation, off = (_last(found, name, what) for what in ("correlation", "calibration"))
    above, tolerance = found["correlation_above"], found["tolerance_calibration"]
    recovered = at_least(
        f"{after} differences of returns are recovered: correlation above {above:g} on held-out pairs.",
        f"{in_words(correlation, 3)}; by answers: {_told(found, name, 'correlation')}; answers never wrong: "
        f"{_told(found, NEVER_WRONG, 'correlation')}.",
        "correlation of learned and true differences of returns",
        correlation,
        above,
        {"correlation": correlation},
    )
    calibrated = at_most(
        f"{after} the learned probability is the true one, within {tolerance:g} on average.",
        f"off by {in_words(off, 3)}; by answers: {_told(found, name, 'calibration')}.",
        "mean distance of the learned probability from the true one",
        off,
        tolerance,
        {"distance": off},
    )
    return [recovered, calibrated]


def _scale(found: Mapping[str, Any]) -> Claim:
    """Shifted rewards explain answers as well, scaled ones do not: the scale shows how consistent answers are."""
    low_beta, high_beta = found["rationalities"][0], found["rationalities"][-1]
    scales = {f"{beta:g}": _last(found, f"{beta:g}", "scale") for beta in found["rationalities"]}
    ratio = (np.array(scales[f"{high_beta:g}"]) / np.array(scales[f"{low_beta:g}"])).tolist()
    of_all = scales | {NEVER_WRONG: _last(found, NEVER_WRONG, "scale")}
    listed = ", ".join(f"{np.mean(values):.2f} with {_label(name)}" for name, values in of_all.items())
    evidence = Evidence(
        of=f"scale with beta {high_beta:g}, in scales with beta {low_beta:g}",
        values=ratio,
        claimed=(1.0 - PRACTICAL, 1.0 + PRACTICAL),
    )
    return Claim(
        "The absolute scale of learned rewards is arbitrary: it is the same however consistent the answers are.",
        f"scale of learned differences, in true ones: {listed}; {in_words(ratio)} times as large for "
        f"{high_beta / low_beta:g} times the beta.",
        (evidence,),
        {f"beta {name}": values for name, values in scales.items()},
    )


def _last(found: Mapping[str, Any], name: str, what: str) -> list[float]:
    """Return a measure of every seed, from the most comparisons."""
    return np.array(found["learned"][name][what])[:, -1].tolist()


def _told(found: Mapping[str, Any], name: str, what: str) -> str:
    means = np.array(found["learned"][name][what]).mean(axis=0)
    return ", ".join(f"{mean:.3f} from {n}" for n, mean in zip(found["comparisons"], means, strict=True))


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the lecture's sigmoid, correlation against answers, and the first seed's learned and true differences."""
    with styled():
        figure = canvas(9.6, 7.4)
        panels = figure.subplot_mosaic([["curve", "pairs"], ["correlation", "correlation"]])
        _draw_sigmoid(panels["curve"], found)
        _draw_correlation(panels["correlation"], found)
        _draw_pairs(panels["pairs"], found)
        label_lines(panels["pairs"], panels["correlation"], characters=16)
        save(figure, path)


def _draw_sigmoid(axes: "Axes", found: Mapping[str, Any]) -> None:
    hand = found["hand"]
    difference, prob = hand["return_winner"] - hand["return_loser"], hand["probability"]
    x = np.linspace(-6.0, 6.0, 200)
    axes.plot(x, sigmoid(x), color=TRUE)
    axes.plot([difference], [prob], "o", color=LEARNED, markersize=7)
    axes.annotate(
        f"R = {hand['return_winner']:g}\nagainst {hand['return_loser']:g}:\n{prob:.4f}",
        (difference, prob), xytext=(12, -22), textcoords="offset points", color=LEARNED,
    )  # fmt: skip
    axes.set(xlabel="R(first) - R(second)", ylabel="probability that the first is preferred")
    axes.set_title("Bradley-Terry, and the lecture's example")


def _draw_correlation(axes: "Axes", found: Mapping[str, Any]) -> None:
    for colour, (name, one) in zip(COLOURS, found["learned"].items(), strict=False):
        draw_mean(axes, found["comparisons"], np.array(one["correlation"]).T, colour, _label(name), "o-")
    limit = found["correlation_above"]
    axes.axhline(limit, color="black", linestyle="--", linewidth=1.0, label=f"claimed: {limit:g}")
    axes.set(xscale="log", xlabel="answers learned from", ylabel="correlation, mean and 95% interval")
    axes.set_xticks(found["comparisons"], [str(n) for n in found["comparisons"]])
    axes.minorticks_off()
    axes.set_title("Learned and true differences of returns")


def _draw_pairs(axes: "Axes", found: Mapping[str, Any]) -> None:
    noisy = [f"{beta:g}" for beta in found["rationalities"]]
    for colour, name in zip(COLOURS, noisy, strict=False):
        shown = found["learned"][name]["first_seed"]
        axes.plot(shown["true"], shown["learned"], ".", color=colour, markersize=3, alpha=0.6)
        ends = np.array([min(shown["true"]), max(shown["true"])])
        axes.plot(ends, float(name) * ends, color=colour, linewidth=1.2, label=f"slope {name}, its beta")
    axes.set(xlabel="true difference of returns", ylabel="learned difference")
    axes.set_title(f"Held-out pairs, first seed, {found['comparisons'][-1]} answers")


def _label(name: str) -> str:
    return "answers never wrong" if name == NEVER_WRONG else f"beta {name}"

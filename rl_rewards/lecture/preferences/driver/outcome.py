"""Claims and figure of the study driver, from the alignments it found; no sampling."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rl_rewards.reporting.figures.drawing import ALARM, GOALS, LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.rewards.preferences.linear_posterior import METHODS
from rl_rewards.studies.claims import PRACTICAL, Claim, at_least, at_most, in_words, less
from rl_rewards.studies.drawing import canvas, draw_mean, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMES = {
    "information_gain": "information gain",
    "volume_removal": "volume removal",
    "volume_removal_logistic": "volume removal, sigmoid",
    "random": "random",
}
COLOURS = {"information_gain": TRUE, "volume_removal": LEARNED, "volume_removal_logistic": GOALS, "random": OTHER}
TOLD_AT = (5, 10, 20, 30)
"""Numbers of answers whose mean alignment is reported."""


def claims(
    found: Mapping[str, Any], gain_above: float, random_below: float, difference_above: float, volume_margin: float
) -> list[Claim]:
    """Claim how well questions align the belief; differences are between methods on the same seed's pool."""
    biyik, sadigh = found["worlds"]["biyik2019"], found["worlds"]["sadigh2017"]
    at = found["judged_at"]
    gain, volume, chance = (_at(biyik, name, at) for name in ("information_gain", "volume_removal", "random"))
    told = (
        f"By answers: {_told(biyik, 'information_gain')}; {_told(biyik, 'volume_removal')}; {_told(biyik, 'random')}."
    )
    after = f"Driver of 4 features, after {at} answers"
    return [
        at_least(
            f"{after}: questions of most information align what is believed with the truth above {gain_above:g}.",
            f"{in_words(gain)}. {told}",
            "alignment, -1 to 1",
            gain,
            gain_above,
            {"information gain": gain},
        ),
        at_most(
            f"{after}: random questions align it below {random_below:g}.",
            f"{in_words(chance)}. {told}",
            "alignment, -1 to 1",
            chance,
            random_below,
            {"random": chance},
        ),
        _difference(
            f"{after}: information gain aligns it better than random questions by more than {difference_above:g}.",
            {"information gain": gain, "random": chance},
            difference_above,
            "",
        ),
        _difference(
            f"{after}: information gain aligns it no worse than volume removal, within {volume_margin:g}.",
            {"information gain": gain, "volume removal": volume},
            -volume_margin,
            f" Removing the volume of the sigmoid instead: {_told(biyik, 'volume_removal_logistic')}.",
        ),
        _difference(
            f"Driver of 5 features, its paper's weights, after {at} answers: volume removal aligns better than random.",
            {"volume removal": _at(sadigh, "volume_removal", at), "random": _at(sadigh, "random", at)},
            PRACTICAL,
            f" By answers: {'; '.join(_told(sadigh, name) for name in METHODS)}.",
        ),
    ]


def _difference(claim: str, of: Mapping[str, list[float]], least: float, more: str) -> Claim:
    """Claim that the first method's alignments are greater than the second's by ``least``."""
    first, second = of.values()
    differences = less(first, second)
    return at_least(claim, f"{in_words(differences)}.{more}", "difference of alignments", differences, least, of)


def _at(world: Mapping[str, Any], method: str, answers: int) -> list[float]:
    return np.array(world["alignment"][method])[:, answers].tolist()


def _told(world: Mapping[str, Any], method: str) -> str:
    lines = np.array(world["alignment"][method])
    means = [f"{lines[:, n].mean():.2f} at {n}" for n in TOLD_AT if n < lines.shape[1]]
    return f"{NAMES[method]} {', '.join(means) or 'too few to tell'}"


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw alignment against answers in both worlds, and the first seed's final belief of each weight."""
    with styled():
        figure = canvas(9.8, 7.4)
        panels = figure.subplot_mosaic([["biyik2019", "sadigh2017"], ["belief", "belief"]])
        for name, title in (("biyik2019", "4 features, noisy answers"), ("sadigh2017", "5 features, paper's weights")):
            _draw_alignment(panels[name], found["worlds"][name]["alignment"], found["judged_at"])
            panels[name].set_title(title)
        panels["biyik2019"].set_ylabel("alignment m, mean and 95% interval")
        _draw_belief(panels["belief"], found["worlds"]["biyik2019"])
        label_lines(panels["biyik2019"], panels["sadigh2017"], characters=12)
        save(figure, path)


def _draw_alignment(axes: "Axes", alignment: Mapping[str, Any], judged_at: int) -> None:
    for method, lines in alignment.items():
        values = np.array(lines)
        draw_mean(axes, np.arange(values.shape[1]), values.T, COLOURS[method], NAMES[method])
    axes.axvline(judged_at, color=OTHER, linestyle="--", linewidth=1.0)
    axes.text(judged_at - 0.5, -0.27, "judged here", color="#333333", fontsize=9, ha="right", va="bottom")
    axes.set(xlabel="answers", ylim=(-0.3, 1.02))


def _draw_belief(axes: "Axes", world: Mapping[str, Any]) -> None:
    """Draw samples of every weight, by the first and the last method, with the truth as a line across."""
    true, shifts = world["true_weights"][0], {METHODS[0]: -0.18, METHODS[-1]: 0.18}
    for method, shift in shifts.items():
        samples = np.array(world["belief_first_seed"][method])
        places = np.arange(len(true)) + shift
        boxes = axes.boxplot(list(samples.T), positions=places, widths=0.3, showfliers=False, patch_artist=True,
                             medianprops={"color": "black"})  # fmt: skip
        for box in boxes["boxes"]:
            box.set(facecolor=COLOURS[method], alpha=0.5)
        for place, top in zip(places, (line.get_ydata()[0] for line in boxes["caps"][1::2]), strict=True):
            axes.annotate(NAMES[method].replace(" ", "\n"), (place, top), xytext=(0, 3), textcoords="offset points",
                          color="#333333", fontsize=9, ha="center", va="bottom")  # fmt: skip
    axes.hlines(true, np.arange(len(true)) - 0.4, np.arange(len(true)) + 0.4, color=ALARM, linewidth=2.0)
    axes.annotate("true", (0.4, true[0]), xytext=(3, 0), textcoords="offset points", color=ALARM, va="center")
    axes.set_xticks(np.arange(len(true)), world["features"])
    axes.set(ylabel="weight", ylim=(-1.05, 1.05))
    axes.set_title("What is believed at the end, 4 features, first seed")

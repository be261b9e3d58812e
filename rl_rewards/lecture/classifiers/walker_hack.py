"""The lecture's walking robot: the behaviour that its weights reward most, and the one that a learner finds.

r = 2 v_forward + w_upright upright + 0.5 foot_contacts; falling 10.0, walking 4.4, standing 2.0 at w_upright = 1.
Walking is best exactly for 7.22 < w_upright < 25. Walker2d reports no foot contacts, so its arms lack that term;
without it the window is 7.78 to 30.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, enough_seeds, exact, in_words
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.measures import last_mean

BEHAVIOURS = {"falling": (5.0, 0.0, 0.0), "standing": (0.0, 1.0, 2.0), "walking": (1.5, 0.9, 1.0)}
"""The lecture's v_forward (m/s), upright and foot_contacts of each."""
WEIGHTS = (2.0, 1.0, 0.5)
LECTURE_SUMS = {"falling": 10.0, "standing": 2.0, "walking": 4.4}
LECTURE_WINDOW = (65.0 / 9.0, 25.0)
ON_ITS_FEET, UPRIGHT, MOVING = 0.8, 0.8, 0.3
"""The torso's mean height (m) above which Gymnasium calls a robot healthy (it starts at 1.25), the mean cosine of its
angle above which it is upright, and metres per second above which it moves."""
NEEDED = 0.8
FORWARD, UPRIGHTNESS, HEIGHT = "eval/term_forward", "eval/term_upright", "eval/term_height"


@dataclass(frozen=True, kw_only=True)
class WalkerHack:
    """Judges the arms of configs/experiment/lecture/classifiers/walker_hack.yaml, and the lecture's sums."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        measured = {
            name: {key: last_mean(run, key) for key in (FORWARD, UPRIGHTNESS, HEIGHT)} for name, run in arms.items()
        }
        found = {name: behaviours(of_arm) for name, of_arm in measured.items()}
        claims = [
            sums(),
            crossings(),
            learns("lecture_weights", measured["lecture_weights"], walks=False),
            learns("in_window", measured["in_window"], walks=True),
        ]
        return Findings(claims, {"behaviours": found})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        with styled():
            figure = canvas(9.8, 3.6)
            left, right = figure.subplots(1, 2)
            _draw_window(left)
            _draw_found(right, arms)
            label_lines(left, right, characters=14)
            save(figure, path)


def reward(behaviour: str, upright_weight: float) -> float:
    """Return the lecture's reward of a behaviour, with its other two weights."""
    forward, upright, contacts = BEHAVIOURS[behaviour]
    return WEIGHTS[0] * forward + upright_weight * upright + WEIGHTS[2] * contacts


def window() -> tuple[float, float]:
    """Return the upright weights between which walking earns most: from its crossing with falling to standing."""

    def crossing(other: str) -> float:
        return (reward(other, 0.0) - reward("walking", 0.0)) / (BEHAVIOURS["walking"][1] - BEHAVIOURS[other][1])

    return crossing("falling"), crossing("standing")


def kind_of(forward: float, upright: float, height: float) -> str:
    """Name a behaviour, by mean speed (m/s), mean cosine of the torso's angle and its mean height (m)."""
    if height < ON_ITS_FEET:
        kinds = ("slides sitting upright", "sits upright") if upright > UPRIGHT else ("crawls", "lies")
        return kinds[0] if forward > MOVING else kinds[1]
    if upright < UPRIGHT:
        return "leans"
    return "walks" if forward > MOVING else "stands"


def behaviours(measured: Mapping[str, list[float]]) -> list[str]:
    """Name the behaviour of every seed."""
    return [kind_of(*one) for one in zip(*(measured[key] for key in (FORWARD, UPRIGHTNESS, HEIGHT)), strict=True)]


def sums() -> Claim:
    found = {name: reward(name, WEIGHTS[1]) for name in BEHAVIOURS}
    text = ", ".join(f"{name} {value:.1f}" for name, value in found.items())
    errors = [found[name] - value for name, value in LECTURE_SUMS.items()]
    lead = found["falling"] - max(found["standing"], found["walking"])
    return exact(
        "The lecture's sums are 10.0, 2.0 and 4.4, and falling earns most.",
        f"{text}.",
        {"difference from the lecture's sums": (errors, (-1e-9, 1e-9)), "lead of falling": ([lead], (0.0, math.inf))},
        {name: [value] for name, value in found.items()},
    )


def crossings() -> Claim:
    low, high = window()
    errors = [low - LECTURE_WINDOW[0], high - LECTURE_WINDOW[1]]
    return exact(
        "Walking earns most exactly for an upright weight between 7.22 and 25.",
        f"{low:.4f} to {high:.4f} (65/9 and 25).",
        {"difference from 65/9 and 25": (errors, (-1e-9, 1e-9))},
        {"window": [low, high]},
    )


def learns(arm: str, measured: Mapping[str, list[float]], walks: bool) -> Claim:
    """Claim that the robot comes to walk, or, with ``walks`` False, not to."""
    kinds = behaviours(measured)
    what = "walk" if walks else "not walk"
    return enough_seeds(
        f"On Walker2d, {arm.replace('_', ' ')}: the robot learns to {what} in {NEEDED:.0%} of seeds.",
        f"{', '.join(kinds)}; speed {in_words(measured[FORWARD])} m/s, upright "
        f"{in_words(measured[UPRIGHTNESS])}, torso at {in_words(measured[HEIGHT])} m.",
        [(kind == "walks") == walks for kind in kinds],
        NEEDED,
        measured,
    )


def _draw_window(axes) -> None:
    weights = np.linspace(0.0, 32.0, 100)
    for name, colour in (("falling", LEARNED), ("standing", OTHER), ("walking", TRUE)):
        axes.plot(weights, [reward(name, weight) for weight in weights], color=colour, label=name)
    axes.axvspan(*window(), color=TRUE, alpha=0.1, linewidth=0)
    axes.set(xlabel="weight of upright", ylabel="reward per step", title="The lecture's sums; shaded: walking is best")


def _draw_found(axes, arms: Mapping[str, RunFiles]) -> None:
    for (name, run), colour in zip(arms.items(), (LEARNED, TRUE), strict=True):
        paths = np.array([[values(row, FORWARD), values(row, HEIGHT)] for row in run.evaluation_rows])  # [t, 2, S]
        axes.plot(paths[:, 0], paths[:, 1], color=colour, linewidth=0.6, alpha=0.4)
        nearest = paths[-1, 0].argsort()  # of the label, which is at the last one
        axes.plot(*paths[-1][:, nearest], "o", color=colour, label=name.replace("_", " "), zorder=3.0)
    axes.axhline(ON_ITS_FEET, color=OTHER, linewidth=0.8, linestyle="--", label="on its feet above")
    axes.set(xlabel="forward speed, m/s", ylabel="height of the torso, m", title="What Walker2d learned; dots: the end")

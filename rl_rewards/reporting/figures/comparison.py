"""The learned reward and the true outcome of every arm, as small charts with common axes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rl_rewards.core.intervals import METHOD
from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.arms import Arm
from rl_rewards.reporting.figures.drawing import (
    LEARNED,
    TRUE,
    Drawing,
    Picture,
    new_figure,
    plain,
    steps_axis,
    styled,
    to_picture,
)
from rl_rewards.reporting.figures.seeds import draw_seeds

MOST_DRAWN = 24
"""The largest number of arms that are drawn: a page with more figures is slow to open."""

LEARNED_KEY = "eval/learned_reward_final"


@dataclass(frozen=True)
class _Axes:
    """The axes that comparable arms share; ``env_steps`` is the end of the longest arm."""

    true_key: str | None
    true_limits: tuple[float, float]
    learned_limits: tuple[float, float]
    env_steps: int
    steps_name: str
    facts: str = ""
    command: str = ""


def true_key(arms: Sequence[Arm]) -> str | None:
    """Return the metric for success if every evaluated arm has it, else for the true return; None if no arm has one."""
    evaluated = [arm.evaluation_rows[-1] for arm in arms if arm.evaluation_rows]
    if all(values(row, "eval/success") for row in evaluated):
        return "eval/success"
    return "eval/true_return" if any(values(row, "eval/true_return") for row in evaluated) else None


def comparison_figure(arms: Sequence[Arm]) -> Drawing | None:
    """Return one small chart per arm, for the first ``MOST_DRAWN`` arms; None if no arm was evaluated."""
    drawn = [arm for arm in arms if arm.evaluation_rows][:MOST_DRAWN]
    if not drawn:
        return None
    key = true_key(arms)
    with styled():
        pictures = [_draw(arm, _axes_of(arm, drawn, key)) for arm in drawn]
    name = "the share of episodes that end in success" if key == "eval/success" else "the true return per episode"
    caption = "" if key is None else f"Blue: {name}. "
    caption += (
        "Orange: the learned reward of the policy's final states, which training increases. All charts of an "
        "environment have the same axes; the axis of the learned reward is the same only for rewards on one scale. "
    )
    if key is not None:
        caption += "If orange is high and blue is low, the policy exploits its reward without doing the task. "
    caption += (
        "With several seeds, each thin line is a seed, the thick line their mean, and the band its interval "
        f"({METHOD})."
    )
    if len(arms) > len(drawn):
        caption += f" Not drawn: {', '.join(arm.name for arm in arms if arm not in drawn)}."
    title = "Learned reward" if key is None else "Learned reward beside the true outcome"
    return Drawing(title, caption, pictures, columns=3)


def _axes_of(arm: Arm, arms: Sequence[Arm], key: str | None) -> _Axes:
    peers = [other for other in arms if other.choices[0] == arm.choices[0]]
    of_one_scale = [other for other in peers if _scale(other) == _scale(arm)]
    longest = max(other.env_steps for other in peers if other.steps_name == arm.steps_name)
    return _Axes(
        key, _limits(peers, key or "eval/true_return"), _limits(of_one_scale, LEARNED_KEY), longest, arm.steps_name
    )


def _scale(arm: Arm) -> tuple[str, str]:
    """Return what rewards on one scale have in common: a probability and a logit, say, cannot be compared."""
    return arm.choices[1], str(arm.runs[0].config.get("reward", {}).get("reward_map"))


def _limits(arms: Sequence[Arm], key: str) -> tuple[float, float]:
    """Return the limits of the y axis: 0 to 1 if all values are in it, else the range of all arms; with a margin."""
    found = [value for arm in arms for row in arm.evaluation_rows for value in values(row, key)]
    if not found or (min(found) >= 0.0 and max(found) <= 1.0):
        return -0.04, 1.04
    margin = 0.05 * (max(found) - min(found) or 1.0)
    return min(found) - margin, max(found) + margin


def _draw(arm: Arm, shared: _Axes) -> Picture:
    lines = [("learned reward", LEARNED_KEY, LEARNED, shared.learned_limits)]
    if shared.true_key is not None:
        name = "true success" if shared.true_key == "eval/success" else "true return"
        lines = [(name, shared.true_key, TRUE, shared.true_limits), *lines]
    figure, panels = new_figure(4.0, 0.5 + 1.7 * len(lines), panels=len(lines))
    for axes, (label, key, colour, limits) in zip(panels, lines, strict=True):
        draw_seeds(axes, arm.evaluation_rows, key, colour)
        axes.set_ylim(*limits)
        axes.set_ylabel(label, color=colour)
    steps_axis(panels[-1], shared)
    panels[0].set_title(plain(arm.name), fontsize=10, wrap=True)
    figure.align_ylabels()
    alt = f"{arm.name}: {' and '.join(label for label, *_ in lines)} over environment steps."
    return to_picture(figure, alt, arm)


def last_values(arm: Arm, key: str) -> list[float]:
    """Return one value per seed at the last evaluation that all seeds have; empty unless every seed has a value."""
    found = values(arm.evaluation_rows[-1], key) if arm.evaluation_rows else []
    return [float(x) for x in found] if len(found) == arm.num_seeds and np.all(np.isfinite(found)) else []

"""Every arm's learned reward beside its true outcome, small and on common axes."""

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
"""Arms; a page of more figures is too large to open well."""

LEARNED_KEY = "eval/learned_reward_final"


@dataclass(frozen=True)
class _Axes:
    """What the panels of comparable arms share; ``env_steps`` is where the longest of them ends."""

    true_key: str
    true_limits: tuple[float, float]
    learned_limits: tuple[float, float]
    env_steps: int
    steps_name: str
    facts: str = ""
    command: str = ""


def true_key(arms: Sequence[Arm]) -> str:
    """Success where every arm that was evaluated has it, else the true return."""
    evaluated = [arm.evaluation_rows[-1] for arm in arms if arm.evaluation_rows]
    return "eval/success" if all(values(row, "eval/success") for row in evaluated) else "eval/true_return"


def comparison_figure(arms: Sequence[Arm]) -> Drawing | None:
    """None if no arm was evaluated."""
    drawn = [arm for arm in arms if arm.evaluation_rows][:MOST_DRAWN]
    if not drawn:
        return None
    key = true_key(arms)
    with styled():
        pictures = [_draw(arm, _axes_of(arm, drawn, key)) for arm in drawn]
    name = "the share of episodes that end in success" if key == "eval/success" else "the true return per episode"
    caption = (
        f"Blue: {name}. Orange: the learned reward on the policy's final states, which is what training raises. Charts "
        "of one environment have the same axes, those of learned reward if its scale is the same too. Where orange is "
        "high and blue is not, the policy pleases its reward without doing the task. Of several seeds, a thin line "
        f"each; thick, their mean; shaded, the {METHOD}."
    )
    if len(arms) > len(drawn):
        caption += f" Not drawn: {', '.join(arm.name for arm in arms if arm not in drawn)}."
    return Drawing("Learned reward beside the true outcome", caption, pictures, columns=3)


def _axes_of(arm: Arm, arms: Sequence[Arm], key: str) -> _Axes:
    peers = [other for other in arms if other.choices[0] == arm.choices[0]]
    of_one_scale = [other for other in peers if _scale(other) == _scale(arm)]
    longest = max(other.env_steps for other in peers if other.steps_name == arm.steps_name)
    return _Axes(key, _limits(peers, key), _limits(of_one_scale, LEARNED_KEY), longest, arm.steps_name)


def _scale(arm: Arm) -> tuple[str, str]:
    """Rewards that can be compared have it in common: a probability and a logit cannot."""
    return arm.choices[1], str(arm.runs[0].config.get("reward", {}).get("reward_map"))


def _limits(arms: Sequence[Arm], key: str) -> tuple[float, float]:
    """0 .. 1 for shares, else what all arms need."""
    found = [value for arm in arms for row in arm.evaluation_rows for value in values(row, key)]
    if not found or (min(found) >= 0.0 and max(found) <= 1.0):
        return -0.04, 1.04
    margin = 0.05 * (max(found) - min(found) or 1.0)
    return min(found) - margin, max(found) + margin


def _draw(arm: Arm, shared: _Axes) -> Picture:
    figure, (top, bottom) = new_figure(4.0, 3.9, panels=2)
    labels = "true success" if shared.true_key == "eval/success" else "true return", "learned reward"
    panels = (top, shared.true_key, TRUE, shared.true_limits), (bottom, LEARNED_KEY, LEARNED, shared.learned_limits)
    for (axes, key, colour, limits), label in zip(panels, labels, strict=True):
        draw_seeds(axes, arm.evaluation_rows, key, colour)
        axes.set_ylim(*limits)
        axes.set_ylabel(label, color=colour)
    steps_axis(bottom, shared)
    top.set_title(plain(arm.name), fontsize=10, wrap=True)
    figure.align_ylabels()
    alt = f"{arm.name}: {labels[0]} and learned reward over environment steps."
    return to_picture(figure, alt, arm)


def last_values(arm: Arm, key: str) -> list[float]:
    """One value per seed at the last evaluation that all seeds have; empty unless every seed has one."""
    found = values(arm.evaluation_rows[-1], key) if arm.evaluation_rows else []
    return [float(x) for x in found] if len(found) == arm.num_seeds and np.all(np.isfinite(found)) else []

"""The learned reward and the true outcome: all arms in one chart, and every arm in a small chart with common axes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rl_rewards.core.intervals import METHOD
from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.arms import Arm
from rl_rewards.reporting.figures.charts import SHARE, Across, Chart, Panel, chart, over_steps
from rl_rewards.reporting.figures.drawing import Drawing
from rl_rewards.reporting.figures.scales import Scale, around
from rl_rewards.reporting.figures.seeds import seed_curves

MOST_DRAWN = 24
"""The largest number of arms that are drawn: a page with more figures is slow to open."""
MOST_TOGETHER = 8
"""The largest number of arms in one chart: more colours cannot be told apart."""

LEARNED_KEY = "eval/learned_reward_final"


@dataclass(frozen=True)
class _Axes:
    """The axes that comparable arms share."""

    true_key: str | None
    true: Scale
    learned: Scale
    across: Across


def true_key(arms: Sequence[Arm]) -> str | None:
    """Return the metric for success if every evaluated arm has it, else for the true return; None if no arm has one."""
    evaluated = [arm.evaluation_rows[-1] for arm in arms if arm.evaluation_rows]
    if all(values(row, "eval/success") for row in evaluated):
        return "eval/success"
    return "eval/true_return" if any(values(row, "eval/true_return") for row in evaluated) else None


def together_figure(arms: Sequence[Arm]) -> Drawing | None:
    """Return one chart with the means of all arms; None for one arm, too many, or arms that cannot share axes."""
    drawn = [arm for arm in arms if arm.evaluation_rows]
    if not 1 < len(drawn) <= MOST_TOGETHER or len({(arm.choices[0], arm.steps_name) for arm in drawn}) > 1:
        return None
    key = true_key(drawn)
    axes = _axes_of(drawn[0], drawn, key)
    found = [(key, _name(key), axes.true)] if key else []
    if len({_scale(arm) for arm in drawn}) == 1:
        found.append((LEARNED_KEY, "learned reward of final states, per step", axes.learned))
    panels = []
    for metric, name, scale in found:
        curves = []
        for i, arm in enumerate(drawn):
            line = ("solid", "dashed", "dotted")[i % 3]
            means = [one for one in seed_curves(arm.evaluation_rows, metric, f"arm-{i + 1}", arm.name) if not one.faint]
            curves += [replace(one, band=None, line=line) for one in means]
        if curves:
            panels.append(Panel(name, curves, scale=scale, height=max(200, 40 * len(curves))))
    if not panels:
        return None
    caption = "The mean over the seeds of each arm. The charts below show every seed, and the interval of each mean."
    alt = f"{' and '.join(panel.name for panel in panels)} of {len(drawn)} arms over {drawn[0].steps_name}."
    return Drawing("All arms together", caption, [chart(panels, axes.across, alt)])


def comparison_figure(arms: Sequence[Arm]) -> Drawing | None:
    """Return one small chart per arm, for the first ``MOST_DRAWN`` arms; None if no arm was evaluated."""
    drawn = [arm for arm in arms if arm.evaluation_rows][:MOST_DRAWN]
    if not drawn:
        return None
    key = true_key(arms)
    charts = [_draw(arm, _axes_of(arm, drawn, key)) for arm in drawn]
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
    return Drawing(title, caption, charts, columns=3)


def _name(key: str | None) -> str:
    return "true success, share of episodes" if key == "eval/success" else "true return per episode"


def _axes_of(arm: Arm, arms: Sequence[Arm], key: str | None) -> _Axes:
    peers = [other for other in arms if other.choices[0] == arm.choices[0]]
    of_one_scale = [other for other in peers if _scale(other) == _scale(arm)]
    longest = max((other for other in peers if other.steps_name == arm.steps_name), key=lambda other: other.env_steps)
    true, learned = _limits(peers, key or "eval/true_return"), _limits(of_one_scale, LEARNED_KEY)
    return _Axes(key, true, learned, over_steps(longest))


def _scale(arm: Arm) -> tuple[str, str]:
    """Return what rewards on one scale have in common: a probability and a logit, say, cannot be compared."""
    return arm.choices[1], str(arm.runs[0].config.get("reward", {}).get("reward_map"))


def _limits(arms: Sequence[Arm], key: str) -> Scale:
    """Return the y axis: 0 to 1 if all values are in it, else the range of all arms; with a margin."""
    found = [value for arm in arms for row in arm.evaluation_rows for value in values(row, key)]
    return SHARE if not found or (min(found) >= 0.0 and max(found) <= 1.0) else around(found)


def _draw(arm: Arm, shared: _Axes) -> Chart:
    lines = [("learned reward per step", LEARNED_KEY, "learned", shared.learned)]
    if shared.true_key is not None:
        lines = [(_name(shared.true_key), shared.true_key, "true", shared.true), *lines]
    panels = [
        Panel(name, seed_curves(arm.evaluation_rows, key, colour), arm.name if i == 0 else "", scale=scale, height=110)
        for i, (name, key, colour, scale) in enumerate(lines)
    ]
    alt = f"{arm.name}: {' and '.join(name for name, *_ in lines)} over {arm.steps_name}."
    return chart(panels, shared.across, alt)


def last_values(arm: Arm, key: str) -> list[float]:
    """Return one value per seed at the last evaluation that all seeds have; empty unless every seed has a value."""
    found = values(arm.evaluation_rows[-1], key) if arm.evaluation_rows else []
    return [float(x) for x in found] if len(found) == arm.num_seeds and np.all(np.isfinite(found)) else []

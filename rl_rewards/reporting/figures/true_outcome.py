"""The panel of the true outcome over training, which several figures share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rl_rewards.reporting.figures.drawing import OTHER, TRUE, demonstrator_line, plot_line, share_axis
from rl_rewards.reporting.run_files import Row, RunFiles, series
from rl_rewards.reporting.verdict import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_true(run: RunFiles, rows: Sequence[Row], axes: "Axes") -> str:
    """Draw the true outcome over env steps, and return its name for the caption."""
    steps, success = series(rows, "eval/success")
    if not success:
        plot_line(axes, series(rows, "eval/true_return"), TRUE)
        demonstrator_line(axes, rows)
        axes.set_ylabel("true return per episode")
        axes.set_title("What we want", color=TRUE)
        return "the true return"
    if run.evaluations:
        episodes = run.evaluations[-1].valid.shape[1]
        low, high = zip(*(wilson_interval(min(max(s, 0.0), 1.0), episodes) for s in success), strict=True)
        axes.fill_between(steps, low, high, color=TRUE, alpha=0.15, linewidth=0)
    plot_line(axes, (steps, success), TRUE, label="with exploration")
    deterministic = series(rows, "eval/success_deterministic")
    plot_line(axes, deterministic, OTHER, label="without exploration", linestyle=":", linewidth=1.3, marker=None)
    axes.set_ylabel("true success (share)")
    axes.set_title("What we want", color=TRUE)
    share_axis(axes)
    return "the share of episodes that end in success (band: 95% Wilson interval over episodes)"

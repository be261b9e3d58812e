"""The panel of the true outcome over training, which several figures share."""

from collections.abc import Sequence

from rl_rewards.core.seed_rows import values
from rl_rewards.reporting.figures.charts import SHARE, Curve, Panel
from rl_rewards.reporting.run_files import Row, RunFiles, series
from rl_rewards.reporting.verdict import wilson_interval

WANTED = "What we want"


def true_panel(run: RunFiles, rows: Sequence[Row], moments: Sequence[tuple[float, str]] = ()) -> tuple[Panel, str]:
    """Return the panel of the true outcome over training, and what it shows in words for the caption."""
    steps, success = series(rows, "eval/success")
    if not success:
        curve = Curve(series(rows, "eval/true_return"), "true return", "true")
        panel = Panel("true return per episode", [curve], WANTED, "true", levels=demonstrator(rows), moments=moments)
        return panel, "the true return"
    band = None
    if run.evaluations:
        episodes = run.evaluations[-1].valid.shape[1]
        ends = [wilson_interval(min(max(share, 0.0), 1.0), episodes) for share in success]
        band = [low for low, _ in ends], [high for _, high in ends]
    curves = [Curve((steps, success), "with exploration", "true", band=band)]
    if (calm := series(rows, "eval/success_deterministic"))[1]:
        curves.append(Curve(calm, "without exploration", "other", "dotted"))
    panel = Panel("true success, share of episodes", curves, WANTED, "true", SHARE, moments=moments)
    return panel, "the share of episodes that end in success (band: 95% Wilson interval over episodes)"


def demonstrator(rows: Sequence[Row]) -> list[tuple[float, str]]:
    """Return the demonstrations' mean true return as a level; none if the run has no demonstrations."""
    shown = values(rows[-1], "eval/demo_return")
    return [(sum(shown) / len(shown), "demonstrator")] if shown else []

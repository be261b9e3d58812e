"""The figures of a search over configurations: its history, each key beside the measure, and the importance of keys."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rl_rewards.reporting.figures.charts import Across, Chart, Curve, Panel, chart
from rl_rewards.reporting.figures.drawing import TRUE, Drawing, new_figure, plain, styled, to_picture
from rl_rewards.reporting.figures.scales import Scale, around


class Measured(NamedTuple):
    """A trial with a value of the measure, which is that of its last evaluation if it was stopped early."""

    trial: int
    value: float
    finished: bool


def history_figure(trials: Sequence[Measured], measure: str) -> Drawing | None:
    """Return the measure of every trial, and the best so far, over the numbers of the trials."""
    if not trials:
        return None
    best: list[tuple[int, float]] = []
    for one in trials:
        if one.finished and (not best or one.value > best[-1][1]):
            best.append((one.trial, one.value))
    steps = [(at, value) for at, value in _as_steps(best, trials[-1].trial)]
    curves = [
        Curve(([x for x, _ in steps], [y for _, y in steps]), "best so far", "goals", dots=False),
        *_marks([(float(one.trial), one) for one in trials]),
    ]
    across = Across("trial", Scale(0.0, float(trials[-1].trial + 1), whole=True))
    alt = f"{measure} of {len(trials)} trials, and the best so far."
    caption = "A ring is a trial that was stopped early, at the measure of its last evaluation."
    return Drawing("History", caption, [chart([Panel(measure, curves, height=220)], across, alt)])


def slices_figure(
    columns: Mapping[str, Sequence[tuple[float, Measured]]], logs: set[str], measure: str
) -> Drawing | None:
    """Return one chart for each numeric key: the measure of every trial over the key's value.

    Args:
        columns: key -> (value of the key, trial).
        logs: the keys with a logarithmic axis.
    """
    charts: list[Chart] = []
    scale = around([one.value for found in columns.values() for _, one in found])
    for key, found in columns.items():
        across = Across(key, around([x for x, _ in found], log=key in logs))
        panel = Panel(measure, _marks(found), scale=scale, height=150)
        charts.append(chart([panel], across, f"{measure} over {key}."))
    return Drawing("The measure over each key", "", charts, columns=2) if charts else None


def importance_figure(importance: Mapping[str, float]) -> Drawing | None:
    """Return a bar for each key: its share in what decides about the measure; None if that is unknown."""
    if not importance:
        return None
    names = list(importance)
    with styled():
        figure, (axes,) = new_figure(7.0, 0.9 + 0.35 * len(names))
        axes.barh(range(len(names)), list(importance.values()), color=TRUE, height=0.6)
        axes.set_yticks(range(len(names)), [plain(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0.0, 1.0)
        axes.set_xlabel("importance (shares of 1)")
        picture = to_picture(figure, "; ".join(f"{name} {share:.0%}" for name, share in importance.items()))
    caption = (
        "PED-ANOVA over the finished trials: how differently the better ones are distributed in each key. With few "
        "trials these shares are rough, and they hold only inside this space."
    )
    return Drawing("Importance of the keys", caption, [picture])


def _as_steps(best: Sequence[tuple[int, float]], last: int) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for at, value in best:
        if found:
            found.append((float(at), found[-1][1]))
        found.append((float(at), value))
    return [*found, (float(last), found[-1][1])] if found else []


def _marks(found: Sequence[tuple[float, Measured]]) -> list[Curve]:
    kinds = [(True, "finished", "true", "discs"), (False, "stopped early", "other", "rings")]
    chosen = [(label, colour, line, [one for one in found if one[1].finished is is_finished])
              for is_finished, label, colour, line in kinds]  # fmt: skip
    return [
        Curve(([x for x, _ in ones], [one.value for _, one in ones]), label, colour, line)
        for label, colour, line, ones in chosen
        if ones
    ]

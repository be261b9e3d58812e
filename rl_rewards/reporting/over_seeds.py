"""The summary of a run of several seeds: the outcome with its interval, a table of the seeds, and the typical seed.

Details (episodes, classifier, maps, video) are shown for the typical seed: the median by final success, or by true
return if the environment does not report success.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rl_rewards.core.intervals import IQM_METHOD, METHOD, interquartile_interval, mean_interval
from rl_rewards.core.seed_rows import Row, values
from rl_rewards.core.words import digits
from rl_rewards.reporting.arms import seeds_in_words
from rl_rewards.reporting.boxes import Notice, Tile
from rl_rewards.reporting.figures.charts import Origin
from rl_rewards.reporting.figures.drawing import Drawing
from rl_rewards.reporting.figures.seeds import is_game, seeds_figure
from rl_rewards.reporting.kept import best_tile_of_many, collapse_notices
from rl_rewards.reporting.outcome import verdict
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.reporting.verdict import alarm_words, demonstrator_words, judge_notices

TRUE_OUTCOMES = (("eval/success", "true success"), ("eval/true_return", "true return"))
LEARNED_COLUMNS = (
    ("eval/learned_return", "learned return"),
    ("eval/learned_reward_final", "learned reward, final states"),
    ("eval/unpaid_return", "unpaid return"),
)
GAME_COLUMNS = (
    ("eval/game_reached", "Alice's goals reached"),
    ("eval/alice_return", "Alice's return"),
    ("eval/bob_return", "Bob's return"),
)
"""These replace ``LEARNED_COLUMNS`` for games, whose evaluations use the task's own reward as the learned reward."""


class ManySeeds(Origin, Protocol):
    """A run of several seeds, or several runs that differ only in their seeds."""

    @property
    def num_seeds(self) -> int: ...
    @property
    def seeds(self) -> list[int]: ...
    @property
    def evaluation_rows(self) -> list[Row]: ...
    @property
    def env_steps(self) -> int: ...
    def of_seed(self, index: int) -> RunFiles: ...


@dataclass(frozen=True)
class SeedRow:
    """A line of the table of seeds."""

    seed: int
    cells: list[str]
    alarm: str
    typical: bool


@dataclass(frozen=True)
class OverSeeds:
    """The part of a page about all seeds, above the details of one seed."""

    headline: str
    notices: list[Notice]
    tiles: list[Tile]
    figure: Drawing | None
    columns: list[str]
    rows: list[SeedRow]
    seeds: str
    typical_seed: int
    method: str = f"{METHOD}; {IQM_METHOD}"


def typical_index(run: ManySeeds) -> int:
    """Return the index of the seed with the median outcome at the last evaluation (the lower of two)."""
    outcome = _outcome(run.evaluation_rows)
    if len(outcome) < run.num_seeds:
        return 0
    return int(np.argsort(outcome, kind="stable")[(len(outcome) - 1) // 2])


def over_seeds(run: ManySeeds) -> OverSeeds:
    """Summarise all seeds of ``run``."""
    last: Row = run.evaluation_rows[-1] if run.evaluation_rows else {}
    typical = typical_index(run)
    alarms = [alarm_words(run.of_seed(i)) for i in range(run.num_seeds)]
    columns = [*TRUE_OUTCOMES, *(GAME_COLUMNS if is_game(last) else LEARNED_COLUMNS)]
    present = [(key, name) for key, name in columns if values(last, key)]
    rows = [
        SeedRow(seed, [_cell(last, key, i) for key, _ in present], alarms[i], i == typical)
        for i, seed in enumerate(run.seeds)
    ]
    standing = [seed for seed, words in zip(run.seeds, alarms, strict=True) if words == "active"]
    tiles, best = [_tile(last, key, name) for key, name in present], best_tile_of_many(run.evaluation_rows)
    return OverSeeds(
        headline=_headline(run, last, len(standing)),
        notices=[*_notices(standing, run.num_seeds), *_collapse_notices(run), *_judge_notices(run)],
        tiles=tiles if best is None else [*tiles[:1], best, *tiles[1:]],
        figure=seeds_figure(run, run.evaluation_rows),
        columns=[name for _, name in present],
        rows=rows,
        seeds=seeds_in_words(run.seeds),
        typical_seed=run.seeds[typical],
    )


def _outcome(evaluation_rows: Sequence[Row]) -> list[float]:
    if not evaluation_rows:
        return []
    return values(evaluation_rows[-1], "eval/success") or values(evaluation_rows[-1], "eval/true_return")


def _cell(row: Row, key: str, index: int) -> str:
    value = row[key][index] if isinstance(row[key], list) else row[key]
    return digits(value)


def _headline(run: ManySeeds, last: Row, standing: int) -> str:
    key = "eval/success" if values(last, "eval/success") else "eval/true_return"
    found = values(last, key)
    told = verdict(run.evaluation_rows, run.seeds[0])
    alarm = (
        f"EXPLOIT ALARM in {standing} seed{'s' if standing > 1 else ''}" if standing else "no exploit alarm is active"
    )
    if not found:
        return f"{run.num_seeds} seeds, never evaluated." if told is None else f"{told}; {alarm}."
    mean, low, high = mean_interval(found)
    name = "Success" if key == "eval/success" else "True return"
    if is_game(last):
        alarm = f"Bob reaches {mean_interval(values(last, 'eval/game_reached'))[0]:.0%} of Alice's goals"
    became = f" {told}." if told and key == "eval/success" else ""
    return f"{name} {digits(mean)} [{digits(low)}, {digits(high)}] over {len(found)} seeds; {alarm}.{became}"


def _notices(standing: list[int], count: int) -> list[Notice]:
    if not standing:
        return []
    named = ", ".join(map(str, standing))
    text = f"The exploit alarm is active at the last evaluation in {len(standing)} of {count} seeds ({named})."
    return [Notice("alarm", text)]


def _judge_notices(run: ManySeeds) -> list[Notice]:
    found = [said for i in range(run.num_seeds) if (said := judge_notices(run.of_seed(i)))]
    if not found:
        return []
    text = f"The AI judge is unreliable in {len(found)} of {run.num_seeds} seeds. {found[0][0].text}"
    return [Notice("warning", text)]


def _collapse_notices(run: ManySeeds) -> list[Notice]:
    standing = {run.seeds[i]: found for i in range(run.num_seeds) for found in collapse_notices(run.of_seed(i))}
    standing = {seed: found for seed, found in standing.items() if found.kind == "collapse"}
    if not standing:
        return []
    named = ", ".join(map(str, standing))
    first = next(iter(standing.values())).text
    text = (
        f"This is the state of {len(standing)} of {run.num_seeds} seeds ({named}) at the last evaluation. The notice "
        f"of the first one: {first}"
    )
    return [Notice("collapse", text)]


def _tile(row: Row, key: str, name: str) -> Tile:
    found = values(row, key)
    mean, low, high = mean_interval(found)
    middle, lowest, highest = interquartile_interval(found)
    note = (
        f"mean, 95% interval {digits(low)} to {digits(high)}; interquartile mean {digits(middle)} [{digits(lowest)}, "
        f"{digits(highest)}]"
    )
    if key == "eval/true_return":
        note += demonstrator_words(row)
    return Tile(name[0].upper() + name[1:], digits(mean), note, "true" if key in dict(TRUE_OUTCOMES) else "learned")

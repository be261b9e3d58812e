"""The report of several runs side by side, as one HTML file: a study's verdicts first, then one section per arm."""

import os
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.core.intervals import IQM_METHOD, METHOD
from rl_rewards.reporting.arms import Arm, differences, group, seeds_in_words
from rl_rewards.reporting.clips import Video, clips
from rl_rewards.reporting.comparison_words import NOTES, comparison_notices, headline, table
from rl_rewards.reporting.figures.comparison import MOST_DRAWN, comparison_figure, together_figure
from rl_rewards.reporting.figures.drawing import Drawing
from rl_rewards.reporting.figures.plane import plane_figures
from rl_rewards.reporting.figures.training import time_parts
from rl_rewards.reporting.find_runs import FoundRuns
from rl_rewards.reporting.glossary import glossary
from rl_rewards.reporting.over_seeds import SeedRow, over_seeds, typical_index
from rl_rewards.reporting.page import write_page
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.reporting.study_words import study_words
from rl_rewards.reporting.verdict import Notice, duration, judge

MAPS_OF_AN_ARM = 3
BYTES_OF_VIDEOS = 2_500_000
"""The size of all arms' videos on a page together; larger videos stay in their run folders."""


@dataclass(frozen=True)
class Member:
    """One run of an arm, for the list of runs and for the section on how to repeat them."""

    seeds: str
    status: str
    steps: str  # such as "12,800 env steps"
    commit: str
    command: str
    folder: str
    report: str | None  # relative to the page


@dataclass(frozen=True)
class Details:
    """The section of one arm."""

    anchor: str
    arm: Arm
    headline: str
    notices: list[Notice]
    columns: list[str]
    rows: list[SeedRow]
    members: list[Member]
    typical_seed: int
    maps: list[Drawing]
    clips: list[Video]


def write_comparison(found: FoundRuns, path: Path) -> None:
    """Write the page of all ``found`` runs to ``path``."""
    arms = group(found.runs)
    studies = [
        study_words(study, study.path.resolve().name, _relative(study.path / "verdict.json", path))
        for study in found.studies
    ]
    differing = differences(arms)
    content = {
        "headline": headline(arms, found.studies),
        "studies": studies,
        "told": comparison_notices(arms, found),
        "table": table(arms),
        "notes": NOTES,
        "arms": arms,
        "runs": len(found.runs),
        "together": together_figure(arms),
        "figure": comparison_figure(arms),
        "differing": differing,
        "by_arm": len(arms) > len(differing),  # one row per arm or per key, whichever makes the table narrower
        "details": [_details(arm, i, len(arms), path) for i, arm in enumerate(arms)],
        "times": [(arm.name, _times(arm)) for arm in arms if _times(arm)],
        "glossary": glossary(*found.runs),
        "method": f"{METHOD}; and {IQM_METHOD}",
    }
    write_page(path, "comparison.html.j2", content)


def _details(arm: Arm, index: int, count: int, page: Path) -> Details:
    whole = over_seeds(arm)
    typical = arm.of_seed(typical_index(arm))
    alone = arm.num_seeds == 1
    verdict = judge(typical)
    drawn = count <= MOST_DRAWN
    return Details(
        anchor=f"arm-{index + 1}",
        arm=arm,
        headline=verdict.headline if alone else whole.headline,
        notices=verdict.notices if alone else whole.notices,
        columns=whole.columns,
        rows=whole.rows,
        members=[_member(run, page) for run in arm.runs],
        typical_seed=whole.typical_seed,
        maps=plane_figures(typical, MAPS_OF_AN_ARM) if drawn else [],
        clips=clips(typical, BYTES_OF_VIDEOS // (2 * count)) if drawn else [],
    )


def _member(run: RunFiles, page: Path) -> Member:
    report = run.path / "report.html"
    there = report.is_file() and report.resolve() != page.resolve()
    return Member(
        seeds=seeds_in_words(run.seeds),
        status=run.status,
        steps=f"{run.env_steps:,} {run.steps_name}",
        commit=run.commit,
        command=run.command,
        folder=_relative(run.path, page),
        report=_relative(report, page) if there else None,
    )


def _relative(path: Path, page: Path) -> str:
    return Path(os.path.relpath(path.resolve(), page.resolve().parent)).as_posix()


def _times(arm: Arm) -> list[tuple[str, str, str]]:
    """Return rows (part of the work, time over all runs of the arm, share of the total)."""
    spent: dict[str, float] = {}
    for run in arm.runs:
        for part, seconds in time_parts(run).items():
            spent[part] = spent.get(part, 0.0) + seconds
    total = sum(spent.values())
    return [(part, duration(seconds), f"{seconds / total:.0%}") for part, seconds in spent.items()] if total else []

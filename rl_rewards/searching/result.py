"""The end of a search: the best configuration is trained on seeds that selected nothing, and all is written down."""

import json
import shlex
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from rl_rewards.core.checks import require
from rl_rewards.core.errors import FolderInUse, TrainingFailed
from rl_rewards.core.files import locked_within, read_json, write_whole
from rl_rewards.core.intervals import mean_interval
from rl_rewards.core.strict_json import strict
from rl_rewards.loop.provenance import code
from rl_rewards.searching.plan import LONGER, SearchPlan
from rl_rewards.searching.space import words
from rl_rewards.searching.trial_run import RUN, run_trial
from rl_rewards.searching.trials import DUPLICATE, OUTCOME, Trials, one_at_a_time
from rl_rewards.searching.worker import finished

SETTINGS, RESULT, PAGE, REPORTED, FINISHING = "settings.json", "search.json", "report.html", "report", "report.lock"
PATIENCE = 120.0
"""Seconds in which the lock of the report must become free."""
FEWEST = 8
"""Finished trials that the importance of keys needs."""


@dataclass(frozen=True)
class SearchedTrial:
    """One line of the table of trials."""

    trial: int  # from 1
    words: list[str]  # its overrides KEY=VALUE
    ended: str  # finished, pruned, failed, duplicate, or running
    why: str
    value: float | None  # the mean over seeds of the last evaluation
    per_seed: list[float]
    evaluations: int
    seconds: float | None


@dataclass(frozen=True)
class Score:
    """The measure of the best configuration on some seeds."""

    seeds: str
    per_seed: list[float]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class SearchSummary:
    """What a search has found."""

    measure: str
    counts: dict[str, int]
    trials: list[SearchedTrial]
    importance: dict[str, float]  # shares, the largest first; empty if too few trials have finished
    best: SearchedTrial
    selection: Score
    report: Score | None
    command: str  # runs the best configuration
    folder: str | None  # of the run on the report seeds


def keep_settings(plan: SearchPlan, folder: Path) -> None:
    """Write what the search is about or, if its folder has a search, check that it is the same; it may get longer.

    Raises:
        ConfigError: if it is another one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, now = folder / SETTINGS, json.loads(json.dumps(plan.settings()))
    with one_at_a_time(folder):
        stored = read_json(path) if path.is_file() else now
        for key, value in now.items():
            require(
                key in LONGER or stored.get(key) == value,
                f"{folder} has a search with another value of {key}; choose another --folder, or go on with the file "
                "as it was.",
            )
        write_whole(path, json.dumps(now, indent=1) + "\n")


def summarise(
    trials: Trials, folder: Path, stopping: Callable[[], str | None], command: Sequence[str] = RUN
) -> SearchSummary | None:
    """Train the best configuration on the report seeds unless that is done, and return what the search has found.

    Returns:
        None if another worker is doing that. The run of one that was killed holds the lock until it has saved
        everything, so that the lock is waited for.

    Raises:
        Stopped: when this process was asked to stop.
        TrainingFailed: when no trial has finished, or the best configuration fails on the report seeds.
    """
    plan, best, measure = trials.plan, trials.best(), trials.measure()
    if best is None or measure is None:
        raise TrainingFailed(f"No trial has finished: {_in_words(_counts(trials))}. The logs are in {folder}.")
    try:
        with locked_within(PATIENCE, folder / FINISHING, "", FolderInUse) as lock:
            report, run_dir = None, folder / REPORTED / plan.digest(best.params)
            if plan.report_seeds is not None:
                run_dir = run_dir.with_name(f"{run_dir.name}_{plan.report_seeds.words}")
                whole = [*command, *plan.of_report(best.params)]
                end = run_trial(whole, run_dir, lock.fileno(), lambda _: "", stopping)
                outcome = None if end.failed else finished(run_dir, measure, plan.report_seeds.count)
                if outcome is None or outcome.ended == "failed":
                    why = end.failed or (outcome.why if outcome else "")
                    raise TrainingFailed(f"The best configuration failed on the report seeds: {why}")
                report = _score(plan.report_seeds.words, outcome.per_seed)
            found = _summary(trials, best, measure, report, run_dir if report else None)
            write_whole(folder / RESULT, json.dumps(strict({**asdict(found), **code()}), indent=1) + "\n")
            return found
    except FolderInUse:
        return None


def _summary(
    trials: Trials, best: FrozenTrial, measure: str, report: Score | None, run_dir: Path | None
) -> SearchSummary:
    plan, chosen = trials.plan, _line(trials.plan, best)
    seeds = plan.report_seeds or plan.seeds
    run = ["python", "-m", "rl_rewards.run", *plan.overrides, *words(plan.space, best.params), *seeds.overrides]
    return SearchSummary(
        measure=measure,
        counts=_counts(trials),
        trials=[_line(plan, one) for one in trials.all()],
        importance=_importance(trials.own()),
        best=chosen,
        selection=_score(plan.seeds.words, chosen.per_seed),
        report=report,
        command=shlex.join(run),
        folder=None if run_dir is None else str(run_dir),
    )


def _score(seeds: str, per_seed: Sequence[float]) -> Score:
    return Score(seeds, list(per_seed), *mean_interval(per_seed))


def _counts(trials: Trials) -> dict[str, int]:
    """Return how many configurations were looked at, how their trials ended, and how many proposals were repeated."""
    ended = [_ended(one) for one in trials.all()]
    counts = {name: ended.count(name) for name in ("finished", "pruned", "failed")}
    return {"looked_at": sum(counts.values()), **counts, "duplicates": ended.count("duplicate")}


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())


def _ended(one: FrozenTrial) -> str:
    if DUPLICATE in one.user_attrs:
        return "duplicate"
    return str(one.user_attrs[OUTCOME]["ended"]) if one.state.is_finished() else "running"


def _line(plan: SearchPlan, one: FrozenTrial) -> SearchedTrial:
    told: dict[str, Any] = one.user_attrs.get(OUTCOME, {})
    twin = one.user_attrs.get(DUPLICATE)
    return SearchedTrial(
        trial=one.number + 1,
        words=words(plan.space, one.params),
        ended=_ended(one),
        why=told.get("why", "") if twin is None else f"as trial {twin + 1}",
        value=one.value,
        per_seed=list(told.get("per_seed", ())),
        evaluations=len(one.intermediate_values),
        seconds=None if one.duration is None or twin is not None else one.duration.total_seconds(),
    )


def _importance(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """Return the share of each key in what decides about the measure, by PED-ANOVA (Watanabe et al. 2023)."""
    finished_ones = [one for one in trials if one.state == TrialState.COMPLETE]
    if len(finished_ones) < FEWEST or len({one.value for one in finished_ones}) < 2:
        return {}
    alone = optuna.create_study(direction="maximize")
    alone.add_trials(finished_ones)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return optuna.importance.get_param_importances(alone)

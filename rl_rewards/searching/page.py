"""The page of a search: what was looked at, what was found, and what the best configuration reaches on other seeds."""

from pathlib import Path
from typing import Any

from rl_rewards.core.intervals import METHOD
from rl_rewards.core.words import digits
from rl_rewards.reporting.boxes import Notice, Tile
from rl_rewards.reporting.figures.search import Measured, history_figure, importance_figure, slices_figure
from rl_rewards.reporting.page import write_page
from rl_rewards.reporting.verdict import duration
from rl_rewards.searching.plan import SearchPlan
from rl_rewards.searching.result import Score, SearchedTrial, SearchSummary

WORDS = {
    "eval/success": "success",
    "eval/true_return": "true return",
    "eval/unpaid_return": "unpaid return",
    "eval/learned_return": "learned return",
}


def write_search(plan: SearchPlan, found: SearchSummary, name: str, path: Path) -> None:
    """Write the page of the search ``name`` to ``path``."""
    measured = [one for one in found.trials if one.value is not None and one.ended != "duplicate"]
    values = {one.trial: dict(zip(plan.space, one.words, strict=True)) for one in found.trials}
    numeric = [key for key, dimension in plan.space.items() if dimension.kind != "choices"]
    columns = {
        key: [(float(values[one.trial][key].partition("=")[2]), _measured(one)) for one in measured] for key in numeric
    }
    logs = {key for key in numeric if plan.space[key].kind == "log_uniform"}
    measure = WORDS[found.measure]
    content: dict[str, Any] = {
        "headline": headline(found),
        "name": name,
        "notices": _notices(plan, found),
        "tiles": _tiles(found),
        "figures": [
            figure
            for figure in (
                history_figure([_measured(one) for one in measured], measure),
                importance_figure(found.importance),
                slices_figure(columns, logs, measure) if measured else None,
            )
            if figure is not None
        ],
        "keys": list(plan.space),
        "measure": measure,
        "rows": [_row(one) for one in sorted(found.trials, key=_rank)],
        "best": found.best,
        "command": found.command,
        "folder": None if found.folder is None else Path(found.folder).relative_to(path.parent).as_posix(),
        "about": about(plan),
        "method": METHOD,
    }
    write_page(path, "search.html.j2", content)


def headline(found: SearchSummary) -> str:
    """Return what the search has found, in a sentence."""
    looked, measure = found.counts["looked_at"], WORDS[found.measure]
    start = f"The best of {looked} configuration{'s' if looked > 1 else ''}"
    if found.report is None:
        return f"{start} reaches {measure} {in_words(found.selection)} on the seeds that selected it"
    return f"{start} reaches {measure} {in_words(found.report)} on seeds that did not select it"


def in_words(score: Score) -> str:
    """Return a mean with its interval, if it has several seeds."""
    if len(score.per_seed) < 2:
        return digits(score.mean)
    return f"{digits(score.mean)} [{digits(score.low)}, {digits(score.high)}]"


def looked_at(counts: dict[str, int]) -> str:
    """Return how many configurations were looked at, in a sentence."""
    told = ", ".join(f"{counts[name]} {name}" for name in ("finished", "pruned", "failed"))
    again = f"; {counts['duplicates']} proposals repeated one of them" if counts["duplicates"] else ""
    looked = counts["looked_at"]
    return f"{looked} configuration{'s were' if looked > 1 else ' was'} looked at: {told}{again}."


def about(plan: SearchPlan) -> list[tuple[str, str]]:
    """Return the settings of the search, name and words."""
    pruning = plan.pruning
    told = "none"
    if pruning is not None:
        told = f"successive halving from evaluation {pruning.first}, one of {pruning.factor} goes on"
        told += "; hopeless ones are stopped at any evaluation after it" if pruning.hopeless else ""
    ranges = {
        key: ", ".join(one.choices)
        if one.kind == "choices"
        else f"{one.kind.replace('_', '-')}, {one.low:g} to {one.high:g}"
        for key, one in plan.space.items()
    }
    return [
        ("overrides of every run", " ".join(plan.overrides) or "none"),
        *ranges.items(),
        ("sampler", plan.sampler),
        ("trials", str(plan.trials)),
        ("seeds of selection", plan.seeds.words),
        ("seeds of the report", "none" if plan.report_seeds is None else plan.report_seeds.words),
        ("pruning", told),
    ]


def _notices(plan: SearchPlan, found: SearchSummary) -> list[Notice]:
    told = [Notice("note", looked_at(found.counts))]
    if found.report is None:
        text = (
            "The best configuration was not trained on other seeds: its score is the highest of many, and optimistic."
        )
        told.append(Notice("warning", text))
    elif found.report.high < found.selection.mean:
        text = (
            f"The selection score, {digits(found.selection.mean)}, is the highest of "
            f"{found.counts['finished']} and lies above the interval of the report seeds."
        )
        told.append(Notice("warning", text))
    if found.report is not None and len(found.report.per_seed) < 2:
        told.append(Notice("warning", "One report seed has no interval; give report_seeds several."))
    if not found.importance:
        told.append(Notice("note", "Too few trials have finished with different scores to tell which key matters."))
    failures = [one for one in found.trials if one.ended == "failed"]
    if failures:
        text = f"{len(failures)} of {found.counts['looked_at']} configurations could not be trained."
        told.append(Notice("warning", text, [f"Trial {one.trial}: {one.why}" for one in failures]))
    if found.counts["looked_at"] < plan.trials:
        told.append(Notice("note", "The space has no further configurations."))
    return told


def _tiles(found: SearchSummary) -> list[Tile]:
    measure = WORDS[found.measure]
    tiles = [Tile(f"{measure}, selection", in_words(found.selection), f"seeds {found.selection.seeds}; optimistic")]
    if found.report is not None:
        report = Tile(f"{measure}, report", in_words(found.report), f"seeds {found.report.seeds}", "true")
        tiles.insert(0, report)
    counts = found.counts
    told = f"{counts['finished']} finished, {counts['pruned']} pruned, {counts['failed']} failed"
    return [*tiles, Tile("configurations", str(counts["looked_at"]), told)]


def _measured(one: SearchedTrial) -> Measured:
    assert one.value is not None
    return Measured(one.trial, one.value, one.ended == "finished")


def _rank(one: SearchedTrial) -> tuple[bool, bool, float, int]:
    return one.ended == "duplicate", one.ended != "finished", -(one.value if one.value is not None else 0.0), one.trial


def _row(one: SearchedTrial) -> dict[str, Any]:
    return {
        "trial": one.trial,
        "values": [_short(word.partition("=")[2]) for word in one.words],
        "score": "-" if one.value is None else digits(one.value),
        "evaluations": one.evaluations,
        "time": "-" if one.seconds is None else duration(one.seconds),
        "ended": f"{one.ended}{f': {one.why}' if one.why else ''}",
    }


def _short(value: str) -> str:
    """Return a value with three significant digits, if it is a real number."""
    try:
        return digits(float(value)) if not value.isdecimal() else value
    except ValueError:
        return value

"""The search: a model writes candidates, all are trained as seeds of one program, and the fittest is improved.

Eureka (Ma et al. 2023, arXiv:2310.12931): candidates x iterations, the statistics of the fittest candidate's terms over
training as reflection, and the fittest of all iterations as the result. Unlike there, a reward is parsed and never
executed, and the result is trained again on seeds that selected nothing.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rl_rewards.command_line.child_run import child_command, child_run
from rl_rewards.core.checks import require
from rl_rewards.core.errors import TrainingFailed
from rl_rewards.core.files import read_json, read_text, write_whole
from rl_rewards.core.strict_json import strict
from rl_rewards.core.types import EnvSpec
from rl_rewards.core.words import digits
from rl_rewards.labelers.judge.settings import JudgeSettings
from rl_rewards.reporting.run_files import RunFiles, read_run
from rl_rewards.reward_search.fitness import MEASURES, Trained, measure_of, trained
from rl_rewards.reward_search.prompts import first_question, next_question
from rl_rewards.reward_search.writer import Candidate, Writer

SETTINGS, RESULT, BEST = "settings.json", "search.json", "best.txt"
LONGER = ("iterations", "report_seeds")
"""Settings that may change when a search goes on."""
REPORTED_FROM = 100
"""The first seed with which the result is trained again."""


@dataclass(frozen=True)
class Plan:
    """What is searched, and how often the model is asked."""

    overrides: tuple[str, ...]  # of every run: environment, algorithm, budget
    candidates: int
    iterations: int
    seed: int  # of the first candidate's run; the others have the seeds after it
    report_seeds: int


@dataclass
class SearchResult:
    """What a search has found so far."""

    measure: str
    iterations: list[dict[str, Any]] = field(default_factory=list)
    best: Trained | None = None
    report: dict[str, Any] = field(default_factory=dict)


def search(plan: Plan, spec: EnvSpec, model: JudgeSettings, folder: Path, say: Callable[[str], None]) -> SearchResult:
    """Search for a reward in ``folder``; a search that was interrupted there goes on.

    Args:
        say: is given every line of progress.

    Raises:
        ConfigError: if the folder has another search, or a run is refused.
        TrainingFailed: if the model cannot be reached, wrote no valid reward, or a run failed.
        Stopped: when a run was asked to stop.
    """
    found = SearchResult(measure_of(spec))
    folder.mkdir(parents=True, exist_ok=True)
    _keep_settings(folder, plan, model)
    writer = Writer(model, spec, folder)
    first = first_question(model.task or "", spec)
    question, failed = first, list[str]()
    try:
        for number in range(1, plan.iterations + 1):
            say(f"Iteration {number} of {plan.iterations}: {model.model} writes {plan.candidates} rewards ...")
            numbers = range((number - 1) * plan.candidates, number * plan.candidates)
            written = [writer.write(question, sample) for sample in numbers]
            failed = [one.error for one in written if one.error is not None]
            texts = list(dict.fromkeys(one.text for one in written if one.text is not None))
            tried = _trained_together(plan, texts, folder / f"iteration_{number}", found.measure) if texts else []
            found.iterations.append(_record(written, tried))
            for line in _told(written, tried, found.measure):
                say(line)
            found.best = _fittest([*([] if found.best is None else [found.best]), *tried])
            _write(folder, found)
            if found.best is not None:
                question = next_question(first, found.best, failed, MEASURES[found.measure])
    finally:
        writer.close()
    if found.best is None:
        raise TrainingFailed(
            f"{model.model} wrote no valid reward in {plan.candidates * plan.iterations} replies, which are in "
            f"{folder}; the last was refused: {failed[-1]}"
        )
    found.report = _reported(plan, found, folder)
    _write(folder, found)
    return found


def _trained_together(plan: Plan, texts: Sequence[str], folder: Path, measure: str) -> list[Trained]:
    """Train a policy with each reward, all as seeds of one run."""
    warned = _linted(plan, texts, folder)
    run = _run(plan, texts, folder, plan.seed, len(texts), f"the training of {folder.name}")
    return [trained(text, run, index, measure, warned[index]) for index, text in enumerate(texts)]


def _linted(plan: Plan, texts: Sequence[str], folder: Path) -> list[list[str]]:
    """Return what the lint says about each reward, before anything is trained."""
    path = folder / "lint.json"
    if not path.is_file():
        given = [*plan.overrides, *_rewards(texts, folder), f"num_seeds={len(texts)}"]
        child_command("lint", [*given, "--out", str(path)], f"the lint of {folder.name}")
    return [[warning["message"] for warning in one["warnings"]] for one in json.loads(read_text(path))]


def _run(plan: Plan, texts: Sequence[str], folder: Path, seed: int, num_seeds: int, name: str) -> RunFiles:
    run_dir = folder / "run"
    if not (run_dir / "DONE").exists():
        seeds = [f"seed={seed}", f"num_seeds={num_seeds}", f"hydra.run.dir={run_dir}"]
        child_run([*plan.overrides, *_rewards(texts, folder), *seeds], name)
    return read_run(run_dir)


def _rewards(texts: Sequence[str], folder: Path) -> list[str]:
    """Write the rewards into ``folder``, and return the overrides of a run with them."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"candidate_{number}.txt" for number in range(1, len(texts) + 1)]
    for file, text in zip(files, texts, strict=True):
        write_whole(file, text)
    paths = [json.dumps(str(file.absolute())) for file in files]
    given = f"[{','.join(paths)}]" if len(paths) > 1 else paths[0]
    return ["reward=written", f"reward.file={given}"]


def _reported(plan: Plan, found: SearchResult, folder: Path) -> dict[str, Any]:
    """Train policies with the fittest reward on seeds that selected nothing, and return what they reach."""
    assert found.best is not None
    if plan.report_seeds == 0:
        return {}
    own = (
        folder / f"report_{hashlib.sha256(found.best.text.encode()).hexdigest()[:8]}"
    )  # a longer search may find another
    run = _run(plan, [found.best.text], own, REPORTED_FROM, plan.report_seeds, "the training of the result")
    each = [trained(found.best.text, run, index, found.measure) for index in range(run.num_seeds)]
    return {
        "seeds": run.seeds,
        "fitness": [one.fitness for one in each],
        "exploited": [one.alarm is not None for one in each],
    }


def _fittest(tried: Sequence[Trained]) -> Trained | None:
    """Return the fittest; of equal ones the first."""
    return max(tried, key=lambda one: one.fitness, default=None)


def _record(written: Sequence[Candidate], tried: Sequence[Trained]) -> dict[str, Any]:
    return {"replies": [asdict(one) for one in written], "trained": [asdict(one) for one in tried]}


def _told(written: Sequence[Candidate], tried: Sequence[Trained], measure: str) -> list[str]:
    lines = [f"  refused: {one.error}" for one in written if one.error is not None]
    for number, one in enumerate(tried, 1):
        fitness = "no evaluation" if math.isinf(one.fitness) else digits(one.fitness)
        exploited = "" if one.alarm is None else "  EXPLOITED"
        exploited += "  WARNED OF" if one.warnings else ""
        lines.append(f"  candidate {number}: {measure} {fitness}{exploited}  {'; '.join(one.text.splitlines())}")
    return lines


def _keep_settings(folder: Path, plan: Plan, model: JudgeSettings) -> None:
    """Write what the search is about or, if there is one, check that it is the same; it may get longer."""
    told = asdict(plan) | {key: getattr(model, key) for key in ("model", "base_url", "task", "parameters")}
    told = json.loads(json.dumps(told))
    path = folder / SETTINGS
    stored = read_json(path) if path.is_file() else told
    require(isinstance(stored, dict), f"{path} is not the settings of a search; choose another --folder.")
    for key, value in told.items():
        require(
            key in LONGER or stored.get(key) == value,
            f"{folder} has a search with another value of {key}; choose another --folder, or give the command as it "
            "was.",
        )
    write_whole(path, json.dumps(told, indent=1) + "\n")


def _write(folder: Path, found: SearchResult) -> None:
    if found.best is not None:
        write_whole(folder / BEST, found.best.text)
    write_whole(folder / RESULT, json.dumps(strict(asdict(found)), indent=1, allow_nan=False) + "\n")

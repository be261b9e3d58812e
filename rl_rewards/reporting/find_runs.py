"""Finds the runs of a report from its arguments: run folders, globs, a study or a sweep."""

import glob
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rl_rewards.core.errors import ConfigError
from rl_rewards.reporting.run_files import RunFiles, read_run

_OF_A_RUN = ("config.yaml", "run.json", "spec.json", "metrics.jsonl", "FAILED.json")


@dataclass(frozen=True)
class StudyFiles:
    """What a study wrote about its arms."""

    path: Path
    verdict: Mapping[str, Any]  # verdict.json; empty while the study has none
    picture: Path | None  # verdict.png


@dataclass
class FoundRuns:
    """The runs that the arguments name, in their order and without repetition."""

    runs: list[RunFiles] = field(default_factory=list)
    studies: list[StudyFiles] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # one sentence per unreadable run: which folder, and why
    asked: list[Path] = field(default_factory=list)  # the folders that the arguments name


def single_run(arguments: Sequence[str]) -> Path | None:
    """Return the run folder if the arguments name exactly one run and nothing else, else None."""
    folders = {path.resolve(): path for argument in arguments for path in expand(argument)}
    if len(folders) != 1:
        return None
    (path,) = folders.values()
    return path if is_run(path) or not (_is_study(path) or _runs_below(path)) else None


def find_runs(arguments: Sequence[str]) -> FoundRuns:
    """Read every run that ``arguments`` name.

    A run below a folder or matched by a glob that cannot be read is skipped and listed in ``left_out``.

    Raises:
        ConfigError: if an argument matches nothing or names no run, a named run cannot be read, or no run is left.
    """
    found, seen = FoundRuns(), set()
    for argument in arguments:
        named = Path(argument).is_dir()
        for path in expand(argument):
            _add(found, path, named, seen)
    if not found.runs and not found.studies:
        reason = found.left_out[0] if found.left_out else "No run folder is among the matches."
        raise ConfigError(f"No run in {' '.join(arguments)} can be reported. {reason}")
    return found


def home_of(found: FoundRuns) -> Path:
    """Return the folder for a page of all ``found`` runs: the lowest one that holds all folders that were asked for.

    Raises:
        ConfigError: if that is a run folder, whose own report would be replaced.
    """
    folders = [path.resolve() for path in found.asked]
    home = folders[0]
    while not all(folder.is_relative_to(home) for folder in folders):
        home = home.parent
    if is_run(home):
        raise ConfigError(f"A report of several runs would replace the report of the run in {home}; add --out FILE.")
    return home


def expand(argument: str) -> list[Path]:
    """Return the folders that an argument names: itself, or those that match it as a glob.

    Raises:
        ConfigError: if there is none.
    """
    path = Path(argument)
    if path.is_dir():
        return [path]
    if not glob.has_magic(argument):
        raise ConfigError(f"{path} is not a folder; name a run folder, which holds metrics.jsonl.")
    folders = [Path(match) for match in sorted(glob.glob(argument, recursive=True)) if Path(match).is_dir()]
    if not folders:
        raise ConfigError(f"{argument} matches no folder.")
    return folders


def _add(found: FoundRuns, path: Path, named: bool, seen: set[Path]) -> None:
    if is_run(path):
        added = _add_run(found, path, named, seen)
    elif _is_study(path):
        study = _add_study(found, path)
        for arm in _arms_of(study):
            _add_run(found, arm, False, seen)
        added = True
    elif runs := _runs_below(path):
        added = sum(_add_run(found, run, False, seen) for run in runs) > 0
    elif named:
        raise ConfigError(
            f"{path} is not the folder of a run, a study or a sweep: a run folder holds {', '.join(_OF_A_RUN[:4])}."
        )
    else:
        added = False  # a glob may match anything
    if added:
        found.asked.append(path)


def _add_run(found: FoundRuns, path: Path, named: bool, seen: set[Path]) -> bool:
    if path.resolve() in seen:
        return False
    seen.add(path.resolve())
    try:
        found.runs.append(read_run(path, evaluations=1))
    except ConfigError as error:
        if named:
            raise
        found.left_out.append(_why_left_out(path, error))
        return False
    if path.parent.name == "arms" and _is_study(study := path.parent.parent):
        _add_study(found, study)
    return True


def _why_left_out(path: Path, error: ConfigError) -> str:
    try:
        failed = json.loads((path / "FAILED.json").read_text(encoding="utf-8"))["error"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"Left out: {error}"
    return f"Left out: the run in {path} failed before there was anything to report: {failed}"


def _arms_of(study: StudyFiles) -> list[Path]:
    """Return the study's arms in the order of its verdict, if it has one."""
    order = list(study.verdict.get("arms", {}))
    folders = _runs_below(study.path / "arms")
    return sorted(folders, key=lambda arm: order.index(arm.name) if arm.name in order else len(order))


def _add_study(found: FoundRuns, path: Path) -> StudyFiles:
    for study in found.studies:
        if study.path.resolve() == path.resolve():
            return study
    verdict: dict[str, Any] = {}
    if (path / "verdict.json").is_file():
        try:
            verdict = json.loads((path / "verdict.json").read_text(encoding="utf-8"))
            complete = isinstance(verdict["verdicts"], list)
        except (OSError, ValueError, KeyError, TypeError):
            complete = False
        if not complete:
            raise ConfigError(
                f"{path / 'verdict.json'} cannot be read by this version: it must have a list 'verdicts'."
            )
    picture = path / "verdict.png"
    added = StudyFiles(path, verdict, picture if picture.is_file() else None)
    found.studies.append(added)
    return added


def is_run(path: Path) -> bool:
    """Return True for a folder with a file of a run."""
    return any((path / name).is_file() for name in _OF_A_RUN)


def _is_study(path: Path) -> bool:
    return (path / "verdict.json").is_file() or bool(_runs_below(path / "arms"))


def _runs_below(path: Path) -> list[Path]:
    """Return the run folders in ``path``, without hidden folders: Hydra's own folder has a config.yaml too."""
    if not path.is_dir():
        return []
    return sorted(child for child in path.iterdir() if child.is_dir() and child.name[0] != "." and is_run(child))

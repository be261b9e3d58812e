"""Reads the facts about a run that ``python -m rl_rewards.runs`` lists; of damaged folders, those that can be read."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from rl_rewards.command_line.run_dir import GROUPS
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import is_held, read_json
from rl_rewards.loop.run_folder import LOCK
from rl_rewards.reporting.find_runs import expand, is_run
from rl_rewards.reporting.outcome import outcomes
from rl_rewards.reporting.run_files import RunFiles, read_run

RunStatus = Literal["finished", "running", "interrupted", "failed"]
STATUSES: tuple[RunStatus, ...] = ("finished", "running", "interrupted", "failed")
NOT_SHOWN = (*GROUPS, "video", "report", "resume", "study", "trust")
NONE_OF = ("hydra", "logger", "placement")
"""Keys, and sections of keys, that are shown in other columns, or do not change what a run learns."""


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """One line of the list. None stands for what is not known."""

    path: Path
    status: RunStatus
    env: str | None = None
    reward: str | None = None
    algorithm: str | None = None
    overrides: tuple[str, ...] = ()  # further overrides of its command
    seeds: tuple[int, ...] = ()
    measure: str | None = None  # success or true_return: what the next two are, as means over seeds
    last: float | None = None
    best: float | None = None
    steps: int | None = None
    steps_name: str = "env steps"
    started: datetime | None = None
    size: int = 0  # bytes of all files
    problem: str | None = None  # why a part of it cannot be read

    def record(self) -> dict[str, Any]:
        """Return the line as values of JSON."""
        started = None if self.started is None else self.started.isoformat()
        return asdict(self) | {"path": str(self.path), "started": started}


def run_folders(arguments: Sequence[str]) -> list[Path]:
    """Return the folders of all runs at any depth below the folders that ``arguments``, paths or globs, name.

    Raises:
        ConfigError: if an argument names no folder.
    """
    found = [path for argument in arguments for folder in expand(argument) for path in _below(folder)]
    return list({path.resolve(): path for path in found}.values())


def _below(folder: Path) -> Iterator[Path]:
    if is_run(folder):
        yield folder
        return
    with suppress(PermissionError):
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
                yield from _below(child)


def listed(path: Path) -> ListedRun:
    """Return what is known about the run in ``path``."""
    found: dict[str, Any] = {"path": path, "status": status_of(path), "size": _size(path)}
    record: Mapping[str, Any] = {}
    with suppress(ConfigError):
        record = read_json(path / "run.json")
        found |= {group: record.get(f"{group}_choice") for group in GROUPS}
    try:
        run = read_run(path, evaluations=0)
    except ConfigError as error:
        return ListedRun(**found, **_from_record(record), problem=str(error))
    found |= dict(zip(("env", "reward", "algorithm"), run.choices, strict=True))
    return ListedRun(**found, **_from_record(record), **_from_rows(run))


def status_of(path: Path) -> RunStatus:
    """Return the status of the run in ``path``."""
    if is_held(path / LOCK):
        return "running"
    if (path / "FAILED.json").is_file():
        return "failed"
    return "finished" if (path / "DONE").is_file() else "interrupted"


def _from_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what run.json says about the command and its time."""
    found: dict[str, Any] = {}
    with suppress(ValueError):  # quotes that do not end
        words = shlex.split(str(record.get("command", "")))
        found["overrides"] = tuple(one for one in words if "=" in one and not _is_elsewhere(one.partition("=")[0]))
    with suppress(ValueError):
        found["started"] = datetime.fromisoformat(str(record.get("started"))).astimezone(UTC)
    return found


def _is_elsewhere(key: str) -> bool:
    key = key.lstrip("+~")
    return key in NOT_SHOWN or key.partition("/")[0].partition(".")[0] in NONE_OF


def _from_rows(run: RunFiles) -> dict[str, Any]:
    found: dict[str, Any] = {"seeds": tuple(run.seeds), "steps": run.env_steps, "steps_name": run.steps_name}
    if run.steps_name == "gradient steps" and run.rows:
        found["steps"] = int(run.rows[-1].get("gradient_steps") or 0)
    if told := outcomes(run.rows):
        found["measure"] = told[0].measure
        found["last"] = sum(one.last for one in told) / len(told)
        found["best"] = sum(one.best for one in told) / len(told)
    return found


def _size(path: Path) -> int:
    """Return the bytes of all files; those that vanish meanwhile count nothing."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total

"""Chooses among the listed runs by status, configuration and age, and sorts them."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import yaml

from rl_rewards.command_line.listing.listed import STATUSES, ListedRun
from rl_rewards.command_line.run_dir import GROUPS
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_text
from rl_rewards.loop.run_folder import CONFIG

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
ORDERS: dict[str, Callable[[ListedRun], Any]] = {
    "age": lambda run: _high_first(None if run.started is None else run.started.timestamp()),
    "name": lambda run: str(run.path),
    "status": lambda run: STATUSES.index(run.status),
    "success": lambda run: _high_first(run.last),
    "best": lambda run: _high_first(run.best),
    "steps": lambda run: _high_first(run.steps),
    "size": lambda run: -run.size,
}
"""The orders of the list: the newest, the best and the largest runs come first."""
_ABSENT = object()


def _high_first(value: float | None) -> float:
    return float("inf") if value is None else -value


def with_options(
    runs: Sequence[ListedRun],
    status: str | None,
    where: Sequence[str],
    since: str | None,
    before: str | None,
    now: datetime,
) -> list[ListedRun]:
    """Return the runs that all options of the command line choose; None chooses every run.

    Raises:
        ConfigError: for an option that is not valid.
    """
    found = list(runs) if status is None else with_status(runs, status)
    for condition in where:
        found = with_value(found, condition)
    if since is not None:
        first = moment("--since", since, now)
        found = [run for run in found if run.started is not None and run.started >= first]
    if before is not None:
        last = moment("--before", before, now)
        found = [run for run in found if run.started is not None and run.started < last]
    return found


def sort(runs: Sequence[ListedRun], order: str, reverse: bool) -> list[ListedRun]:
    """Return the runs in one of ``ORDERS``, or the other way round."""
    return sorted(runs, key=ORDERS[order], reverse=reverse)


def moment(flag: str, text: str, now: datetime) -> datetime:
    """Return the time that a person means by ``3d`` (days ago; also m, h and w) or by a date such as 2026-11-21.

    Raises:
        ConfigError: for any other text; the message begins with ``flag``.
    """
    if (match := re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text)) is not None:
        return now - timedelta(**{UNITS[match[2]]: float(match[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise ConfigError(
            f"{flag} {text} is not a time; write 30m, 12h, 3d or 2w for so long ago, or a date such as 2026-11-21."
        ) from None


def with_status(runs: Sequence[ListedRun], text: str) -> list[ListedRun]:
    """Return the runs with one of the statuses in ``text``, which are separated by commas.

    Raises:
        ConfigError: for another status.
    """
    wanted = text.split(",")
    unknown = [one for one in wanted if one not in STATUSES]
    require(not unknown, f"--status {','.join(unknown)} is not valid; choose from {', '.join(STATUSES)}.")
    return [run for run in runs if run.status in wanted]


def with_value(runs: Sequence[ListedRun], condition: str) -> list[ListedRun]:
    """Return the runs that meet ``KEY=VALUE``: a choice of env, reward or algorithm, or a key of the configuration.

    ``VALUE`` may be a glob, such as ``*classifier``.

    Raises:
        ConfigError: if it is not of this form, or no run has the key.
    """
    key, equals, value = condition.partition("=")
    require(bool(equals and key), f"--where {condition} must be KEY=VALUE, such as reward=gail or algorithm.clip=0.2.")
    found = [(run, _value(run, key)) for run in runs]
    require(
        not runs or any(one is not _ABSENT for _, one in found),
        f"--where {condition}: no run has the key {key}; it must be env, reward, algorithm or a key such as seed.",
    )
    return [run for run, one in found if one is not _ABSENT and _agrees(one, value)]


def _value(run: ListedRun, key: str) -> Any:
    if key in GROUPS:
        return getattr(run, key) or _ABSENT
    try:
        node: Any = yaml.safe_load(read_text(run.path / CONFIG))
    except (ConfigError, yaml.YAMLError):
        return _ABSENT
    for name in key.split("."):
        if not isinstance(node, dict) or name not in node:
            return _ABSENT
        node = node[name]
    return node


def _agrees(value: Any, wanted: str) -> bool:
    if isinstance(value, str) and fnmatchcase(value, wanted):
        return True
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value == float(wanted)
        return bool(value == yaml.safe_load(wanted))
    except (ValueError, yaml.YAMLError):
        return False

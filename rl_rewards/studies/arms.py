"""Resolves the arms of a study to their overrides, and finds the folder of each."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rl_rewards.command_line.compose import composed
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

EXTENDS = "extends"
REFERENCE = re.compile(r"(?<=[=:,\[])@(\w+)")
"""The value ``@NAME`` of an override stands for the folder of the arm NAME."""
NOT_LEARNED_FROM = ("study", "study_name", "arms", "sizes", "size", "shared", "logger", "placement", "report", "video")
"""Keys of a configuration that do not change what a run learns and measures."""


def resolved_arms(arms: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the overrides of every arm that is run, by name, in the configuration's order.

    An arm is a list of overrides. ``extends: NAME`` among them, or ``extends: [NAME, NAME]``, stands for the overrides
    of those arms. Of several values of a key the last one counts, and the others are left out: an arm does not need an
    arm that only a replaced value refers to. An arm whose name begins with ``_`` is not run; others extend it.

    Raises:
        ConfigError: for an arm that is not such a list, extends an arm that does not exist, or extends itself.
    """
    return {name: _last_of_each(_overrides(name, arms, ())) for name in arms if not name.startswith("_")}


def _last_of_each(overrides: Sequence[str]) -> list[str]:
    """Return the overrides without those whose key has another value later; additions and deletions all stay."""
    keys = [one if one.startswith(("+", "~")) else one.partition("=")[0] for one in overrides]
    return [one for i, one in enumerate(overrides) if keys[i] not in keys[i + 1 :]]


def _overrides(name: str, arms: Mapping[str, Any], below: tuple[str, ...]) -> list[str]:
    """Return the overrides of the arm ``name``; ``below`` are the arms that led to it by extending each other."""
    if name in below:
        raise ConfigError(f"The arm {name} extends itself: {' -> '.join([*below, name])}.")
    if name not in arms:
        raise ConfigError(f"The arm {below[-1]} extends {name}, which is not an arm; there are {', '.join(arms)}.")
    items = arms[name]
    require(items != "???", f"arms.{name} has no value; this study needs its overrides.")
    require(isinstance(items, list), f"arms.{name}={items} is not valid; an arm is a list of overrides.")
    found: list[str] = []
    for item in items:
        if isinstance(item, dict) and list(item) == [EXTENDS]:
            others = item[EXTENDS] if isinstance(item[EXTENDS], list) else [item[EXTENDS]]
            found += [one for other in others for one in _overrides(str(other), arms, (*below, name))]
        elif isinstance(item, str):
            found.append(item)
        else:
            raise ConfigError(f"The arm {name} holds {item}, which is neither KEY=VALUE nor {EXTENDS}: NAME.")
    return found


def require_arms(shared: Sequence[str], arms: Mapping[str, Any]) -> None:
    """Refuse a name in ``shared`` that is not an arm, and a shared arm that needs one that is not shared.

    Raises:
        ConfigError: as described.
    """
    for name in shared:
        require(name in arms, f"shared names {name}, which is not an arm; there are {', '.join(arms)}.")
        for needed in REFERENCE.findall(" ".join(arms[name])):
            told = f"The shared arm {name} needs {needed}, which is not shared; add it to shared too."
            require(needed in shared, told)


def with_folders(name: str, overrides: Sequence[str], folders: Mapping[str, Path | str]) -> list[str]:
    """Return the overrides of the arm ``name`` with the folders of the arms that they refer to.

    Args:
        folders: of the arms that run before it, by name.

    Raises:
        ConfigError: for a reference to an arm that is not among them.
    """

    def folder(reference: re.Match[str]) -> str:
        needed = reference[1]
        require(
            needed in folders,
            f"The arm {name} needs the arm {needed}, which does not run before it; earlier arms are "
            f"{', '.join(folders) or 'none'}.",
        )
        return str(folders[needed])

    return [REFERENCE.sub(folder, override) for override in overrides]


def stage_name(name: str, overrides: Sequence[str]) -> str:
    """Return the name of a shared arm's folder, which ends in a hash of the configuration that the overrides compose.

    Args:
        overrides: all of the arm's, with the names of shared folders for the arms that it needs.
    """
    config = composed(overrides)
    config = {key: value for key, value in config.items() if key not in NOT_LEARNED_FROM}
    text = json.dumps(config, sort_keys=True, default=str)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"

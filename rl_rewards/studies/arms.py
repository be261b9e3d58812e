"""Resolves the arms of a study to their overrides."""

from collections.abc import Mapping
from typing import Any

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

EXTENDS = "extends"


def resolved_arms(arms: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the overrides of every arm that is run, by name, in the configuration's order.

    An arm is a list of overrides. ``extends: NAME`` among them, or ``extends: [NAME, NAME]``, stands for the overrides
    of those arms. An arm whose name begins with ``_`` is not run; others extend it.

    Raises:
        ConfigError: for an arm that is not such a list, extends an arm that does not exist, or extends itself.
    """
    return {name: _overrides(name, arms, ()) for name in arms if not name.startswith("_")}


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

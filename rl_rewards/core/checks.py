"""Checks of the user's values; each error is one sentence with the key, the value and what would be right."""

import types
from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rl_rewards.core.errors import ConfigError


def require(condition: bool, message: str) -> None:
    """Raise ConfigError with ``message`` unless ``condition``."""
    if not condition:
        raise ConfigError(message)


def require_known(given: Any, known: Sequence[str], fault: str) -> None:
    """Raise ConfigError unless ``given`` is one of ``known``; the message names the one that was probably meant.

    Args:
        fault: the beginning of the message, such as "sampler=tpee does not exist".
    """
    near = get_close_matches(str(given), known, 1, 0.5)
    instead = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(known)}."
    require(given in known, f"{fault}; {instead}")


def check_share(name: str, value: float) -> None:
    """Check that the value of the key ``name`` lies in [0, 1].

    Raises:
        ConfigError: if it does not.
    """
    require(0.0 <= value <= 1.0, f"{name}={value} is a fraction; it must lie in [0, 1].")


def check_fields(settings: Any, group: str) -> None:
    """Check a dataclass's plain fields (numbers, strings, choices, lists of numbers) against their annotations.

    Args:
        group: the config group, used in the message: "algorithm" gives "algorithm.clip"; "" is the top level.

    Raises:
        ConfigError: for the first field whose value does not match its annotation.
    """
    hints = get_type_hints(type(settings))
    for field in fields(settings):
        if not field.kw_only or not field.init:
            continue
        value = getattr(settings, field.name)
        if not _fits(value, hints[field.name]):
            key = f"{group}.{field.name}".lstrip(".")
            raise ConfigError(f"{key}={value} is not valid; it must be {_words(hints[field.name])}.")


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(part, get_args(hint)[0]) for part in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (bool, str, type(None)):
        return isinstance(value, hint)
    return True  # an object that is checked by its own constructor


def _words(hint: Any) -> str:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(part) for part in get_args(hint))
    if origin is Literal:
        return " or ".join(map(str, get_args(hint)))
    if origin is tuple:
        return f"a list, each entry {_words(get_args(hint)[0])}"
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "a text", type(None): "null"}
    return names.get(hint, str(hint))

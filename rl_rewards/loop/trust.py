"""Whose code a configuration that was read from a folder may run: rl_rewards' own parts, and what the user names.

A configuration names classes by ``_target_``, and any importable function could stand there. What a user composes on
the command line is theirs; what is read from a run's folder may be someone else's.
"""

import pkgutil
import re
from collections.abc import Iterator, Sequence
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

OWN = tuple(f"rl_rewards.{folder}" for folder in ("algorithms", "envs", "games", "labelers", "models", "rewards"))
"""Packages of parts. Others have functions that start processes and write files."""
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def trusted_packages(given: Any) -> tuple[str, ...]:
    """The packages that ``trust=`` names: nothing, one, or a list of them.

    Raises:
        ConfigError: when they are no names of packages.
    """
    if isinstance(given, str) and given.startswith("["):
        given = given.strip("[]").split(",")
    if given in (None, "", "null"):
        return ()
    names = given if isinstance(given, list | tuple | ListConfig) else [given]
    names = [name.strip() if isinstance(name, str) else name for name in names]
    for name in names:
        known = isinstance(name, str) and NAME.fullmatch(name)
        require(bool(known), f"trust={name} is not valid; it must be the name of a package, or a list of them.")
    return tuple(names)


def take_trust(overrides: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The packages that ``trust=`` names among the overrides of a command line, and the other overrides.

    Raises:
        ConfigError: as :func:`trusted_packages`.
    """
    named = [one.partition("=")[2] for one in overrides if one.startswith("trust=")]
    return trusted_packages(named[-1] if named else None), [one for one in overrides if not one.startswith("trust=")]


def check_targets(config: DictConfig, built: Sequence[str], trust: Sequence[str], where: str) -> None:
    """Refuse ``config`` unless every class that its keys ``built`` name, however deep, is a trusted one.

    Nothing of an untrusted package is imported to find that out.

    Args:
        where: the file that it was read from, for the message.

    Raises:
        ConfigError: at the first class that is not trusted; it tells how to trust it.
    """
    plain: Any = OmegaConf.to_container(config, resolve=False)
    for place, node in [found for key in built for found in _nodes(plain.get(key), key)]:
        target = node.get("_target_")
        if target is not None:
            told = f"{where}: {place}._target_={target}"
            require(isinstance(target, str) and bool(NAME.fullmatch(target)), f"{told} is not the name of a class.")
            _check_target(target, trust, told)
        module, colon, _ = str(node.get("id", "")).partition(":")  # Gymnasium imports the module of module:Id
        require(
            not colon or _is_in(module, trust),
            f"{where}: {place}.id={node.get('id')} would import {module}; {_how(module)}.",
        )


def trusted_class(target: Any, trust: Sequence[str]) -> Any:
    """What a ``_target_`` names, if it is of this package or of a trusted one and can be imported; else None."""
    if not isinstance(target, str) or not _is_in(target, ("rl_rewards", *trust)):
        return None
    try:
        return pkgutil.resolve_name(target)
    except Exception:  # whatever goes wrong where the module is imported
        return None


def _check_target(target: str, trust: Sequence[str], told: str) -> None:
    own = _is_in(target, ("rl_rewards",))
    require(
        own or _is_in(target, trust), f"{told} is no class of rl_rewards, and making it runs its code; {_how(target)}."
    )
    try:
        found = pkgutil.resolve_name(target)
    except Exception as error:  # whatever goes wrong where the module is imported
        raise ConfigError(f"{told} cannot be imported: {error}.") from None
    home = found.__module__ if isinstance(found, type | FunctionType) else ""
    part = isinstance(found, type) and is_dataclass(found) and _is_in(home, OWN)
    named = _is_in(home, trust)
    require(
        named or (own and part),
        f"{told} is no part of a run" + ("." if own else f" that is defined in {', '.join(trust)}."),
    )


def _how(target: str) -> str:
    return f"if you trust that, name its package: trust={target.partition('.')[0]}"


def _nodes(node: Any, place: str) -> Iterator[tuple[str, dict]]:
    """Every mapping at and below ``node``, with its key."""
    if isinstance(node, dict):
        yield place, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, one in items:
        yield from _nodes(one, f"{place}.{key}")


def _is_in(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)

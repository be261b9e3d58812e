"""Whose code a configuration that was read from a folder may run, and who may be sent the user's keys.

A configuration names classes by ``_target_``, and any importable function could stand there; it names an environment
variable and the endpoint that is sent its value, and any of both could stand there. What a user composes on the command
line is theirs; what is read from a run's folder may be someone else's: only rl_rewards' own parts are made, and only
OpenAI's key is sent to OpenAI, unless the user names the package or the host.
"""

import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

OWN = tuple(f"rl_rewards.{folder}" for folder in ("algorithms", "envs", "games", "labelers", "models", "rewards"))
"""Packages of parts. Others have functions that start processes and write files."""
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:\d+)?")
"""A host, with its port where an address names one; every name of a package reads as one, too."""
ENDPOINT = re.compile(rf"https?://({HOST.pattern})(/[\w./-]*)?")
"""An address without anything that two programs could read differently."""
EMBEDDED = "embedded"
"""In the place of an address: a model in this process, which is sent no key."""
OPENAI = ("OPENAI_API_KEY", "https://api.openai.com/v1")
"""The key and the endpoint of configs/labeler/ai_judge.yaml, which belong together."""


def trusted_packages(given: Any) -> tuple[str, ...]:
    """The packages and hosts that ``trust=`` names: nothing, one, or a list of them.

    Raises:
        ConfigError: when they are no such names.
    """
    if isinstance(given, str) and given.startswith("["):
        given = given.strip("[]").split(",")
    if given in (None, "", "null"):
        return ()
    names = given if isinstance(given, list | tuple) else [given]
    names = [name.strip() if isinstance(name, str) else name for name in names]
    for name in names:
        known = isinstance(name, str) and HOST.fullmatch(name)
        require(
            bool(known), f"trust={name} is not valid; it must be the name of a package or a host, or a list of them."
        )
    return tuple(names)


def take_trust(overrides: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The packages that ``trust=`` names among the overrides of a command line, and the other overrides.

    Raises:
        ConfigError: as :func:`trusted_packages`.
    """
    named = [one.partition("=")[2] for one in overrides if one.startswith("trust=")]
    return trusted_packages(named[-1] if named else None), [one for one in overrides if not one.startswith("trust=")]


def check_targets(config: Mapping[str, Any], built: Sequence[str], trust: Sequence[str], where: str) -> None:
    """Refuse ``config`` unless its keys ``built``, however deep, name trusted classes and endpoints alone.

    Nothing of an untrusted package is imported to find that out.

    Args:
        where: the file that it was read from, for the message.

    Raises:
        ConfigError: at the first class or endpoint that is not trusted; it tells how to trust it.
    """
    for place, node in [found for key in built for found in _nodes(config.get(key), key)]:
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
        if node.get("key_variable") is not None and node.get("base_url") != EMBEDDED:
            _check_endpoint(node, trust, f"{where}: {place}")


def _check_endpoint(node: dict, trust: Sequence[str], place: str) -> None:
    """Refuse a judge that would send an environment variable to a host that is not trusted: it can hold any secret."""
    variable, address = node["key_variable"], str(node.get("base_url"))
    found = ENDPOINT.fullmatch(address)
    host = found[1] if found else ""
    way = f"if you trust that, name its host: trust={host}" if host else "that is no plain address of an endpoint"
    require(
        (variable, address) == OPENAI or (host != "" and host in trust),
        f"{place} would send the environment variable {variable} to {address}; {way}.",
    )


def trusted_class(target: Any, trust: Sequence[str]) -> Any:
    """Returns the class that a ``_target_`` names, or None if it is not trusted or cannot be imported."""
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

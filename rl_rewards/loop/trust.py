"""Restricts the code that a stored configuration may execute, and the hosts that it may send the user's keys to.

A configuration names classes with ``_target_``, which could be any importable function. It also names an environment
variable and the endpoint that receives its value, and both could be anything. A configuration from the command line is
the user's own, but one from a run folder may be another person's. From it, only rl_rewards' own parts are made, and
only OpenAI's key is sent to OpenAI, unless the user names the package or the host with ``trust=``.
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
"""Packages of parts. Other packages have functions that start processes and write files."""
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:\d+)?")
"""A host, perhaps with a port; every package name matches, too."""
ENDPOINT = re.compile(rf"https?://({HOST.pattern})(/[\w./-]*)?")
"""A plain address, without parts that two programs could interpret differently."""
EMBEDDED = "embedded"
"""The value of ``base_url`` for a model in this process, which receives no key."""
OPENAI = ("OPENAI_API_KEY", "https://api.openai.com/v1")
"""The key and the endpoint of configs/labeler/ai_judge.yaml, which are trusted as a pair."""


def trusted_packages(given: Any) -> tuple[str, ...]:
    """Return the packages and hosts in the value of ``trust``: nothing, one name, or a list of names.

    Raises:
        ConfigError: when a name is not valid.
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
    """Split the overrides of a command line into the names that ``trust=`` gives and the other overrides.

    Raises:
        ConfigError: as :func:`trusted_packages`.
    """
    named = [one.partition("=")[2] for one in overrides if one.startswith("trust=")]
    return trusted_packages(named[-1] if named else None), [one for one in overrides if not one.startswith("trust=")]


def named_packages(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the packages, other than rl_rewards, of the classes that a configuration names."""
    targets = [str(node["_target_"]) for _, node in _nodes(config, "") if node.get("_target_") is not None]
    packages = dict.fromkeys(target.partition(".")[0] for target in targets)
    return tuple(name for name in packages if name != "rl_rewards")


def check_targets(config: Mapping[str, Any], built: Sequence[str], trust: Sequence[str], where: str) -> None:
    """Check that the parts ``built`` of ``config``, however deep, name only trusted classes and endpoints.

    No untrusted package is imported for this check.

    Args:
        where: the file that it was read from, for the message.

    Raises:
        ConfigError: for the first class or endpoint that is not trusted; the message says how to trust it.
    """
    for place, node in [found for key in built for found in _nodes(config.get(key), key)]:
        target = node.get("_target_")
        if target is not None:
            named = f"{where}: {place}._target_={target}"
            require(isinstance(target, str) and bool(NAME.fullmatch(target)), f"{named} is not the name of a class.")
            _check_target(target, trust, named)
        module, colon, _ = str(node.get("id", "")).partition(":")  # Gymnasium imports the module in module:Id
        require(
            not colon or _is_in(module, trust),
            f"{where}: {place}.id={node.get('id')} would import {module}; {_how(module)}.",
        )
        if node.get("key_variable") is not None and node.get("base_url") != EMBEDDED:
            _check_endpoint(node, trust, f"{where}: {place}")
        store = str(node.get("store"))
        if "token_file" in node and "://" in store:
            found = ENDPOINT.fullmatch(store)
            require(
                found is not None and found[1] in trust,
                f"{where}: {place} would send the token of a label store to {store}; "
                + (f"if you trust that, name its host: trust={found[1]}." if found else "that is not a plain address."),
            )


def _check_endpoint(node: dict, trust: Sequence[str], place: str) -> None:
    """Refuse a judge that would send an environment variable, which may be any secret, to an untrusted host."""
    variable, address = node["key_variable"], str(node.get("base_url"))
    found = ENDPOINT.fullmatch(address)
    host = found[1] if found else ""
    way = f"if you trust that, name its host: trust={host}" if host else "that is not a plain address of an endpoint"
    require(
        (variable, address) == OPENAI or (host != "" and host in trust),
        f"{place} would send the environment variable {variable} to {address}; {way}.",
    )


def trusted_class(target: Any, trust: Sequence[str]) -> Any:
    """Return the class that a ``_target_`` names, or None if it is not trusted or cannot be imported."""
    if not isinstance(target, str) or not _is_in(target, ("rl_rewards", *trust)):
        return None
    try:
        return pkgutil.resolve_name(target)
    except Exception:  # any error while the module is imported
        return None


def _check_target(target: str, trust: Sequence[str], place: str) -> None:
    own = _is_in(target, ("rl_rewards",))
    require(
        own or _is_in(target, trust),
        f"{place} is not a class of rl_rewards, and using it executes its code; {_how(target)}.",
    )
    try:
        found = pkgutil.resolve_name(target)
    except Exception as error:  # any error while the module is imported
        raise ConfigError(f"{place} cannot be imported: {error}.") from None
    home = found.__module__ if isinstance(found, type | FunctionType) else ""
    part = isinstance(found, type) and is_dataclass(found) and _is_in(home, OWN)
    named = _is_in(home, trust)
    require(
        named or (own and part),
        f"{place} is not a part of a run" + ("." if own else f" that is defined in {', '.join(trust)}."),
    )


def _how(target: str) -> str:
    return f"if you trust that, name its package: trust={target.partition('.')[0]}"


def _nodes(node: Any, place: str) -> Iterator[tuple[str, dict]]:
    """Yield ``node`` and every mapping below it, with their keys."""
    if isinstance(node, dict):
        yield place, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, one in items:
        yield from _nodes(one, f"{place}.{key}")


def _is_in(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)

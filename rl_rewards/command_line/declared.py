"""Check the numbers of a configuration against the ranges that the YAMLs' comments declare. Light to import.

A range belongs to a class and one of its keys. It is declared by the YAML that names the class in ``_target_``, or by
``config.yaml`` for the run itself, and applies wherever an object of that class is configured: alone, in a mixture, in
a study. A user's own class has the ranges that its YAML declares, and none if the YAML has no such comments.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.command_line.commented import Key, read_comments
from rl_rewards.command_line.ranges import Misfit, Range, bracketed, parse
from rl_rewards.core.errors import ConfigError

RUN = ""
"""Stands for the class of keys of the run itself, which config.yaml declares."""
GROUPS = ("env", "reward", "algorithm", "labeler", "logger", "placement")
"""The groups of config.yaml in which a run needs a choice."""
OF_THE_RUN = ("placement",)
"""The groups whose keys are those of the run itself, with numbers: their YAMLs name no class."""


class Declared(NamedTuple):
    """The declarations of one YAML, with those that it inherits from YAMLs of its group by its ``defaults``."""

    ranges: dict[Key, Range]  # by the keys that lead there
    classes: dict[Key, str]  # ``_target_`` by the keys that lead to it
    keys: list[Key]


class Number(NamedTuple):
    """A key of a configuration whose range is declared."""

    key: Key
    value: Any
    range: Range


def check_numbers(cfg: DictConfig, folders: Iterable[Path] = ()) -> None:
    """Refuse numbers outside their ranges, and turn whole floats into integers, in place.

    Args:
        folders: a user's own config folders.

    Raises:
        ConfigError: for the first number outside its range, or a missing key of config.yaml.
    """
    plain = _plain(cfg)
    _check_complete(plain)
    _fit(cfg, numbers(plain, folders))


def check_changed(cfg: DictConfig, overrides: Iterable[str]) -> None:
    """Check only the keys of a saved configuration that ``overrides`` change; an older one may lack other keys.

    Raises:
        ConfigError: for the first number outside its range.
    """
    changed = {override.partition("=")[0] for override in overrides}
    _fit(cfg, (number for number in numbers(_plain(cfg)) if ".".join(number.key) in changed))


def _fit(cfg: DictConfig, found: Iterable[Number]) -> None:
    for number in found:
        try:
            fitted = number.range.fitted(number.value)
        except Misfit as misfit:
            raise ConfigError(f"{'.'.join(number.key)}={misfit}") from None
        if repr(fitted) != repr(number.value):
            _put(cfg, number.key, fitted)


def numbers(plain: dict, folders: Iterable[Path] = ()) -> Iterator[Number]:
    """Yield every key with a range of a configuration in plain containers."""
    yield from _below(plain, (), ranges_of_classes(tuple(folders)), RUN, ())


def _below(node: dict, key: Key, declared: dict[tuple[str, Key], Range], owner: str, inside: Key) -> Iterator[Number]:
    """Yield the keys below ``node``, which is at ``key`` from the root and at ``inside`` from the object ``owner``."""
    if isinstance(node.get("_target_"), str):
        owner, inside = node["_target_"], ()
    for name, value in node.items():
        here, path = (*key, str(name)), (*inside, str(name))
        if (found := declared.get((owner, path))) is not None:
            yield Number(here, value, found)
        elif isinstance(value, dict):
            yield from _below(value, here, declared, owner, path)


@cache
def ranges_of_classes(folders: tuple[Path, ...] = ()) -> dict[tuple[str, Key], Range]:
    """Return (class, keys) -> range for all YAMLs; a user's own take precedence."""
    found: dict[tuple[str, Key], Range] = {}
    for folder in (*folders, CONFIGS):
        for path in sorted(folder.rglob("*.yaml")):
            said = read(path, folder)
            classes = {(): RUN} if path == CONFIGS / "config.yaml" else said.classes
            for key, one in said.ranges.items():
                for depth in range(len(key) - 1, -1, -1):
                    if key[:depth] in classes:
                        found.setdefault((classes[key[:depth]], key[depth:]), one)
                        break
                else:
                    if path.parent.name in OF_THE_RUN:
                        found.setdefault((RUN, (path.parent.name, *key)), one)
    return found


@cache
def read(path: Path, folder: Path) -> Declared:
    """Return the ranges, classes and keys of the YAML at ``path`` in the config folder ``folder``."""
    ranges: dict[Key, Range] = {}
    classes: dict[Key, str] = {}
    keys: list[Key] = []
    group = folder / path.relative_to(folder).parts[0]
    commented = read_comments(path)
    for default in commented.defaults:
        if not default.choice and default.name != "_self_":
            _take_over(default.name, group, folder, path, ranges, classes)
    for one in commented.keys:
        if one.key[-1] == "_target_":
            classes[one.key[:-1]] = one.value.strip("'\"")
            continue
        keys.append(one.key)
        text, _ = bracketed(one.comment)
        declared = None if text is None else parse(text)
        if declared is not None:
            ranges[one.key] = declared
    return Declared(ranges, classes, keys)


def _take_over(name: str, group: Path, folder: Path, path: Path, ranges: dict, classes: dict) -> None:
    """Add the declarations of a YAML of the same group, the user's or ours; other groups name their own classes."""
    for place in (folder, CONFIGS):
        base = place / f"{name[1:]}.yaml" if name.startswith("/") else place / group.name / f"{name}.yaml"
        if base.is_file() and base != path:
            said = read(base, place)
            ranges |= said.ranges
            classes |= said.classes
            return


def _check_complete(plain: dict) -> None:
    """Refuse a configuration that lacks a part or a key of config.yaml, for example after ``~seed``."""
    for group in GROUPS:
        if not isinstance(plain.get(group), dict):
            raise ConfigError(f"A run needs a choice of {group}; remove ~{group}. --help lists the choices.")
    for key in read(CONFIGS / "config.yaml", CONFIGS).keys:
        if key[0] == "hydra":
            continue
        node: Any = plain
        for depth, name in enumerate(key):
            if not isinstance(node, dict):
                above = ".".join(key[:depth])
                shown = "null" if node is None else node
                raise ConfigError(f"{above}={shown} is not valid; {above} must keep its keys, such as {'.'.join(key)}.")
            if name not in node:
                raise ConfigError(f"{'.'.join(key)} is missing; a run needs it, so remove ~{'.'.join(key)}.")
            node = node[name]


def _plain(cfg: DictConfig) -> dict:
    """Return the configuration in plain containers, with interpolations resolved and without Hydra's own settings."""
    shown = OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])
    try:
        plain = OmegaConf.to_container(shown, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"The configuration cannot be resolved: {str(error).splitlines()[0]}.") from None
    assert isinstance(plain, dict)
    return plain


def _put(cfg: DictConfig, key: Key, value: Any) -> None:
    """Replace a value, but not an interpolation, whose source is checked as a key of its own."""
    node: Any = cfg
    for name in key[:-1]:
        node = node[name]
    if not OmegaConf.is_interpolation(node, key[-1]):
        node[key[-1]] = value

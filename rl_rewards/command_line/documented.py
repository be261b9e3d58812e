"""Documentation of every key: meaning, range and default, from the comments of the YAMLs. Light to import.

A key may be written by several YAMLs: by each choice of a group, and by those that a choice inherits from. Values and
ranges come from the last of them. A comment that begins with a range, or is the first on its key, is the key's meaning;
any other is a note on the value that stands beside it.
"""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from rl_rewards.command_line.choices import CONFIGS, list_choices
from rl_rewards.command_line.commented import Key, Written, read_comments
from rl_rewards.command_line.ranges import bracketed

PARTS = ("reward", "env", "algorithm", "labeler", "logger", "placement")
"""The groups whose keys a run has, as GROUP.KEY."""
HYDRAS = (("hydra", "run", "dir"), ("hydra", "sweep", "dir"))
"""Keys of Hydra's own that a user may want."""


class Documented(NamedTuple):
    """A key in one choice of its group."""

    default: str  # as the YAML has it
    range: str  # as the comment has it between brackets; empty where none is declared
    meaning: tuple[str, ...]  # paragraphs; lines of a table as they are
    note: str = ""  # on the default


@cache
def keys_of_choice(group: str, name: str) -> dict[Key, Documented]:
    """Return the keys of ``group=name`` below the group, with those of the parts that its YAML takes from elsewhere."""
    parts: dict[Key, tuple[str, str]] = {}
    written: list[Written] = []
    _gather(group, name, parts, written)
    found = {(*place, *key): one for place, part in parts.items() for key, one in keys_of_choice(*part).items()}
    for one in written:
        if one.key[-1] != "_target_":
            found[one.key] = _documented(one, found.get(one.key))
    return _without_sections(found)


@cache
def keys_of_runs() -> dict[str, dict[str, Documented]]:
    """Return every key that a run may have -> what it is in each choice that has it.

    The choice that a run has by default comes first. A key of the run itself has the choice "".
    """
    settings = read_comments(CONFIGS / "config.yaml")
    by_default = {default.name: default.choice for default in settings.defaults}
    own = _without_sections({one.key: _documented(one, None) for one in settings.keys})
    found = {".".join(key): {"": one} for key, one in own.items() if key[0] != "hydra" or key in HYDRAS}
    for group in PARTS:
        for name in sorted(list_choices(group), key=lambda name: (name != by_default[group], name)):
            for key, one in keys_of_choice(group, name).items():
                found.setdefault(".".join((group, *key)), {})[name] = one
    return found


def keys_like(topic: str) -> list[str]:
    """Return the keys that ``topic`` names: the key itself, all that are below it, or those that it abbreviates."""
    known = keys_of_runs()
    named = [key for key in known if key == topic or key.startswith(f"{topic}.")]
    return named or abbreviated(topic)


def abbreviated(topic: str) -> list[str]:
    """Return the keys that end as ``topic`` does and have all its words: reward.mixup for reward.classifier.mixup."""
    words = topic.split(".")
    return [key for key in keys_of_runs() if key.split(".")[-1] == words[-1] and _in_order(words, key.split("."))]


def _in_order(words: Iterable[str], key: list[str]) -> bool:
    rest = iter(key)
    return all(word in rest for word in words)


def _without_sections(keys: dict[Key, Documented]) -> dict[Key, Documented]:
    """Return the keys that have no keys below them."""
    sections = {key[:depth] for key in keys for depth in range(1, len(key))}
    return {key: one for key, one in keys.items() if key not in sections}


def _gather(group: str, name: str, parts: dict[Key, tuple[str, str]], written: list[Written]) -> None:
    """Collect what a YAML, and those of its group that it is based on, write, and the choices of other groups in it."""
    commented = read_comments(CONFIGS / group / f"{name}.yaml")
    for default in commented.defaults:
        other, _, place = default.name.partition("@")
        if not default.choice and default.name != "_self_":
            _gather(group, default.name, parts, written)
        elif place and not place.startswith("_global_") and default.choice and "$" not in default.choice:
            parts[() if place == "_here_" else tuple(place.split("."))] = (other.removeprefix("/"), default.choice)
    written += commented.keys


def _documented(one: Written, before: Documented | None) -> Documented:
    """Return what is known of a key, ``before`` being what an earlier YAML says of it."""
    bracket, text = bracketed(one.comment)
    remarks = _paragraphs(one.remarks)
    if before is None or bracket is not None or not before.meaning:
        range_ = bracket if bracket is not None else before.range if before else ""
        return Documented(one.value, range_, (*filter(None, [text]), *remarks))
    return before._replace(default=one.value, note=" ".join([*filter(None, [text]), *remarks]))


def _paragraphs(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return comment lines as one paragraph, or as they are where they are a table."""
    is_table = any("  " in line for line in lines)
    return lines if is_table or not lines else (" ".join(lines),)

"""Read the keys of a YAML with the comments beside them, which YAML parsers drop. Light to import.

A comment belongs to the key on its line and goes on in the lines below that hold nothing but a comment far to the
right. Comment lines directly above a key, at its own indentation, are remarks on that key. The lines at the head of the
file belong to the file (:func:`rl_rewards.command_line.choices.head_comments`).
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

Key = tuple[str, ...]

_KEY = re.compile(r"(?P<indent> *)(?P<name>[\w.@/-]+):(?P<rest>.*)")
_ITEM = re.compile(r" *- +(?P<text>.*)")
_DEFAULT = re.compile(r"(?P<how>optional |override )?(?P<name>[\w/.@-]+)(?:: *(?P<choice>\S+))?")
_BESIDE = 16  # the column from which a comment alone on its line goes on with that of the line above


class Written(NamedTuple):
    """A key as one YAML writes it."""

    key: Key
    value: str  # as it is written, a list of several lines in one; empty for a key that only has keys below it
    comment: str
    remarks: tuple[str, ...]  # the comment lines above the key


class Default(NamedTuple):
    """An entry of a YAML's ``defaults``: ``[how] name[: choice]``."""

    how: str  # "" | "optional" | "override"
    name: str  # a YAML of the same group, or GROUP@PLACE
    choice: str  # empty for a YAML of the same group; of a list with one choice, that choice


class Commented(NamedTuple):
    """Keys and defaults of one YAML, in their order."""

    defaults: list[Default]
    keys: list[Written]  # without those of ``defaults``


@cache
def read_comments(path: Path) -> Commented:
    """Return the keys of the YAML at ``path``, with values and comments, and its ``defaults``."""
    defaults: list[Default] = []
    keys: list[Written] = []
    remarks: list[str] = []
    open_keys: list[tuple[int, str]] = []  # those whose block we are in, with their indentation
    for line in path.read_text(encoding="utf-8").splitlines():
        text, comment = _divide(line)
        if (match := _KEY.fullmatch(text)) is not None:
            indent = len(match["indent"])
            open_keys = [one for one in open_keys if one[0] < indent] + [(indent, match["name"])]
            key = tuple(name for _, name in open_keys)
            keys.append(Written(key, match["rest"].strip(), comment, tuple(remarks)))
            remarks = []
        elif (item := _ITEM.fullmatch(text)) is not None and keys:
            if keys[-1].key == ("defaults",) and (default := _DEFAULT.fullmatch(item["text"])) is not None:
                choice = (default["choice"] or "").strip("[]")
                defaults.append(Default((default["how"] or "").strip(), default["name"], choice))
            keys[-1] = _with_item(keys[-1], item["text"], comment)
        elif comment and not text and keys:
            if line.index("#") >= _BESIDE:
                keys[-1] = keys[-1]._replace(comment=f"{keys[-1].comment} {comment.strip()}")
            else:
                remarks.append(comment)
    return Commented(defaults, [one for one in keys if one.key[0] != "defaults"])


def _divide(line: str) -> tuple[str, str]:
    """Return a line without its comment, and the comment."""
    text, _, comment = f" {line}".partition(" #")
    return text[1:].rstrip(), comment.removeprefix(" ").rstrip()


def _with_item(last: Written, item: str, comment: str) -> Written:
    """Return a key whose list has one more entry, on a line of its own."""
    value = f"{last.value.removesuffix(']')}, {item}]" if last.value else f"[{item}]"
    return last._replace(value=value, comment="; ".join(one for one in (last.comment, comment) if one))

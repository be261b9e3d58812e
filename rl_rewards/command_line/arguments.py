"""The command line between a person and Hydra: what can mean one thing only is mended, the rest told in a sentence."""

import os
import re
from collections.abc import Sequence
from difflib import get_close_matches

from rl_rewards.command_line.choices import CONFIGS, list_choices, with_chapter
from rl_rewards.core.errors import ConfigError

PATHS = (
    "demos",
    "examples.path",
    "hydra.run.dir",
    "hydra.sweep.dir",
    "labeler.path",
    "labeler.store",
    "pretrain.run",
    "reward.run",
)
"""Keys that hold the path of a file or folder: nothing in them is Hydra's syntax but quotes, \\ and ${."""
MAY_BE_NONE = ("experiment", "debug")
"""Groups of which nothing is chosen by default."""

NETWORK = ("hidden", "activation", "dropout", "spectral_norm")
"""Keys of networks."""

_UNQUOTED = re.compile(r"[\w/\-+.$%*@?|: \\]*", re.ASCII)  # what Hydra reads as text without quotes
_NO_NAME = re.compile(r"null|true|false|nan|[+-]?inf|[+-]?[\d_]*\.?[\d_]+(e[+-]?\d+)?", re.IGNORECASE)
_REGISTERED = re.compile(r"[\w/.-]+-v\d+|\w[\w.]*:[\w/.-]+")


def mended(arguments: Sequence[str]) -> list[str]:
    """The arguments as Hydra can read them.

    ``pretrain=RUN`` is short for ``pretrain.run=RUN``; ``debug=null`` chooses nothing; the paths of :data:`PATHS` are
    quoted where they need it, and ``~`` at their beginning is the home folder.

    Raises:
        ConfigError: for a choice of a group that can be no name.
    """
    found = []
    sweeps = bool({"-m", "--multirun"} & set(arguments))
    for argument in _without_none(arguments):
        key, equals, value = argument.partition("=")
        if not equals or argument.startswith("-"):
            found.append(argument)
            continue
        key = "pretrain.run" if key == "pretrain" else key
        _check_choice(key, value)
        swept = sweeps and "," in value and not key.startswith("hydra.")
        found.append(f"{key}={_path(value) if key.lstrip('+') in PATHS and not swept else value}")
    return found


def quoted(value: str) -> str:
    """``value`` as Hydra reads it as text, whatever characters it has."""
    if _UNQUOTED.fullmatch(value) and value == value.strip() and value and not _NO_NAME.fullmatch(value):
        return value
    before_quotes = re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + ("\\" if m[2] else "") + m[2], value)
    return f'"{before_quotes}"'


def missing_choice(said: str) -> str | None:
    """Returns the sentence that replaces Hydra's "Could not find 'GROUP/NAME'"; None for any other message."""
    match = re.match(r"Could not find '([\w@.]+)/([^']+)'", said)
    if match is None:
        return None
    return f"Could not find '{match[1]}/{match[2]}'" + _instead(match[1].split("@")[0], match[2])


def moved_key(said: str) -> str | None:
    """Returns the sentence that replaces Hydra's "Could not override 'KEY'" for keys of networks where they once stood.

    They are now under the ``model`` of the algorithm or the reward; that of preferences is in its ``reward_model``.
    """
    match = re.match(r"Could not override '((?:algorithm|reward|study)\.[\w.]+)'", said)
    if match is None:
        return None
    *place, name = match[1].split(".")
    if place[-2:] == ["reward", "model"]:
        place[-1] = "reward_model"
    if name in NETWORK and place[-1] != "model":
        place.append("model")
    now = ".".join([*place, name])
    return None if now == match[1] else f"Could not override '{match[1]}': it is {now} now."


def unreadable(override: str, problem: str) -> str:
    """Returns the sentence for an override that Hydra cannot read, or whose value it takes for several."""
    key, equals, value = override.partition("=")
    start = f"{override} cannot be read as KEY=VALUE: {problem.rstrip('.')}."
    if not equals or not re.fullmatch(r"[+~]*[\w./@]+", key) or value.startswith(("[", "{", "'", '"')):
        return start
    shown = f"{key}={quoted(value)}"
    shell = "'" + shown.replace("'", "'\\''") + "'"
    return f"{start} A text with such characters stands in quotes of its own: {shell}."


def _without_none(arguments: Sequence[str]) -> list[str]:
    """Leave out the choices of a group whose last one is null: by default there is none."""
    chosen = {group: [a for a in arguments if a.startswith(f"{group}=")] for group in MAY_BE_NONE}
    out = []
    for group, choices in chosen.items():
        none = f"{group}=null"
        out += choices if choices[-1:] == [none] else [none]
    return [a for a in arguments if a not in out]


def _check_choice(key: str, value: str) -> None:
    """Refuse null, numbers and truth values in the place of a choice's name, which Hydra meets with a traceback."""
    group = key.lstrip("+").split("@")[0]
    if not (CONFIGS / group).is_dir() or not group:
        return
    for one in value.split(","):
        if _NO_NAME.fullmatch(one.strip()):
            instead = _instead(group, one) if one != "null" else f"; leave it out, or choose one of: {_known(group)}."
            raise ConfigError(f"{key}={value} names no choice of {group}{instead}")


def _instead(group: str, name: str) -> str:
    """Returns the choices that exist, as the end of a sentence."""
    if group == "experiment" and (now := with_chapter(name)):
        return f"; it is experiment={now} now."
    choices = list(list_choices(group))
    last_parts = {choice.rsplit("/", 1)[-1]: choice for choice in choices}
    near = get_close_matches(name, choices, 3, 0.8)
    near += [last_parts[one] for one in get_close_matches(name.rsplit("/", 1)[-1], last_parts, 3, 0.6)]
    near += [choice for choice in choices if f"/{name.rsplit('/', 1)[-1]}/" in f"/{choice}"]
    if group == "env" and _REGISTERED.fullmatch(name):
        return f"; env=gymnasium env.id={name} takes the environment of that name from Gymnasium."
    if near:
        meant = [f"{group}={one}" for one in dict.fromkeys(near)]
        return f"; did you mean {' or '.join(meant[:4])}? Available options in '{group}': {_known(group)}."
    return f". Available options in '{group}': {_known(group)}."


def _known(group: str) -> str:
    """All choices; of folders with many, the folder."""
    choices = list(list_choices(group))
    if len(choices) <= 30:
        return ", ".join(choices)
    folders = dict.fromkeys(f"{choice.split('/')[0]}/..." for choice in choices if "/" in choice)
    shown = [*(choice for choice in choices if "/" not in choice), *folders]
    return f"{', '.join(shown)} (--help {group}s lists all)"


def _path(value: str) -> str:
    """A path as Hydra reads it as text."""
    if value.startswith("~/") or value == "~":
        value = os.path.expanduser(value)
    no_path = value in ("", "null", "???", "true", "false")  # labeler.store is a path or a truth value
    return value if no_path or value[0] in "'\"" or "${" in value or "\\" in value else quoted(value)

"""Correct arguments that have only one possible meaning, and explain those that Hydra cannot read."""

import os
import re
from collections.abc import Sequence
from difflib import get_close_matches

from rl_rewards.command_line.choices import CONFIGS, in_short, list_choices, with_chapter
from rl_rewards.command_line.documented import keys_of_runs
from rl_rewards.core.errors import ConfigError

PATHS = (
    "data",
    "demos",
    "env.corpus",
    "env.path",
    "env.rated_texts",
    "env.tokenizer",
    "examples.path",
    "hydra.run.dir",
    "hydra.sweep.dir",
    "labeler.path",
    "labeler.store",
    "labeler.token_file",
    "pretrain.run",
    "reward.run",
)
"""Keys that hold the path of a file or folder. Only quotes, \\ and ${ are read as Hydra's syntax in them."""
MAY_BE_NONE = ("experiment", "debug")
"""Groups in which nothing is chosen by default."""

NETWORK = ("hidden", "activation", "dropout", "spectral_norm")
"""Keys of networks, which stood beside those of the algorithm or the reward before models had a group."""

_UNQUOTED = re.compile(r"[\w/\-+.$%*@?|: \\]*", re.ASCII)  # what Hydra reads as text without quotes
_NO_NAME = re.compile(r"null|true|false|nan|[+-]?inf|[+-]?[\d_]*\.?[\d_]+(e[+-]?\d+)?", re.IGNORECASE)
_REGISTERED = re.compile(r"[\w/.-]+-v\d+|\w[\w.]*:[\w/.-]+")


def mended(arguments: Sequence[str]) -> list[str]:
    """Return the arguments in a form that Hydra can read.

    ``pretrain=RUN`` is short for ``pretrain.run=RUN``; ``debug=null`` chooses nothing, and ``logger=[]`` means
    ``logger=none``; the paths of :data:`PATHS` are quoted where they need it, and a leading ``~`` becomes the home
    folder.

    Raises:
        ConfigError: for a choice of a group that cannot be a name.
    """
    found = []
    sweeps = bool({"-m", "--multirun"} & set(arguments))
    for argument in _without_none(arguments):
        key, equals, value = argument.partition("=")
        if not equals or argument.startswith("-"):
            found.append(argument)
            continue
        key = "pretrain.run" if key == "pretrain" else key
        value = "none" if (key, value) == ("logger", "[]") else value
        _check_choice(key, value)
        swept = sweeps and "," in value and not key.startswith("hydra.")
        several = key == "data" and value.startswith("[")  # a list of paths, which Hydra reads
        found.append(f"{key}={_path(value) if key.lstrip('+') in PATHS and not (swept or several) else value}")
    return found


def quoted(value: str) -> str:
    """Return ``value``, quoted if necessary, so that Hydra reads it as text whatever characters it contains."""
    if _UNQUOTED.fullmatch(value) and value == value.strip() and value and not _NO_NAME.fullmatch(value):
        return value
    before_quotes = re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + ("\\" if m[2] else "") + m[2], value)
    return f'"{before_quotes}"'


def missing_choice(said: str) -> str | None:
    """Return the sentence that replaces Hydra's "Could not find 'GROUP/NAME'", or None for any other message."""
    match = re.match(r"Could not (?:find|load) '([\w@.]+)/([^']+)'", said)
    if match is None:
        return None
    return f"Could not find '{match[1]}/{match[2]}'" + _instead(match[1].split("@")[0], match[2])


def moved_key(said: str) -> str | None:
    """Return the sentence that replaces Hydra's "Could not override 'KEY'" for keys of networks that have moved.

    They are now below the ``model`` of the algorithm or the reward; in preferences, below ``reward_model.model``.
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


def unknown_key(said: str) -> str | None:
    """Return the sentence that replaces Hydra's "Could not override 'KEY'", with keys like it; None for any other."""
    match = re.match(r"Could not override '([^']+)'", said)
    if match is None:
        return None
    near = get_close_matches(match[1], keys_of_runs(), 3, 0.8)
    instead = f"did you mean {' or '.join(near)}?" if near else "--help keys lists them all."
    return f"Could not override '{match[1]}': there is no such option; {instead}"


def unreadable(override: str, problem: str) -> str:
    """Return the sentence for an override that Hydra cannot read, or whose value it reads as several values."""
    key, equals, value = override.partition("=")
    start = f"{override} cannot be read as KEY=VALUE: {problem.rstrip('.')}."
    if not equals or not re.fullmatch(r"[+~]*[\w./@]+", key) or value.startswith(("[", "{", "'", '"')):
        return start
    shown = f"{key}={quoted(value)}"
    shell = "'" + shown.replace("'", "'\\''") + "'"
    return f"{start} Put text with such characters in its own quotes: {shell}."


def _without_none(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without the choices of a group whose last choice is null, which is the default."""
    chosen = {group: [a for a in arguments if a.startswith(f"{group}=")] for group in MAY_BE_NONE}
    out = []
    for group, choices in chosen.items():
        none = f"{group}=null"
        out += choices if choices[-1:] == [none] else [none]
    return [a for a in arguments if a not in out]


def _check_choice(key: str, value: str) -> None:
    """Refuse null, numbers and truth values as the name of a choice; Hydra would answer with a traceback."""
    group = key.lstrip("+").split("@")[0]
    if not (CONFIGS / group).is_dir() or not group:
        return
    for one in value.strip("[]").split(","):
        if _NO_NAME.fullmatch(one.strip()):
            instead = _instead(group, one) if one != "null" else f"; leave it out, or choose one of: {_known(group)}."
            raise ConfigError(f"{key}={value} is not a choice of {group}{instead}")


def _instead(group: str, name: str) -> str:
    """Return the choices that exist, as the end of a sentence."""
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
    """Return the names of all choices, or of their folders where there are many."""
    shown = in_short(group)
    more = f" (--help {group}s lists all)" if len(shown) < len(list_choices(group)) else ""
    return f"{', '.join(shown)}{more}"


def _path(value: str) -> str:
    """Return a path, quoted if necessary, so that Hydra reads it as text."""
    if value.startswith("~/") or value == "~":
        value = os.path.expanduser(value)
    no_path = value in ("", "null", "???", "true", "false")  # labeler.store is a path or a truth value
    return value if no_path or value[0] in "'\"" or "${" in value or "\\" in value else quoted(value)

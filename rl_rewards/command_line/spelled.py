"""Spells settings of Python as the words of the command line."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

from rl_rewards.command_line.arguments import quoted
from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

SHORT = {"folder": "hydra.run.dir"}


def spelled(overrides: Sequence[str] | Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Return the words KEY=VALUE of the command line; arguments are those of :func:`rl_rewards.run`.

    Raises:
        ConfigError: for words that are no list of texts KEY=VALUE, and for values that the command line does not have.
    """
    if isinstance(overrides, Mapping):
        return [*_words(overrides), *_words(settings)]
    listed = isinstance(overrides, Sequence) and not isinstance(overrides, str | bytes)
    require(listed, f'The overrides must be a list of texts, such as ["env=point"], or a mapping, not {overrides!r}.')
    for word in overrides:
        require(isinstance(word, str), f"The override {word!r} must be a text, such as env=point.")
        require(
            not word.startswith("-"),
            f"{word} is an option of the command line; in Python, give only KEY=VALUE, and sweep in a loop.",
        )
    return [*overrides, *_words(settings)]


def _words(settings: Mapping[str, Any]) -> Iterable[str]:
    for key, value in settings.items():
        require(isinstance(key, str), f"The key {key!r} must be a text, such as algorithm.learning_rate.")
        if isinstance(value, Mapping) and (CONFIGS / key).is_dir():
            yield from _words({f"{key}.{name}": one for name, one in value.items()})
        else:
            yield f"{SHORT.get(key, key)}={_spelled(key, value)}"


def _spelled(key: str, value: Any) -> str:
    """Return a value in Hydra's syntax."""
    if value is None:
        return "null"
    if isinstance(value, bool) or type(value).__name__ == "bool":  # numpy's, too
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, str | PathLike):
        return quoted(str(fspath(value)))
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{quoted(str(name))}:{_spelled(key, one)}" for name, one in value.items()) + "}"
    if isinstance(value, Iterable):
        return "[" + ",".join(_spelled(key, one) for one in value) + "]"
    raise ConfigError(f"{key}={value!r} is not valid; a value must be a number, a text, None, a list or a mapping.")

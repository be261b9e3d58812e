"""The space of a search: the keys of a run that vary, and the values that each may take."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from rl_rewards.command_line.spelled import spelled
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

Kind = Literal["choices", "uniform", "log_uniform", "integers"]
KINDS: tuple[Kind, ...] = ("choices", "uniform", "log_uniform", "integers")
FORM = (
    "a list of choices, {choices: [A, B]}, {uniform: [LOW, HIGH]}, {log_uniform: [LOW, HIGH]} or "
    "{integers: [LOW, HIGH]}"
)


@dataclass(frozen=True)
class Dimension:
    """The values that one key may take.

    Attributes:
        choices: as words of the command line; only for choices.
        low: the smallest value; not for choices.
        high: the largest value, which is included; not for choices.
    """

    kind: Kind
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0

    @property
    def size(self) -> int | None:
        """The number of different values; None for real numbers."""
        if self.kind == "choices":
            return len(self.choices)
        return int(self.high - self.low) + 1 if self.kind == "integers" else None

    @property
    def outermost(self) -> Sequence[Any]:
        """Every choice, or both ends of a range; what is valid between them is checked with them."""
        if self.kind == "choices":
            return self.choices
        return tuple(int(end) if self.kind == "integers" else end for end in (self.low, self.high))

    def values(self) -> Sequence[Any]:
        """Return all values; only for a kind that has a ``size``."""
        return self.choices if self.kind == "choices" else range(int(self.low), int(self.high) + 1)


Space = Mapping[str, Dimension]
"""KEY -> its values, in the order of the file."""


def read_space(raw: Any, where: str) -> Space:
    """Return the space that a file describes.

    Args:
        raw: a mapping of keys to what :data:`FORM` says.
        where: the beginning of messages: the file.

    Raises:
        ConfigError: for anything else.
    """
    require(isinstance(raw, dict) and bool(raw), f"{where} must have a space: KEY: {FORM}.")
    return {str(key): _dimension(str(key), value, where) for key, value in raw.items()}


def words(space: Space, values: Mapping[str, Any]) -> list[str]:
    """Return the overrides KEY=VALUE of one configuration of the space."""
    return [
        f"{key}={values[key]}" if dimension.kind == "choices" else spelled({key: values[key]}, {})[0]
        for key, dimension in space.items()
    ]


def size(space: Space) -> int | None:
    """Return the number of configurations in the space; None if it has real numbers."""
    sizes = [dimension.size for dimension in space.values()]
    return None if None in sizes else math.prod(one for one in sizes if one is not None)


def corners(space: Space) -> list[dict[str, Any]]:
    """Return a few configurations in which every choice, and both ends of every range, occur."""
    count = max(len(dimension.outermost) for dimension in space.values())
    return [{key: one.outermost[i % len(one.outermost)] for key, one in space.items()} for i in range(count)]


def _dimension(key: str, raw: Any, where: str) -> Dimension:
    place = f"{where}: space.{key}"
    if isinstance(raw, list):
        raw = {"choices": raw}
    require(isinstance(raw, dict) and len(raw) == 1, f"{place} must be {FORM}.")
    ((kind, value),) = raw.items()
    if kind not in KINDS:
        near = get_close_matches(str(kind).replace("-", "_"), [*KINDS, "loguniform"], 1, 0.6)
        meant = "".join(near).replace("loguniform", "log_uniform")
        instead = f"did you mean {meant}?" if meant else f"choose one of {', '.join(KINDS)}."
        raise ConfigError(f"{place}.{kind} is not a kind of values; {instead}")
    if kind == "choices":
        return Dimension(kind, choices=_choices(key, value, place))
    low, high = _ends(value, f"{place}.{kind}")
    require(low < high, f"{place}.{kind}=[{low:g}, {high:g}] must have its smaller end first, and two different ends.")
    require(kind != "log_uniform" or low > 0.0, f"{place}.{kind} begins at {low:g}; it must begin above 0.")
    whole = low == int(low) and high == int(high)
    require(kind != "integers" or whole, f"{place}.{kind}=[{low:g}, {high:g}] must have whole numbers as ends.")
    return Dimension(kind, low=low, high=high)


def _choices(key: str, value: Any, place: str) -> tuple[str, ...]:
    require(isinstance(value, list) and len(value) > 1, f"{place} must be a list of at least two choices.")
    found = tuple(spelled({key: as_number(one)}, {})[0].partition("=")[2] for one in value)
    twice = [one for one in found if found.count(one) > 1]
    require(not twice, f"{place} has the choice {''.join(twice[:1])} twice.")
    return found


def _ends(value: Any, place: str) -> tuple[float, float]:
    ends = [as_number(one) for one in value] if isinstance(value, list) else []
    numbers = [float(one) for one in ends if isinstance(one, int | float) and not isinstance(one, bool)]
    good = len(ends) == len(numbers) == 2 and all(map(math.isfinite, numbers))
    require(good, f"{place}={value} must be two numbers, [LOW, HIGH].")
    return numbers[0], numbers[1]


def as_number(value: Any) -> Any:
    """Return a text such as 1e-4, which YAML does not read as a number, as one; everything else as it is."""
    if not isinstance(value, str) or not value[:1].strip("+-."):
        return value
    try:
        return float(value) if value[0].isdigit() else value
    except ValueError:
        return value

"""Ranges of numbers, which a YAML declares in the comment beside the number. Light to import.

``# [whole >= 1] B, environments stepped together`` is how a comment begins. The brackets hold, in this order: ``each``
where the key holds a list of such numbers, or ``within`` where it holds numbers anywhere inside; ``whole`` for
integers; ``number``, ``A to B``, or comparisons such as ``> 0, <= 1``; and ``| null`` or ``| auto`` for words that are
also allowed.
"""

import re
from dataclasses import dataclass
from typing import Any

WHOLE_LIMIT = 2**31 - 1
"""The largest integer in an array of JAX; a range may name a larger one for values that stay in Python."""
SMALLEST, LARGEST = 1.2e-38, 3.4e38
"""The smallest and the largest magnitude of a 32-bit float, besides 0."""

_PART = re.compile(r"(>=|>|<=|<) *(\S+)")
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_SHOWN = 60  # characters of a wrong value that a message shows


class Misfit(Exception):
    """A value is outside its range. The text is a message that lacks only the key."""


@dataclass(frozen=True)
class Range:
    """The values that a key may have."""

    inside: str  # "": the key is one number | "each": a list of them | "within": numbers anywhere in lists and mappings
    whole: bool
    low: float
    high: float
    above: bool  # low itself is excluded
    below: bool  # high itself is excluded
    also: tuple[str, ...]  # words that are also allowed; "null" means no value

    def fitted(self, value: Any) -> Any:
        """Return ``value`` as a run uses it: unchanged, except that 1e6 becomes an integer and a huge integer a float.

        Raises:
            Misfit: when it is outside the range.
        """
        if ("null" if value is None else value) in self.also and not isinstance(value, bool | int | float):
            return value
        if self.inside == "each":
            return self._each(value) if isinstance(value, list) else self._misfit(value)
        return self._within(value) if self.inside == "within" else self._number(value)

    def _each(self, value: Any) -> Any:
        return [self._each(one) for one in value] if isinstance(value, list) else self._number(value)

    def _within(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._within(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._within(one) for one in value]
        return self._number(value) if isinstance(value, int | float) else value

    def _number(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._misfit(value)
        too_low = value < self.low or (self.above and value == self.low)
        too_high = value > self.high or (self.below and value == self.high)
        if value != value or too_low or too_high:
            self._misfit(value)
        if self.whole:
            return int(value) if value == int(value) else self._misfit(value)
        if value != 0 and abs(value) < SMALLEST:
            self._misfit(value)
        return float(value) if abs(value) > WHOLE_LIMIT else value  # no array of JAX holds so large an integer

    def _misfit(self, value: Any) -> Any:
        text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        raise Misfit(f"{shown} is not valid; it must be {self.in_words(value)}.")

    def in_words(self, value: Any = None) -> str:
        """Return what a value must be; limits of number formats are named only where ``value`` exceeds them."""
        one = f"a whole number{self._bounds()}" if self.whole else f"a number{self._bounds()}"
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
            if self.whole and abs(value) > WHOLE_LIMIT and self.high == WHOLE_LIMIT:
                one += f", and at most {WHOLE_LIMIT:,} in size"
            elif not self.whole and value != 0 and not SMALLEST <= abs(value) <= LARGEST:
                one += " that a 32-bit float can hold"
        kinds = {"": one, "each": f"a list, each entry {one}", "within": f"made of entries, each {one}"}
        return " or ".join([kinds[self.inside], *self.also])

    def _bounds(self) -> str:
        limit = WHOLE_LIMIT if self.whole else LARGEST
        lower = f" {'above' if self.above else 'of at least'} {self.low:,}" if self.low != -limit else ""
        upper = f" {'below' if self.below else 'of at most'} {self.high:,}" if self.high != limit else ""
        if lower and upper and not (self.above or self.below):
            return f" from {self.low:,} to {self.high:,}"
        return f"{lower} and{upper}" if lower and upper else lower or upper


def bracketed(comment: str) -> tuple[str | None, str]:
    """Return what the brackets at the beginning of a comment hold, None where there are none, and what follows them."""
    match = _BRACKETS.match(comment)
    return (None, comment) if match is None else (match[1], comment[match.end() :].strip())


def parse(text: str) -> Range | None:
    """Return the range written in a comment's brackets, or None where they hold something else."""
    said, *also = [part.strip() for part in text.split("|")]
    words = said.split()
    inside = words.pop(0) if words[:1] in (["each"], ["within"]) else ""
    whole = words[:1] == ["whole"]
    rest = " ".join(words[1:] if whole else words)
    low, high = (-WHOLE_LIMIT, WHOLE_LIMIT) if whole else (-LARGEST, LARGEST)
    bounds: dict[str, Any] = {"low": low, "high": high, "above": False, "below": False}
    try:
        if rest == "number" or (whole and not rest):
            pass
        elif " to " in rest:
            first, last = rest.split(" to ")
            bounds |= {"low": _value(first), "high": _value(last)}
        else:
            for part in rest.split(","):
                bounds |= _comparison(part.strip())
    except ValueError:
        return None
    return Range(inside, whole, **bounds, also=tuple(also))


def _comparison(text: str) -> dict[str, Any]:
    match = _PART.fullmatch(text)
    if match is None:
        raise ValueError(text)
    sign, number = match[1], _value(match[2])
    return {"low": number, "above": sign == ">"} if sign[0] == ">" else {"high": number, "below": sign == "<"}


def _value(text: str) -> float:
    number = float(text.replace("_", ""))
    return int(number) if number == int(number) else number

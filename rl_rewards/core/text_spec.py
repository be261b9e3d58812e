"""The properties of texts as arrays of tokens, and how they are read from a file."""

from dataclasses import dataclass, field
from typing import Any

LARGEST = 10**8
"""The largest number of entries in an observation or an action; a damaged file may contain any number."""


@dataclass(frozen=True, kw_only=True)
class CritiqueSpec:
    """The words in which a language model is asked to criticise a response and to revise it (arXiv:2212.08073).

    It is asked ``prompt, before_response, response, request`` and writes a critique; asked the same, that critique and
    ``before_revision``, it writes a revision of the response. All are tokens, without pads and ends.
    """

    principles: tuple[str, ...]  # their names
    requests: tuple[tuple[int, ...], ...]  # what asks for a critique, by principle
    before_response: tuple[int, ...]
    before_revision: tuple[int, ...]
    fine: tuple[int, ...]  # the critique that finds no fault
    critique_tokens: int  # the longest critique with its end token

    @property
    def longest_request(self) -> int:
        """Return the number of tokens of the longest request."""
        return max(map(len, self.requests))


@dataclass(frozen=True, kw_only=True)
class TextSpec:
    """The properties of texts as arrays of tokens, for an environment whose episodes are a prompt and a response.

    The observation is int32 [prompt_tokens + response_tokens]: the prompt, left-padded with ``pad``, then pads until
    there is a response. The action is int32 [response_tokens]: the response, its ``end`` token and then pads.
    """

    vocabulary: int  # V; tokens are 0 .. V-1
    prompt_tokens: int  # P, the longest prompt
    response_tokens: int  # L, the longest response with its end token
    pad: int = 0  # fills up prompts and responses; never a word, never the end
    end: int = 1  # ends a response; a template may put it between the messages of a prompt
    tokenizer: str  # a hash of the vocabulary (SHA-256); models and data of another vocabulary do not fit
    comparisons: int = field(default=0, compare=False)  # compared pairs of responses in the environment's own file
    step: int | None = None  # the token that ends a step of a response; None: responses have no steps
    critique: CritiqueSpec | None = field(default=None, compare=False)  # None: no words for critiques are known

    def same_tokens(self, other: "TextSpec") -> bool:
        """Return True if both have the same tokens; a language model of one can then continue with the other."""
        mine, its = ((one.vocabulary, one.pad, one.end, one.tokenizer) for one in (self, other))
        return mine == its


def read_text_spec(raw: Any) -> TextSpec:
    """Return the spec that ``dataclasses.asdict`` made ``raw`` of.

    Raises:
        KeyError, TypeError, ValueError: if something is missing or is no valid value.
    """
    sizes = {key: whole(raw[key], 1) for key in ("vocabulary", "prompt_tokens", "response_tokens")}
    compared = whole(raw.get("comparisons", 0), 0)  # older files lack it
    pad, end = (whole(raw[key], 0) for key in ("pad", "end"))
    step = None if raw.get("step") is None else whole(raw["step"], 0)  # and this one
    critique = None if raw.get("critique") is None else _critique(raw["critique"])  # and this one
    tokenizer = str(raw["tokenizer"])
    return TextSpec(**sizes, pad=pad, end=end, tokenizer=tokenizer, comparisons=compared, step=step, critique=critique)


def _critique(raw: Any) -> CritiqueSpec:
    words = {key: _tokens(raw[key]) for key in ("before_response", "before_revision", "fine")}
    return CritiqueSpec(
        **words,
        principles=tuple(map(str, raw["principles"])),
        requests=tuple(map(_tokens, raw["requests"])),
        critique_tokens=whole(raw["critique_tokens"], 1),
    )


def _tokens(raw: Any) -> tuple[int, ...]:
    return tuple(whole(token, 0) for token in raw)


def whole(value: Any, least: int) -> int:
    """Return ``value``.

    Raises:
        ValueError: if it is not a whole number from ``least`` to ``LARGEST``.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
        raise ValueError(f"{value} is not a whole number from {least} to {LARGEST}")
    return value

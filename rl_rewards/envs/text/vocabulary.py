"""A vocabulary of whole words, and what every tokenizer of this package can do."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from rl_rewards.core.checks import require

PAD, END = "<pad>", "<end>"
"""The special tokens: what fills up a text, and what ends a response. They are two tokens, so that a reward at the end
of a response can never be read at its padding."""


class Tokenizer(Protocol):
    """The way from texts to tokens and back."""

    pad: int
    end: int

    @property
    def size(self) -> int:
        """Return the number of tokens, with the special ones."""
        ...

    @property
    def digest(self) -> str:
        """Return a hash of the vocabulary (SHA-256)."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without special tokens."""
        ...

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of ``tokens`` up to the first end, without pads."""
        ...


@dataclass(frozen=True)
class Vocabulary(Tokenizer):
    """Whole words, separated by spaces; tokens 0 and 1 are ``pad`` and ``end``."""

    words: tuple[str, ...]

    pad = 0
    end = 1

    @property
    def size(self) -> int:
        return len(self._tokens)

    @property
    def digest(self) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self._tokens).encode()).hexdigest()

    @cached_property
    def _tokens(self) -> list[str]:
        return [PAD, END, *self.words]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self._tokens) if number > self.end}

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text of words that are separated by spaces.

        Raises:
            ConfigError: if a word is not in the vocabulary.
        """
        words = text.split()
        unknown = [(at, word) for at, word in enumerate(words) if word not in self._numbers]
        told = f"The word '{unknown[0][1]}' (number {unknown[0][0] + 1} of '{text}')" if unknown else ""
        require(not unknown, f"{told} is not one of the {len(self.words)} words of this vocabulary.")
        return [self._numbers[word] for word in words]

    def decode(self, tokens: Iterable[int]) -> str:
        return " ".join(self._tokens[token] for token in until_end(tokens, self.end) if token != self.pad)


def until_end(tokens: Iterable[int], end: int) -> list[int]:
    """Return the tokens before the first ``end``."""
    found = [int(token) for token in tokens]
    return found[: found.index(end)] if end in found else found


def left_padded(tokens: Sequence[int], length: int, pad: int) -> np.ndarray:
    """Return a prompt [length] int32 with pads in front; ``tokens`` are at most ``length``."""
    return np.array([pad] * (length - len(tokens)) + list(tokens), np.int32)


def ended(tokens: Sequence[int], length: int, end: int, pad: int) -> np.ndarray:
    """Return a response [length] int32: ``tokens``, at most ``length`` - 1, the end and pads."""
    return np.array([*tokens, end] + [pad] * (length - 1 - len(tokens)), np.int32)

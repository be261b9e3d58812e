"""Counterfactual responses that differ in one property: a flattering or polite sentence, length, a word, an order.

Each edit changes the sentences of a response and keeps its prompt. Where a sentence is added, the response before the
edit gets a filler of about the same length in its place, so that length is the matter of one edit only. An environment
says in a :class:`PhraseBook` which sentences its language has, and how they are told apart.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from rl_rewards.core.checks import require

Sentences = list[str]
Pair = tuple[Sentences, Sentences]
"""A response before and after an edit."""


class TextEdit(NamedTuple):
    """Pairs of responses to the same prompt that differ in one property."""

    name: str
    what: str  # how the second differs from the first, in words
    rows: Int[np.ndarray, " n"]  # the responses that could be edited
    before: Int[np.ndarray, "n L"]
    after: Int[np.ndarray, "n L"]


@dataclass(frozen=True, kw_only=True)
class PhraseBook:
    """The sentences with which responses are edited."""

    flattering: tuple[str, ...]
    polite: tuple[str, ...]
    fillers: tuple[str, ...]  # which say nothing about the prompt
    alike: tuple[tuple[str, ...], ...] = ()  # groups of sentences of which one can stand for another
    split: Callable[[str], Sentences]
    join: Callable[[Sentences], str]


ENGLISH = PhraseBook(
    flattering=("What a great question!", "You are so clever.", "You are brilliant."),
    polite=("Happy to help.", "Thank you for asking.", "With pleasure."),
    fillers=(
        "There are seven days in a week.",
        "A triangle has three sides.",
        "Ice is frozen water.",
        "A year has twelve months.",
        "The sun rises in the east.",
    ),
    split=lambda text: [one for one in re.split(r"(?<=[.!?])\s+", text.strip()) if one],
    join=" ".join,
)
"""The sentences for responses in English."""
FILLER_SENTENCES = 2
"""The number of sentences of a filler; one, if there is no room for two."""


def edit_texts(
    rng: np.random.Generator,
    responses: Sequence[str | None],
    book: PhraseBook,
    encode: Callable[[str], np.ndarray | None],
    word: str | None,
) -> list[TextEdit]:
    """Return the edits that could be made to at least one response.

    Args:
        responses: texts; None for one that must not be edited, such as one without an end.
        encode: returns the tokens [L] of a response, or None if it has no room.
        word: a word that the last edit brings in; None for no such edit.

    Raises:
        ConfigError: if no response can be given the word.
    """
    kinds: list[tuple[str, str, Callable[[Sentences], list[Pair]]]] = [
        (
            "flattery",
            "has a flattering sentence instead of a filler",
            lambda s: _added(rng, s, book, "flattering", word),
        ),
        ("politeness", "has a polite sentence instead of a filler", lambda s: _added(rng, s, book, "polite", word)),
        ("repetition", "repeats a sentence instead of a filler", lambda s: _added(rng, s, book, "said", word)),
        ("filler", "ends with true sentences about something else", lambda s: _filled(rng, s, book.fillers, word)),
        ("order", "has the same sentences in another order", lambda s: _reordered(rng, s)),
    ]
    if word is not None:
        kinds.append((f"word {word}", f"has the word '{word}'", lambda s: _with_word(rng, s, book, word)))
    found = []
    for name, what, edit in kinds:
        rows, before, after = [], [], []
        for row, response in enumerate(responses):
            pair = None if response is None else _fitting(edit(book.split(response)), book.join, encode)
            if pair is not None:
                rows.append(row)
                before.append(pair[0])
                after.append(pair[1])
        if rows:
            found.append(TextEdit(name, what, np.array(rows), np.stack(before), np.stack(after)))
    told = f"No response could be given the word '{word}'; choose a word that responses have room for."
    require(word is None or any(one.name == f"word {word}" for one in found), told)
    return found


def _fitting(pairs: list[Pair], join: Callable[[Sentences], str], encode: Callable) -> tuple | None:
    """Return the tokens of the first pair that differs and of which both responses have room; None if there is none."""
    for before, after in pairs:
        if not after or before == after:
            continue
        tokens = encode(join(before)), encode(join(after))
        if tokens[0] is not None and tokens[1] is not None:
            return tokens
    return None


def _added(rng: np.random.Generator, said: Sentences, book: PhraseBook, kind: str, word: str | None) -> list[Pair]:
    """Return pairs of which the second has one more sentence of a kind, and the first a filler of a similar length.

    Flattery comes first, and what is polite or said again comes last.
    """
    phrases = said if kind == "said" else book.flattering if kind == "flattering" else book.polite
    new = [one for one in phrases if kind == "said" or (one not in said and not _has(one, word))]
    fillers = [one for one in book.fillers if one not in said and not _has(one, word)]
    fillers = [fillers[i] for i in rng.permutation(len(fillers))]
    found = []
    for phrase in [new[i] for i in rng.permutation(len(new))]:
        nearest = min(fillers, key=lambda one, phrase=phrase: abs(len(one.split()) - len(phrase.split())), default=None)
        if nearest is not None:
            sides = [[one, *said] if kind == "flattering" else [*said, one] for one in (nearest, phrase)]
            found.append((sides[0], sides[1]))
    return found


def _filled(rng: np.random.Generator, said: Sentences, fillers: Sequence[str], word: str | None) -> list[Pair]:
    new = [one for one in fillers if one not in said and not _has(one, word)]
    chosen = [new[i] for i in rng.permutation(len(new))[:FILLER_SENTENCES]]
    return [(said, [*said, *chosen[:count]]) for count in range(len(chosen), 0, -1)]


def _reordered(rng: np.random.Generator, said: Sentences) -> list[Pair]:
    """Return pairs of which the second has another order; more than one, since the first may be the same again."""
    orders = [[said[i] for i in rng.permutation(len(said))] for _ in range(4)]
    return [(said, order) for order in orders]


def _with_word(rng: np.random.Generator, said: Sentences, book: PhraseBook, word: str) -> list[Pair]:
    """Return pairs of which only the second has the word.

    Where a sentence that has it can stand for one that does not, this is a swap. Otherwise the word is put between two
    others.
    """
    if any(_has(one, word) for one in said):
        return []
    for group in book.alike:
        with_it, without = ([one for one in group if _has(one, word) == wanted] for wanted in (True, False))
        if with_it and without:
            new = with_it[rng.integers(len(with_it))]
            places = [i for i, one in enumerate(said) if one in without]
            if places:
                at = places[rng.integers(len(places))]
                return [(said, [*said[:at], new, *said[at + 1 :]])]
            return [([*said, without[rng.integers(len(without))]], [*said, new])]
    if not said:
        return []
    at = int(rng.integers(len(said)))
    words = said[at].split()
    place = int(rng.integers(len(words) + 1))
    return [(said, [*said[:at], " ".join([*words[:place], word, *words[place:]]), *said[at + 1 :]])]


def _has(sentence: str, word: str | None) -> bool:
    """Return True if a sentence has a word, in any case and whatever punctuation is around it."""
    return word is not None and word.lower() in [one.strip(".,;:!?\"'()").lower() for one in sentence.split()]

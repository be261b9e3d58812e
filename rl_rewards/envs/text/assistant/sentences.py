"""All sentences of the assistant world, with what each of them says as a row of numbers, and its vocabulary."""

from enum import IntEnum
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from rl_rewards.envs.text.assistant import world
from rl_rewards.envs.text.trie import Trie
from rl_rewards.envs.text.vocabulary import Vocabulary

STOP = "."
"""The word that ends a sentence."""


class Says(IntEnum):
    """The kinds of sentences. The first is the kind of a row that stands for no sentence."""

    NOTHING = 0
    POLITE = 1
    FLATTERING = 2
    RUDE = 3
    REFUSES = 4
    REDIRECTS = 5
    COMPLIES = 6
    FACT = 7
    STEP = 8
    TOTAL = 9


class Meaning(NamedTuple):
    """What a sentence says, or arrays of it with one shape; -1 where an entry does not apply."""

    kind: Any
    thing: Any = -1  # of a fact, in ``world.THINGS``
    attribute: Any = -1  # of a fact, in ``world.ATTRIBUTES``
    right: Any = -1  # 1 if a fact is true or x + y is z, else 0
    x: Any = -1
    y: Any = -1
    z: Any = -1  # of a step x + y is z, or of a result z
    owner: Any = -1  # whom a redirection names, in ``world.OWNERS``


@cache
def sentences() -> dict[str, Meaning]:
    """Return all sentences without their full stop, and what they say: about 5,000, most of them steps of sums."""
    found: dict[str, Meaning] = {}
    simple = (
        (Says.POLITE, (*world.OPENERS, *world.CLOSERS)),
        (Says.FLATTERING, world.FLATTERIES),
        (Says.RUDE, world.RUDENESSES),
        (Says.REFUSES, world.REFUSALS),
    )
    for kind, texts in simple:
        found |= {text: Meaning(kind) for text in texts}
    for form, (number, owner) in product(world.REDIRECTIONS, enumerate(world.OWNERS)):
        found[form.format(owner=owner)] = Meaning(Says.REDIRECTS, owner=number)
    found[world.UNSEEN] = Meaning(Says.COMPLIES)
    for owner in world.OWNERS:
        found[world.WAITING.format(owner=owner)] = Meaning(Says.COMPLIES)
    for form, verb, thing in product(world.COMPLIANCES, world.VERBS, world.OBJECTS):
        found[form.format(verb=verb, object=thing)] = Meaning(Says.COMPLIES)
    return found | _facts() | _sums()


def _facts() -> dict[str, Meaning]:
    found = {}
    for number, kind in enumerate(world.ATTRIBUTES):
        for (thing, truth), value in product(zip(kind.things, kind.values, strict=True), sorted(set(kind.values))):
            meaning = Meaning(Says.FACT, world.THINGS.index(thing), number, right=int(value == truth))
            found[kind.sentence.format(thing=thing, value=value)] = meaning
    return found


def _sums() -> dict[str, Meaning]:
    first, last = world.DIGITS[0], world.DIGITS[-1]
    found = {world.TOTAL.format(z=z): Meaning(Says.TOTAL, z=z) for z in range(first, 3 * last + 1)}
    for x, y, z in product(range(first, 2 * last + 1), world.DIGITS, range(first, 3 * last + 1)):
        found[world.STEP.format(x=x, y=y, z=z)] = Meaning(Says.STEP, right=int(x + y == z), x=x, y=y, z=z)
    return found


@cache
def vocabulary() -> Vocabulary:
    """Return the words of all sentences and prompts, in alphabetic order, numbers first in theirs."""
    templates = [*sentences(), *world.ABOUT, *world.SUMS, *world.REQUESTS, STOP]
    templates += [question for kind in world.ATTRIBUTES for question in kind.questions]
    words = {word for text in templates for word in text.split() if not word.startswith("{")}
    words |= {*world.THINGS, *world.VERBS, *world.OBJECTS, *world.OWNERS}
    numbers = sorted((word for word in words if word.isdecimal()), key=int)
    return Vocabulary((*numbers, *sorted(words - {*numbers})))


@cache
def recogniser() -> Trie:
    """Return the trie of all sentences, without full stops."""
    words = vocabulary()
    return Trie.of([words.encode(text) for text in sentences()], words.size)


@cache
def meanings() -> np.ndarray:
    """Return what each sentence says [sentences + 1, fields of Meaning] int32; the last row says nothing."""
    nothing = Meaning(Says.NOTHING)
    return np.array([*sentences().values(), nothing], np.int32)

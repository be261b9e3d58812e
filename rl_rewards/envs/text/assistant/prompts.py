"""All prompts of the assistant world, with what each of them asks as a row of numbers.

A fifth to a quarter of them is held out. What is held out is new in its combination only: the ways of asking, the
things, the numbers, the verbs and the objects all occur in the others, and so does every fact.
"""

from enum import IntEnum
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from rl_rewards.envs.text.assistant import world
from rl_rewards.envs.text.assistant.sentences import vocabulary
from rl_rewards.envs.text.trie import Trie
from rl_rewards.envs.text.vocabulary import left_padded

PROMPT_TOKENS = 10
"""P, the longest prompt."""


class Asks(IntEnum):
    """The kinds of prompts. The first is the kind of every text that is not a prompt of this world."""

    NOTHING = 0
    FACT = 1
    ABOUT = 2
    SUM = 3
    HARM = 4


SHARES = {Asks.FACT: 0.45, Asks.ABOUT: 0.15, Asks.SUM: 0.15, Asks.HARM: 0.25}
"""How often each kind is asked."""


class Prompt(NamedTuple):
    """What a prompt asks, or arrays of it with one shape; -1 where an entry does not apply."""

    kind: Any
    thing: Any = -1  # in ``world.THINGS``
    attribute: Any = -1  # in ``world.ATTRIBUTES``
    a: Any = -1
    b: Any = -1
    c: Any = -1  # the three numbers of a sum
    verb: Any = -1
    object: Any = -1
    owner: Any = -1  # of a request, in ``world.VERBS``, ``OBJECTS`` and ``OWNERS``
    held_out: Any = -1  # 1 if it is in the held-out split, else 0


@cache
def prompts() -> dict[str, Prompt]:
    """Return all prompts, about 2,400, and what they ask."""
    found: dict[str, Prompt] = {}
    for number, kind in enumerate(world.ATTRIBUTES):
        for thing, (way, form) in product(kind.things, enumerate(kind.questions)):
            at = world.THINGS.index(thing)
            found[form.format(thing=thing)] = Prompt(Asks.FACT, at, number, held_out=int((at + number) % 4 == way))
    for (at, thing), (way, form) in product(enumerate(world.THINGS), enumerate(world.ABOUT)):
        text = form.format(thing=world.named(thing))
        found[text] = Prompt(Asks.ABOUT, at, held_out=int(at % 4 == way))
    for a, b, c, form in product(world.DIGITS, world.DIGITS, world.DIGITS, world.SUMS):
        out = int((a + 2 * b + 3 * c) % 5 == 0)
        found[form.format(a=a, b=b, c=c)] = Prompt(Asks.SUM, a=a, b=b, c=c, held_out=out)
    for (v, verb), (o, thing), (w, owner), form in product(
        enumerate(world.VERBS), enumerate(world.OBJECTS), enumerate(world.OWNERS), world.REQUESTS
    ):
        request = Prompt(Asks.HARM, verb=v, object=o, owner=w, held_out=int((v + o) % 4 == 0))
        found[form.format(verb=verb, object=thing, owner=owner)] = request
    return found


@cache
def prompt_recogniser() -> Trie:
    """Return the trie of all prompts."""
    words = vocabulary()
    return Trie.of([words.encode(text) for text in prompts()], words.size)


@cache
def prompt_meanings() -> np.ndarray:
    """Return what each prompt asks [prompts + 1, fields of Prompt] int32; the last row asks nothing."""
    return np.array([*prompts().values(), Prompt(Asks.NOTHING)], np.int32)


@cache
def prompt_table(held_out: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the prompts of a split, left-padded [M, P] int32, and the probability of each [M], by ``SHARES``."""
    words = vocabulary()
    of_split = {text: asked for text, asked in prompts().items() if asked.held_out == held_out}
    tokens = [left_padded(words.encode(text), PROMPT_TOKENS, words.pad) for text in of_split]
    kinds = np.array([asked.kind for asked in of_split.values()])
    shares = np.array([SHARES[Asks(kind)] / np.sum(kinds == kind) for kind in kinds])
    return np.stack(tokens), shares

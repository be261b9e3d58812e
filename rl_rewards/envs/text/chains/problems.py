"""The problems of ``env=text_chains``, their vocabulary, and the two splits.

Three kinds differ in how costly it is to check an answer, against finding it:

- ``worked``: "work out 3 + 4 - 2 + 7 ." is answered in steps. To check a step is as much work as to write it.
- ``mental``: "say at once 3 + 4 - 2 ." is answered by a number alone. Who checks it has to solve the problem again.
- ``search``: "make 16 from 8 3 5 2 9 ." asks for three of five numbers with that sum. To find them takes a search; to
  check them takes two sums.
"""

from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np

from rl_rewards.envs.text.vocabulary import Vocabulary, left_padded

TOP = 20
"""The largest number; the smallest is 0."""
DIGITS = range(1, 10)
"""The numbers that are added, subtracted and chosen from."""
PLUS, MINUS = "+", "-"
MOST_OPERATIONS = 4
"""The most operations of a problem, and so the most steps of an answer."""
OPERATIONS = {"worked": (3, 4), "mental": (2, 2)}
"""The least and the most operations of these kinds."""
OFFERED, CHOSEN = 5, 3
"""The numbers that a search chooses from, and those that it takes."""
WORKED, MENTAL, SEARCH = "work out {chain} .", "say at once {chain} .", "make {target} from {offered} ."
STEP, ANSWER, STOP = "{x} {sign} {y} is {z}", "so {z}", "."
"""A step, the answer, and the word that ends both."""
PROMPT_TOKENS = 12
"""P: a worked problem with the most operations."""
LEAST_RESPONSE = 28
"""The least L: so many steps, their answer, and the end."""
DRAWN = {"worked": 6000, "mental": 1500, "search": 6000}
"""Problems that are drawn of each kind; the same ones always."""
HELD_OUT = 5
"""About one problem in so many is held out."""


class Kind(IntEnum):
    """The kinds of problems. The first is the kind of every text that is not a problem."""

    NOTHING = 0
    WORKED = 1
    MENTAL = 2
    SEARCH = 3


KINDS = ("worked", "mental", "search")
"""The names of the kinds, in the order of ``Kind``."""


class Problem(NamedTuple):
    """A problem: a chain of signs and numbers from ``numbers[0]`` on, or a target and the numbers that are offered."""

    kind: Kind
    numbers: tuple[int, ...]  # the first number and those of the operations; or the numbers offered
    signs: tuple[str, ...] = ()
    target: int = -1  # of a search

    @property
    def text(self) -> str:
        """Return the prompt."""
        if self.kind == Kind.SEARCH:
            return SEARCH.format(target=self.target, offered=" ".join(map(str, self.numbers)))
        pairs = (f" {sign} {y}" for sign, y in zip(self.signs, self.numbers[1:], strict=True))
        chain = f"{self.numbers[0]}{''.join(pairs)}"
        return (WORKED if self.kind == Kind.WORKED else MENTAL).format(chain=chain)

    @property
    def held_out(self) -> bool:
        """Return True for problems that are only for evaluation: the numbers and the signs decide, not their order."""
        weighted = sum(number * (place + 1) for place, number in enumerate(self.numbers))
        return (weighted + 2 * self.signs.count(MINUS) + self.target) % HELD_OUT == 0


def results(problem: Problem) -> list[int]:
    """Return the results of all operations of a chain, in their order."""
    found, value = [], problem.numbers[0]
    for sign, y in zip(problem.signs, problem.numbers[1:], strict=True):
        value = applied(value, sign, y)
        found.append(value)
    return found


def applied(x: int, sign: str, y: int) -> int:
    """Return x + y or x - y."""
    return x + y if sign == PLUS else x - y


@cache
def vocabulary() -> Vocabulary:
    """Return the numbers, in their order from token ``FIRST_NUMBER`` on, and the words."""
    texts = (WORKED, MENTAL, SEARCH, STEP, ANSWER, PLUS, MINUS, STOP)
    words = {word for text in texts for word in text.split() if not word.startswith("{")}
    return Vocabulary((*map(str, range(TOP + 1)), *sorted(words)))


FIRST_NUMBER = 2
"""The token of the number 0; that of n is n more."""


@cache
def problems(kind: str) -> tuple[Problem, ...]:
    """Return the problems of a kind, each once, in the order in which they were drawn."""
    draw = np.random.RandomState(KINDS.index(kind))  # its numbers are the same in all versions of numpy
    found: dict[Problem, None] = {}
    for problem in _drawn(kind, draw):
        found[problem] = None
        if len(found) == DRAWN[kind]:
            return tuple(found)
    raise AssertionError("the generator has no end")


def _drawn(kind: str, draw: np.random.RandomState) -> Iterator[Problem]:
    number = Kind(KINDS.index(kind) + 1)
    while True:
        if kind == "search":
            offered = tuple(int(one) for one in draw.permutation(DIGITS)[:OFFERED])
            target = sum(offered[i] for i in draw.permutation(OFFERED)[:CHOSEN])
            if target <= TOP:
                yield Problem(number, offered, target=target)
            continue
        least, most = OPERATIONS[kind]
        count = draw.randint(least, most + 1)
        signs = tuple((PLUS, MINUS)[i] for i in draw.randint(2, size=count))
        problem = Problem(number, tuple(int(one) for one in draw.randint(1, 10, size=count + 1)), signs)
        if all(0 <= value <= TOP for value in results(problem)):
            yield problem


@cache
def problem_table(kinds: tuple[str, ...], held_out: bool) -> tuple[tuple[Problem, ...], np.ndarray, np.ndarray]:
    """Return the problems of a split, their prompts [M, P] int32, and the probability of each [M]: kinds are equal."""
    words = vocabulary()
    chosen = [[one for one in problems(kind) if one.held_out == held_out] for kind in kinds]
    every = tuple(problem for some in chosen for problem in some)
    tokens = [left_padded(words.encode(problem.text), PROMPT_TOKENS, words.pad) for problem in every]
    shares = np.concatenate([np.full(len(some), 1.0 / (len(some) * len(kinds))) for some in chosen])
    return every, np.stack(tokens), shares

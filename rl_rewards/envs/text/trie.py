"""An exact recogniser of a finite set of token sequences, as one table that JAX reads a token at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

ROOT = 0
"""The state before the first token."""


@dataclass(frozen=True, eq=False)
class Trie:
    """A prefix tree. State 0 is the empty prefix, and the last state is that of prefixes of no sequence.

    Only states with a successor have a row in ``moves``, so that the many ends of sequences cost nothing.
    """

    moves: Int[np.ndarray, "inner V"]  # the next state, given a state that can go on and a token
    found: Int[np.ndarray, " states"]  # the number of the sequence that ends in a state, or -1

    @classmethod
    def of(cls, sequences: Iterable[Sequence[int]], vocabulary: int) -> "Trie":
        """Return the trie of distinct sequences of tokens 0 .. ``vocabulary`` - 1, numbered in their order."""
        children: list[dict[int, int]] = [{}]
        ends: dict[int, int] = {}
        for number, sequence in enumerate(sequences):
            state = ROOT
            for token in sequence:
                if token not in children[state]:
                    children[state][token] = len(children)
                    children.append({})
                state = children[state][token]
            ends[state] = number
        inner = [state for state, following in enumerate(children) if following]
        order = inner + [state for state, following in enumerate(children) if not following]
        renamed = {state: new for new, state in enumerate(order)}
        dead = len(order)
        moves = np.full((len(inner), vocabulary), dead, np.int16 if dead < 2**15 else np.int32)
        for row, state in enumerate(inner):
            for token, following in children[state].items():
                moves[row, token] = renamed[following]
        found = np.full(dead + 1, -1, np.int32)
        for state, number in ends.items():
            found[renamed[state]] = number
        return cls(moves, found)

    def advance(self, state: Int[Array, "*batch"], token: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
        """Return the state after ``token``."""
        inner, vocabulary = self.moves.shape
        index = jnp.minimum(state, inner - 1) * vocabulary + token
        following = jnp.asarray(self.moves.reshape(-1))[index].astype(jnp.int32)
        return jnp.where(state < inner, following, len(self.found) - 1)

    def number(self, state: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
        """Return the number of the sequence that ends in ``state``, or -1."""
        return jnp.asarray(self.found)[state]

    def match(self, tokens: Int[Array, "*batch length"], pad: int) -> Int[Array, "*batch"]:
        """Return the number of the sequence that ``tokens`` are, after any pads in front; -1 if they are none."""

        def step(state: Array, token: Array) -> tuple[Array, None]:
            skipped = (state == ROOT) & (token == pad)
            return jnp.where(skipped, ROOT, self.advance(state, token)), None

        first = jnp.full(tokens.shape[:-1], ROOT, jnp.int32)
        state, _ = jax.lax.scan(step, first, jnp.moveaxis(tokens, -1, 0))
        return self.number(state)

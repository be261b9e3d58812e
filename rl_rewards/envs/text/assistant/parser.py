"""The parser of responses in JAX: where sentences end, and which sentences of the grammar they are."""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Int

from rl_rewards.envs.text.assistant.sentences import STOP, recogniser, sentences, vocabulary
from rl_rewards.envs.text.trie import ROOT


class Parsed(struct.PyTreeNode):
    """A response [*batch, L] by its positions: what ends at each of them."""

    number: Int[Array, "*batch L"]  # of the sentence whose full stop is here; the number of sentences where none is
    bad: Bool[Array, "*batch L"]  # words that are no sentence end here: at a full stop, or where the response ends
    length: Int[Array, "*batch"]  # tokens before the end token, or L
    stops: Bool[Array, "*batch"]  # there is an end token


def parse(response: Int[Array, "*batch L"]) -> Parsed:
    """Return the sentences of responses, which may be any tokens; those after the first end token do not count.

    A sentence is what stands between two full stops. One without words, one with a pad, and words after the last full
    stop are bad sentences.
    """
    words, trie = vocabulary(), recogniser()
    stop, none = words.encode(STOP)[0], len(sentences())
    ends = response == words.end
    stops = jnp.any(ends, axis=-1)
    length = jnp.where(stops, jnp.argmax(ends, axis=-1), response.shape[-1]).astype(jnp.int32)

    def step(state: Array, token: Array) -> tuple[Array, Array]:
        after = jnp.where(token == stop, ROOT, trie.advance(state, token))
        return after, state

    first = jnp.full(response.shape[:-1], ROOT, jnp.int32)
    _, before = jax.lax.scan(step, first, jnp.moveaxis(response, -1, 0))
    before = jnp.moveaxis(before, 0, -1)  # [*batch, L] the state of the words before each token
    position = jnp.arange(response.shape[-1])
    inside = position < length[..., None]
    closed = inside & (response == stop)
    found = trie.number(before)
    is_last = position == length[..., None] - 1
    unfinished = is_last & (response != stop)
    return Parsed(
        number=jnp.where(closed & (found >= 0), found, none),
        bad=(closed & (found < 0)) | unfinished,
        length=length,
        stops=stops,
    )

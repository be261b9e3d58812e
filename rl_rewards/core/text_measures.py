"""Measures of generated token sequences: how long, how varied and how repetitive they are."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from rl_rewards.core.losses import masked_mean
from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.types import Metrics


def said_tokens(text: TextSpec, tokens: Array) -> Bool[Array, "*batch L"]:
    """Return True for the tokens of each response that come before its end.

    Args:
        tokens: [*batch, n], of which the last ``text.response_tokens`` are the response.
    """
    response = tokens[..., -text.response_tokens :].astype(jnp.int32)
    return (jnp.cumsum(response == text.end, axis=-1) == 0) & (response != text.pad)


def response_length(text: TextSpec, tokens: Array) -> Float[Array, "*batch"]:
    """Return the number of tokens of each response before its end.

    Args:
        tokens: [*batch, n], of which the last ``text.response_tokens`` are the response.
    """
    return jnp.sum(said_tokens(text, tokens), axis=-1).astype(jnp.float32)


def ngrams(tokens: Int[Array, "N L"], mask: Bool[Array, "N L"], n: int) -> tuple[Int[Array, "N G"], Bool[Array, "N G"]]:
    """Return a 32-bit hash of every ``n`` successive tokens of a sequence, and where all of them are in the mask.

    G is L - n + 1. Two different n-grams have the same hash with a probability of about 2^-32.
    """
    length = tokens.shape[1] - n + 1
    hashed, inside = jnp.zeros(tokens[:, :length].shape, jnp.uint32), jnp.ones(tokens[:, :length].shape, bool)
    for i in range(n):
        part = tokens[:, i : i + length].astype(jnp.uint32)
        hashed = _mixed(hashed ^ (part + jnp.uint32(0x9E3779B9) + (hashed << 6) + (hashed >> 2)))
        inside &= mask[:, i : i + length]
    return hashed.astype(jnp.int32), inside


def sequence_hash(tokens: Int[Array, "*batch L"]) -> UInt32[Array, "*batch"]:
    """Return a 32-bit hash of every sequence of tokens."""
    place = jnp.arange(1, tokens.shape[-1] + 1, dtype=jnp.uint32) * jnp.uint32(0x9E3779B9)
    return _mixed(jnp.sum(_mixed(tokens.astype(jnp.uint32) ^ _mixed(place)), axis=-1, dtype=jnp.uint32))


def held_out_prompts(prompts: Int[Array, "*batch P"], every: int) -> Bool[Array, "*batch"]:
    """Return True for about one prompt in ``every``: always for the same prompts, whatever the responses are."""
    return sequence_hash(prompts) % every == every - 1


def distinct_share(values: Int[Array, "*batch M"], mask: Bool[Array, "*batch M"]) -> Float[Array, "*batch"]:
    """Return the number of different values in the mask, as a fraction of the number of values there; 1 without any."""
    largest = jnp.iinfo(jnp.int32).max
    ordered = jnp.sort(jnp.where(mask, values, largest), axis=-1)
    count = jnp.sum(mask, axis=-1)
    inside = jnp.arange(values.shape[-1]) < count[..., None]
    first = jnp.concatenate([jnp.ones_like(inside[..., :1]), ordered[..., 1:] != ordered[..., :-1]], axis=-1)
    return jnp.where(count > 0, jnp.sum(first & inside, axis=-1) / jnp.maximum(count, 1), 1.0)


def text_metrics(tokens: Int[Array, "N L"], mask: Bool[Array, "N L"], ended: Bool[Array, " N"]) -> Metrics:
    """Return metrics of N responses.

    They are the mean length in tokens; the share that ended; distinct-1 and distinct-2, the share of different words
    and word pairs among all of them (Li et al. 2016, arXiv:1510.03055); the mean share of trigrams that repeat an
    earlier one of the same response; and the share of different responses.
    """
    singles, pairs, triples = (ngrams(tokens, mask, n) for n in (1, 2, 3))
    whole = sequence_hash(jnp.where(mask, tokens, -1)).astype(jnp.int32)
    everything = jnp.ones(len(tokens), bool)
    return {
        "agent/length": jnp.mean(jnp.sum(mask, axis=1).astype(jnp.float32)),
        "agent/ended": jnp.mean(ended.astype(jnp.float32)),
        "agent/distinct_1": distinct_share(*(x.reshape(-1) for x in singles)),
        "agent/distinct_2": distinct_share(*(x.reshape(-1) for x in pairs)),
        "agent/repetition": 1.0 - masked_mean(distinct_share(*triples), everything),
        "agent/unique_responses": distinct_share(whole, everything),
    }


def _mixed(x: Array) -> Array:
    """Return uint32 values whose bits all depend on all bits of ``x`` (the end of MurmurHash3)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)

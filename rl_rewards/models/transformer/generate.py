"""Samples responses from a language model, and scores given ones; both under the same policy.

The policy is the softmax of the logits over the allowed tokens at temperature 1, without truncation. Padding is never
allowed. Sizes: B sequences, P tokens of a prompt (padded on the left), L tokens of a response (padded on the right
after its end token), V vocabulary, W width. ``params`` is always what ``LanguageModel.init`` returns.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int

from rl_rewards.core.types import Key
from rl_rewards.models.transformer.network import MASKED, Cache, LanguageModel


@struct.dataclass
class Generated:
    """Responses that a language model sampled."""

    response: Int[Array, "B L"]  # int32, padding after the end token
    log_prob: Float[Array, "B L"]  # of each sampled token at temperature 1, in nats; 0 outside the mask
    mask: Bool[Array, "B L"]  # True up to and including the end token


@struct.dataclass
class Scored:
    """The probabilities of given responses; everything at index l concerns the response's token l."""

    log_prob: Float[Array, "B L"]  # of each token given those before it, in nats; 0 outside the mask
    entropy: Float[Array, "B L"]  # of the distribution from which the token is drawn, in nats; 0 outside the mask
    mask: Bool[Array, "B L"]  # True up to and including the end token
    hidden: Float[Array, "B L W"]  # the last vector before the token, from which it is predicted
    logits: Float[Array, "B L V"] | None  # over allowed tokens, the others about -1e30; None unless asked for


def allowed_logits(logits: Float[Array, "*batch V"], allowed: int, pad: int) -> Float[Array, "*batch V"]:
    """Return the logits with those of padding and of tokens from ``allowed`` on so low that they are never drawn."""
    token = jnp.arange(logits.shape[-1])
    return jnp.where((token < allowed) & (token != pad), logits, MASKED)


def response_mask(response: Int[Array, "*batch L"], end: int, pad: int) -> Bool[Array, "*batch L"]:
    """Return True for a response's tokens up to and including the first end token, except padding."""
    ended_before = jnp.cumsum(response == end, axis=-1) - (response == end) > 0
    return ~ended_before & (response != pad)


def log_prob_of(token: Int[Array, "*batch"], logits: Float[Array, "*batch V"]) -> Float[Array, "*batch"]:
    """Return the log-probability of each token under the softmax of its logits, in nats."""
    chosen = jnp.arange(logits.shape[-1]) == token[..., None]
    return jnp.sum(jnp.where(chosen, logits, 0.0), axis=-1) - jax.nn.logsumexp(logits, axis=-1)


def likeliest(logits: Float[Array, "*batch V"]) -> Int[Array, "*batch"]:
    """Return the first token with the greatest logit; XLA's argmax on CPUs is many times slower."""
    return _first(logits == logits.max(axis=-1, keepdims=True))


def draw_token(key: Key, logits: Float[Array, "*batch V"]) -> Int[Array, "*batch"]:
    """Return a token drawn from the softmax of the logits: the first whose cumulated weight exceeds a uniform share.

    With one random number for a row, instead of one for each token, generation on CPUs is a third faster. Tokens of
    probability below 1e-7 are drawn about as rarely as they should be; those of probability 0 never.
    """
    weights = jnp.exp(logits - logits.max(axis=-1, keepdims=True))
    below = jnp.cumsum(weights, axis=-1)
    share = jax.random.uniform(key, logits.shape[:-1]) * below[..., -1]
    first = _first((below > share[..., None]) & (weights > 0))
    return jnp.where(first == logits.shape[-1], likeliest(logits), first)  # the share was rounded up to the sum


def _first(marked: Bool[Array, "*batch V"]) -> Int[Array, "*batch"]:
    size = marked.shape[-1]
    return jnp.min(jnp.where(marked, jnp.arange(size), size), axis=-1)


def generate(
    network: LanguageModel,
    params: Any,
    prompt: Int[Array, "B P"],
    key: Key,
    response_tokens: int,
    end: int,
    allowed: int,
    temperature: float | Float[Array, ""] = 1.0,
    greedy: bool = False,
) -> Generated:
    """Return a response to every prompt, sampled in one scan; the key is consumed.

    Args:
        response_tokens: L; a response without end token has exactly this length.
        end: the token after which a response is padded.
        allowed: only tokens below it are sampled, and never padding.
        temperature: above 0; the logits are divided by it, but ``log_prob`` is that of temperature 1.
        greedy: take the likeliest token instead of sampling.
    """
    pad = network.pad

    def sample(logits: Any, done: Array, key: Array) -> tuple[Array, Array, Array]:
        logits = allowed_logits(logits, allowed, pad)
        drawn = likeliest(logits) if greedy else draw_token(key, logits / temperature)
        log_prob = log_prob_of(drawn, logits)
        return jnp.where(done, pad, drawn).astype(jnp.int32), jnp.where(done, 0.0, log_prob), ~done

    def step(carry: tuple[Cache, Array, Array], key: Array) -> tuple[tuple[Cache, Array, Array], Any]:
        cache, token, done = carry
        cache, logits = network.apply(params, cache, token, method="decode")
        now = sample(logits, done, key)
        return (cache, now[0], done | (now[0] == end)), now

    key_first, key_later = jax.random.split(key)
    cache, logits = network.apply(params, prompt, prompt.shape[1] + response_tokens - 1, method="prefill")
    first = sample(logits, jnp.zeros(len(prompt), bool), key_first)
    keys = jax.random.split(key_later, response_tokens - 1)
    _, later = jax.lax.scan(step, (cache, first[0], first[0] == end), keys)
    whole = (jnp.concatenate([a[None], b]).T for a, b in zip(first, later, strict=True))
    return Generated(*whole)


def score(
    network: LanguageModel,
    params: Any,
    prompt: Int[Array, "B P"],
    response: Int[Array, "B L"],
    end: int,
    allowed: int,
    with_logits: bool = False,
) -> Scored:
    """Return the log-probabilities of responses' tokens, from one pass over prompts and responses.

    Args:
        end, allowed: as in :func:`generate`.
        with_logits: also return the logits, for a divergence over the whole vocabulary.
    """
    length = response.shape[1]
    tokens = jnp.concatenate([prompt, response[:, :-1]], axis=1)
    hidden: Any = network.apply(params, tokens, method="hidden")
    hidden = hidden[:, -length:]
    logits: Any = network.apply(params, hidden, method="logits")
    logits = allowed_logits(logits, allowed, network.pad)
    log_probs = jax.nn.log_softmax(logits)
    chosen = jnp.arange(network.vocabulary) == response[..., None]
    log_prob = jnp.sum(jnp.where(chosen, log_probs, 0.0), axis=-1)
    entropy = -jnp.sum(jnp.exp(log_probs) * log_probs, axis=-1)
    mask = response_mask(response, end, network.pad)
    return Scored(
        log_prob=jnp.where(mask, log_prob, 0.0),
        entropy=jnp.where(mask, entropy, 0.0),
        mask=mask,
        hidden=hidden,
        logits=logits if with_logits else None,
    )

"""How a language model is asked for a critique of a response and for a revision, and how its critique is read.

The words come from the environment (:class:`~rl_rewards.core.types.CritiqueSpec`; Bai et al. 2022, arXiv:2212.08073,
section 3.1). Sizes: N responses, P tokens of a prompt, L of a response, C of a critique.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.text_spec import CritiqueSpec, TextSpec

LEAST_DOUBT = 1e-6
"""The least probability that a critique which finds no fault is given or denied, so that its log-odds are finite."""


def critique_prompts(
    text: TextSpec,
    words: CritiqueSpec,
    prompt: Int[Array, "N P"],
    response: Int[Array, "N L"],
    principle: Int[Array, " N"],
) -> Int[Array, "N C"]:
    """Return what a model is asked for a critique of each response by the principle with this number."""
    longest = words.longest_request
    requests = jnp.array([[*one, *[text.pad] * (longest - len(one))] for one in words.requests], jnp.int32)
    return _joined(text, [prompt, _each(words.before_response, prompt), response, requests[principle]])


def revision_prompts(
    text: TextSpec, words: CritiqueSpec, asked: Int[Array, "N P"], critique: Int[Array, "N C"]
) -> Int[Array, "N D"]:
    """Return what a model is asked for a revision, after it was ``asked`` for a critique and gave this one."""
    return _joined(text, [asked, critique, _each(words.before_revision, asked)])


def finds_no_fault(text: TextSpec, words: CritiqueSpec, critique: Int[Array, "N C"]) -> Bool[Array, " N"]:
    """Return True for the critiques that find no fault."""
    return jnp.all(critique == fine_critique(text, words), axis=-1)


def fine_critique(text: TextSpec, words: CritiqueSpec) -> Int[Array, " C"]:
    """Return the critique that finds no fault, with its end token and pads."""
    rest = words.critique_tokens - len(words.fine) - 1
    return jnp.array([*words.fine, text.end, *[text.pad] * rest], jnp.int32)


def fine_log_odds(
    log_prob: Callable[[Int[Array, "N Q"], Int[Array, "N C"]], Float[Array, " N"]],
    text: TextSpec,
    words: CritiqueSpec,
    asked: Int[Array, "N Q"],
) -> Float[Array, " N"]:
    """Return the log-odds that a model finds no fault in responses, against all its other critiques, in nats.

    Args:
        log_prob: of whole answers to prompts, by the model.
        asked: what :func:`critique_prompts` returns.
    """
    answer = jnp.broadcast_to(fine_critique(text, words), (len(asked), words.critique_tokens))
    share = jnp.clip(jnp.exp(log_prob(asked, answer)), LEAST_DOUBT, 1.0 - LEAST_DOUBT)
    return jnp.log(share) - jnp.log1p(-share)


def _each(tokens: tuple[int, ...], like: Int[Array, "N n"]) -> Int[Array, "N m"]:
    return jnp.broadcast_to(jnp.array(tokens, jnp.int32), (len(like), len(tokens)))


def _joined(text: TextSpec, parts: Sequence[Array]) -> Int[Array, "N total"]:
    """Return the parts [N, n] one after another, without their pads and end tokens, left-padded."""
    tokens = jnp.concatenate(parts, axis=1)
    kept = (tokens != text.pad) & (tokens != text.end)
    order = jnp.argsort(kept, axis=1, stable=True)
    return jnp.take_along_axis(jnp.where(kept, tokens, text.pad), order, axis=1)

"""The responses of a language model as arrays of tokens: a response is a trajectory, and a token is a step."""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.types import Transition
from rl_rewards.models.transformer.generate import response_mask


class Responses(struct.PyTreeNode):
    """N prompts and their responses. P is the length of a prompt, and L that of a response."""

    prompt: Int[Array, "N P"]  # padded on the left
    response: Int[Array, "N L"]  # ends in the end token, unless it was cut; then padding
    mask: Bool[Array, "N L"]  # True for the tokens of the response, the end token included
    log_prob: Float[Array, "N L"]  # of the policy that sampled them, in nats; 0 if it is not known
    ended: Bool[Array, " N"]  # False for a response that was cut at L tokens


def responses_of(text: TextSpec, transitions: Transition) -> Responses:
    """Return the prompts and responses of transitions [*batch], in one row of N."""
    found = _responses(text, transitions.obs[..., : text.prompt_tokens], transitions.action)
    log_prob = transitions.behaviour.get("log_prob")
    return found if log_prob is None else found.replace(log_prob=log_prob.reshape(found.response.shape))


def responses_in(text: TextSpec, whole: Float[Array, "*batch C"] | Int[Array, "*batch C"]) -> Responses:
    """Return the prompts and responses in whole texts of C = P + L tokens, which may be floats, in one row of N."""
    tokens = whole.astype(jnp.int32)
    return _responses(text, tokens[..., : text.prompt_tokens], tokens[..., text.prompt_tokens :])


def _responses(text: TextSpec, prompt: Int[Array, "*batch P"], response: Int[Array, "*batch L"]) -> Responses:
    response = response.reshape(-1, text.response_tokens)
    mask = response_mask(response, text.end, text.pad)
    return Responses(
        prompt=prompt.reshape(-1, text.prompt_tokens),
        response=response,
        mask=mask,
        log_prob=jnp.zeros(response.shape),
        ended=jnp.any(mask & (response == text.end), axis=-1),
    )

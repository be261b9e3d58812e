"""The steps of a response: where they end, so that each can be judged by itself."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from rl_rewards.core.text_spec import TextSpec


def step_ends(text: TextSpec, response: Int[Array, "*batch L"]) -> Bool[Array, "*batch L"]:
    """Return True at the last token of every step of responses; every response has a last step.

    A step ends with the token ``text.step``. The last step ends with the response: at its end token, or at token L if
    there is none. What stands there is the whole response, so that a response that stops too early can be told from
    one that goes on.
    """
    assert text.step is not None, "only texts with steps are asked for them"
    place = jnp.arange(response.shape[-1])
    is_end = response == text.end
    ended = jnp.any(is_end, axis=-1)[..., None]
    last = jnp.where(ended, jnp.argmax(is_end, axis=-1)[..., None], response.shape[-1] - 1)
    return ((response == text.step) & (place < last - ended)) | (place == last)

"""``env.gold=rated``: a true reward of texts in any model's tokens, from texts whose sentiment people have rated.

gold = 4 tanh(u / 4);  u = sentiment - strange - repeated - no end - short

The sentiment is the rating that people would give the response, from -4 to 4, by a linear model of its tokens and pairs
of tokens. Alone it would reward "great great love", so the rest guards fluency: a response is strange as far as its
tokens follow one another less probably than those of most human texts do.
"""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from rl_rewards.core.text_measures import distinct_share, ngrams
from rl_rewards.data.rated.sentiment import RatedModel, mean_log_prob, sentiment

BOUND = 4.0
"""The largest magnitude of gold."""
STRANGE, MOST_STRANGE = 2.0, 4.0
"""The cost of each nat by which the mean log-probability of a token lies below most human texts; the largest cost."""
REPEATED, NO_END = 4.0, 1.0
"""The cost of a response all of whose pairs of tokens repeat earlier ones, and of a missing end token."""
LEAST_TOKENS, SHORT = 5, 0.5
"""The fewest tokens of a sentence, and the cost of each token fewer."""


class RatedParts(struct.PyTreeNode):
    """Gold and its parts, each [*batch] f32."""

    gold: Float[Array, "*batch"]
    sentiment: Float[Array, "*batch"]  # in [-4, 4]
    log_prob: Float[Array, "*batch"]  # the mean of a token, in nats
    strange: Float[Array, "*batch"]  # the costs
    repeated: Float[Array, "*batch"]
    short: Float[Array, "*batch"]
    ended: Float[Array, "*batch"]  # 1 if there is an end token


def rated_parts(model: RatedModel, response: Int[Array, "*batch L"], end: int, pad: int) -> RatedParts:
    """Return gold and its parts for responses that are padded after their end token. Jittable."""
    batch, tokens = response.shape[:-1], response.reshape(-1, response.shape[-1])
    mask = (tokens != pad) & (tokens != end)
    ended = jnp.any(tokens == end, axis=1)
    felt, told = sentiment(model, tokens, mask), mean_log_prob(model, tokens, mask)
    strange = jnp.clip(STRANGE * (model.usual - told), 0.0, MOST_STRANGE)
    repeated = REPEATED * (1.0 - distinct_share(*ngrams(tokens, mask, 2)))
    short = SHORT * jnp.maximum(LEAST_TOKENS - jnp.sum(mask, axis=1), 0)
    worth = felt - strange - repeated - short - NO_END * ~ended
    parts = {
        "gold": BOUND * jnp.tanh(worth / BOUND),
        "sentiment": felt,
        "log_prob": told,
        "strange": strange,
        "repeated": repeated,
        "short": short,
        "ended": ended,
    }
    return RatedParts(**{name: value.reshape(batch).astype(jnp.float32) for name, value in parts.items()})

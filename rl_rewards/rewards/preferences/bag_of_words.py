"""A baseline for reward models of texts: a linear model of how often each token stands in a response.

P(first preferred) = sigmoid(w . (counts of first - counts of second)), fitted by Newton's method with a normal prior on
w. A reward model that orders held-out responses no better has not learned what the words say together.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rl_rewards.core.queries import pair_targets, preference_logits, right
from rl_rewards.core.text_spec import TextSpec

BUCKETS = 512
"""The largest number of features; of a larger vocabulary, several tokens share one."""
PRECISION = 1.0
"""The precision of the prior on each weight, which is a logit per token."""
STEPS = 8
"""Newton steps from 0; the loss is convex, and these reach its minimum to about three digits."""


def bag_of_words_accuracy(
    text: TextSpec,
    texts: Float[Array, "D K T"],
    scores: Float[Array, "D K"],
    trained: Bool[Array, " D"],
    heldout: Bool[Array, " D"],
) -> Float[Array, ""]:
    """Return the share of decided held-out pairs that the baseline orders as they were answered; NaN without any.

    Args:
        texts: prompts and responses, as tokens.
        scores: the answers; NaN where there is none.
        trained: True for the queries that the baseline is fitted to.
    """
    counts = token_counts(text, texts)
    returns = counts @ fitted_weights(counts, jnp.where(trained[:, None], scores, jnp.nan))
    found, decided = (jnp.sum(one) for one in right(returns, jnp.where(heldout[:, None], scores, jnp.nan)))
    return jnp.where(decided > 0, found / jnp.maximum(decided, 1.0), jnp.nan)


def token_counts(text: TextSpec, texts: Float[Array, "*batch T"]) -> Float[Array, "*batch W"]:
    """Return how often each token stands in every response, its prompt and padding left out."""
    words = min(text.vocabulary, BUCKETS)
    tokens = texts[..., text.prompt_tokens :].astype(jnp.int32).reshape(-1, texts.shape[-1] - text.prompt_tokens)
    rows = jnp.arange(len(tokens))[:, None]
    counts = jnp.zeros((len(tokens), words)).at[rows, tokens % words].add(tokens != text.pad)
    return counts.reshape(*texts.shape[:-1], words)


def fitted_weights(counts: Float[Array, "D K W"], scores: Float[Array, "D K"]) -> Float[Array, " W"]:
    """Return the weights with the largest posterior probability, given the answers; NaN where there is none."""
    target, known = pair_targets(scores)
    decided = (known & (target != 0.5)).reshape(-1)
    features = jnp.moveaxis(preference_logits(jnp.moveaxis(counts, -1, 0)), 0, -1)
    features = jnp.where(decided[:, None], features.reshape(len(decided), -1), 0.0)

    def newton(weights: Array, _: None) -> tuple[Array, None]:
        first = jax.nn.sigmoid(features @ weights)
        slope = features.T @ (first - target.reshape(-1)) + PRECISION * weights
        curvature = (features * (first * (1.0 - first))[:, None]).T @ features
        curvature += PRECISION * jnp.eye(len(weights))
        return weights - jax.scipy.linalg.solve(curvature, slope, assume_a="pos"), None

    weights, _ = jax.lax.scan(newton, jnp.zeros(features.shape[1]), None, STEPS)
    return weights

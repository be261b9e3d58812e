"""Draws of episodes that begin in the same state, such as responses to one prompt, and how a reward orders them."""

import jax
import jax.numpy as jnp

from rl_rewards.core.checks import require
from rl_rewards.core.queries import right
from rl_rewards.core.types import Key, Transition
from rl_rewards.data.draws import shuffled
from rl_rewards.loop.state import Parts, TrainState
from rl_rewards.rewards.base import reward_fn


def sample_same_start(rollout: Transition, same_start: int, key: Key, queries: int, clips: int) -> Transition:
    """Return the first steps of episodes with the same start, leaves [queries, clips, 1, ...].

    The starts are in a random order, and none is drawn twice before all are; of each, ``clips`` different episodes.

    Args:
        rollout: [T, B, ...]; in step 0, each ``same_start`` successive environments are in the same state.

    Raises:
        ConfigError: if there are fewer than ``clips`` episodes with the same start.
    """
    require(
        clips <= same_start,
        f"reward.clips={clips} responses are compared, but there are only algorithm.same_start={same_start} with the "
        "same start; it must be at least reward.clips.",
    )
    group_key, member_key = jax.random.split(key)
    starts = rollout.valid.shape[1] // same_start
    group = shuffled(group_key, starts)[jnp.arange(queries)[:, None] % starts]
    order = jax.vmap(lambda k: jax.random.permutation(k, same_start)[:clips])(jax.random.split(member_key, queries))
    return jax.tree.map(lambda x: x[0, group * same_start + order][:, :, None], rollout)


def same_start_accuracy(parts: Parts, state: TrainState, rollout: Transition) -> jax.Array:
    """Return the share of pairs of one-step episodes with the same start that the reward orders like the true reward.

    Pairs with equal true rewards do not count, and equal learned ones count as half; NaN without a pair. Unlike the
    accuracy on labels, this is on what the policy does now.
    """
    shape = (-1, parts.algorithm.requirements.same_start)
    true = rollout.env_reward[0].reshape(shape)
    learned = reward_fn(parts.source, state.reward)(rollout)[0].reshape(shape)
    found, decided = right(learned, true)
    return jnp.where(jnp.sum(decided) > 0, jnp.sum(found) / jnp.maximum(jnp.sum(decided), 1.0), jnp.nan)

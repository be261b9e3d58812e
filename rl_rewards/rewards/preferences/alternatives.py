"""Alternatives to a segment, for corrections and descriptions: somebody chooses what would have been better.

A query shows what the policy did, and alternatives to it. The answer is the choice of one of them, or of the segment
itself, and its likelihood is exp(R) over the sum for all of them (reward-rational choice, Jeon, Milli and Dragan 2020,
arXiv:2002.04833; :func:`rl_rewards.core.queries.choice_loss`).

``corrections``: what could have been done instead. With ``pushes``, somebody takes the controls for a while and holds
one action, and the environment says what follows: a push deforms what the robot does (Bajcsy et al. 2017, "Learning
Robot Objectives from Physical Human Interaction"), and begins where it was (Metz et al. 2025, arXiv:2502.21038, where
an expert makes the only alternative). With ``experience``, the alternatives are segments of the policy's experience:
those that begin most like the first one.

``descriptions``: the feature that matters, and in which direction. An alternative is the same segment with one entry of
its observations higher or lower. It need not be possible, and no environment makes it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from rl_rewards.core.types import Box, Discrete, EnvSpec, Experience, Key, Transition, box_bounds

NEIGHBOURS = 256
"""The least number of segments among which those with the most similar beginnings are found."""


def pushes(spec: EnvSpec, experience: Experience, segments: Transition, count: int, key: Key) -> Transition:
    """Return ``count`` corrections of each segment [N, L, ...]: leaves [N, count, L, ...].

    Each takes the segment's own actions, but in some consecutive steps, in which one action is held. These steps and
    the action are drawn uniformly.
    """
    n, steps = segments.valid.shape
    action_key, window_key, step_key = jax.random.split(key, 3)
    held = _any_action(spec.action, (n, count), action_key)
    ends = jnp.sort(jax.random.randint(window_key, (n, count, 2), 0, steps), axis=-1)
    place = jnp.arange(steps)
    inside = (place >= ends[..., :1]) & (place <= ends[..., 1:])  # [N, count, L]
    inside = inside.reshape(*inside.shape, *[1] * len(spec.action.shape))
    action = jnp.where(inside, held[:, :, None].astype(segments.action.dtype), segments.action[:, None])
    several = jax.tree.map(lambda x: jnp.repeat(x, count, axis=0), segments)
    made = experience.retry(step_key, several, action.reshape(n * count, *action.shape[2:]))
    return jax.tree.map(lambda x: x.reshape(n, count, *x.shape[1:]), made)


def _any_action(space: Box | Discrete, batch: tuple[int, ...], key: Key) -> Array:
    """Return uniformly drawn actions [*batch, ...]; an entry without bounds is drawn from [-1, 1]."""
    if isinstance(space, Discrete):
        return jax.random.randint(key, batch, 0, space.n)
    low, high = (np.where(np.isfinite(bound), bound, np.sign(bound)) for bound in box_bounds(space))
    return jax.random.uniform(key, (*batch, *space.shape), minval=low, maxval=high)


def similar_beginnings(experience: Experience, segments: Transition, count: int, key: Key) -> Transition:
    """Return for each segment [N, L, d] the ``count`` others that begin most like it: leaves [N, count, L, ...].

    Observations are compared by their Euclidean distance, in standard deviations of what was drawn.
    """
    n, steps = segments.valid.shape
    drawn = experience.sample_segments(key, max(n, NEIGHBOURS), steps)
    scale = jnp.maximum(jnp.std(drawn.obs, axis=(0, 1)), 1e-6)
    first, others = segments.obs[:, 0] / scale, drawn.obs[:, 0] / scale
    distance = jnp.sum(jnp.square(first[:, None] - others), axis=-1)  # [N, M]
    itself = distance == 0.0
    index = jax.lax.top_k(-jnp.where(itself, jnp.inf, distance), count)[1]
    return jax.tree.map(lambda x: x[index], drawn)


def edits(spec: EnvSpec, segments: Transition, entries: tuple[int, ...], by: Float[Array, "N F"]) -> Transition:
    """Return each segment [N, L, ...] with one entry of its observations changed: leaves [N, 2F, L, ...].

    Alternatives 0, 2, ... have the entries 0, 1, ... of ``entries`` higher by ``by``, and 1, 3, ... lower, as far as
    the bounds of observations allow. The true reward is unknown: NaN. ``info`` stays that of the segment.
    """
    low, high = box_bounds(spec.obs)
    sign = jnp.tile(jnp.array([1.0, -1.0]), len(entries))
    change = sign * jnp.repeat(by, 2, axis=-1)  # [N, 2F]
    at = np.repeat(np.asarray(entries), 2)
    moved = change[..., None] * jax.nn.one_hot(at, spec.obs.shape[0])  # [N, 2F, d]

    def edited(obs: Array) -> Array:
        return jnp.clip(obs[:, None] + moved[:, :, None], low, high).astype(obs.dtype)

    several = jax.tree.map(lambda x: jnp.repeat(x[:, None], 2 * len(entries), axis=1), segments)
    return several.replace(
        obs=edited(segments.obs),
        next_obs=edited(segments.next_obs),
        env_reward=jnp.full_like(several.env_reward, jnp.nan),
    )


def beside(segments: Transition, others: Transition) -> Transition:
    """Return segments [N, L, ...] followed by their alternatives [N, K - 1, L, ...]: leaves [N, K, L, ...]."""
    return jax.tree.map(lambda one, more: jnp.concatenate([one[:, None], more], axis=1), segments, others)

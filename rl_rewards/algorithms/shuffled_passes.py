"""Passes over a rollout in shuffled minibatches, which stop where the policy has moved too far.

As in PPO (Schulman et al. 2017, arXiv:1707.06347); stopping early as in Stable-Baselines3 and Spinning Up.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float

from rl_rewards.core.branches import traced
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.pieces import true_first
from rl_rewards.core.types import Key, Metrics
from rl_rewards.data.draws import shuffled
from rl_rewards.models.recurrence import Sequences

KL_TOLERANCE = 1.5
"""The passes stop when the KL divergence on a minibatch exceeds this times ``target_kl``."""


class PPOBatch(struct.PyTreeNode):
    """The data of one minibatch. Leaves are [N, ...] for N steps, or [N, T, ...] for N sequences of T steps."""

    inputs: jax.Array  # [*, d] normalised observations, or images [*, H, W, C] uint8
    action: jax.Array  # in the policy's own scale
    log_prob: Float[Array, " N *T"]  # of the behaviour policy
    advantage: Float[Array, " N *T"]
    value_target: Float[Array, " N *T"]
    valid: Bool[Array, " N *T"]
    sequences: Sequences | None = None  # None for single steps
    partly_valid: bool = struct.field(pytree_node=False, default=False)  # other steps are another player's


Step = Callable[[Any, Any], tuple[Any, Metrics]]
"""(learner, minibatch) -> the learner after a gradient step, and metrics with "agent/kl"."""


def shuffled_passes(
    step: Step, learner: Any, batch: Any, key: Key, *, epochs: int, minibatches: int, target_kl: float | None
) -> tuple[Any, Metrics]:
    """Return the learner after ``epochs`` shuffled passes over ``batch``, and the mean metrics.

    With ``target_kl``, all remaining minibatches are skipped as soon as the KL divergence from the policy that
    collected the rollout exceeds 1.5 target_kl on a minibatch (the k3 estimate, before that minibatch's own update).
    The critic stops too. ``batch`` has leaves with the same first axis, and the fields ``log_prob``, ``valid`` and
    ``partly_valid`` of a :class:`PPOBatch`. With several seeds in one program, skipping saves no time: under
    ``vmap``, ``cond`` computes both branches and selects one for each seed.
    """
    one = step if target_kl is None else _unless_far(step, KL_TOLERANCE * target_kl)

    def epoch(carry: Any, epoch_key: Key) -> tuple[Any, Any]:
        order = shuffled(epoch_key, len(batch.log_prob)).reshape(minibatches, -1)
        if batch.partly_valid:
            order = jax.vmap(lambda row: row[true_first(batch.valid[row])])(order)
        return jax.lax.scan(lambda c, i: one(c, jax.tree.map(lambda x: x[i], batch)), carry, order)

    keys = jax.random.split(key, epochs)
    if target_kl is None:
        learner, metrics = jax.lax.scan(epoch, learner, keys)
        return learner, jax.tree.map(jnp.mean, metrics)
    (learner, _), (metrics, tried, made) = jax.lax.scan(epoch, (learner, jnp.array(False)), keys)
    metrics = jax.tree.map(lambda x: masked_mean(x, tried), metrics)
    return learner, metrics | {"agent/epochs_used": jnp.sum(made) / minibatches}


def _unless_far(step: Step, farthest: float) -> Callable[..., tuple[Any, tuple[Metrics, Array, Array]]]:
    """Return ``step`` for a carry (learner, stopped), and for results (metrics, it was tried, it was made)."""

    def step_unless_far(carry: tuple, part: Any) -> tuple[tuple, tuple[Metrics, Array, Array]]:
        def attempt(learner: Any) -> tuple[Any, Metrics, Array]:
            stepped, metrics = step(learner, part)
            far = metrics["agent/kl"] > farthest
            return jax.tree.map(lambda old, new: jnp.where(far, old, new), learner, stepped), metrics, far

        learner, stopped = carry
        attempt, (_, shapes, _) = traced(attempt, learner)

        def skip(learner: Any) -> tuple[Any, Metrics, Array]:
            return learner, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes), jnp.array(True)

        learner, metrics, far = jax.lax.cond(stopped, skip, attempt, learner)
        return (learner, far), (metrics, ~stopped, ~far)

    return step_unless_far

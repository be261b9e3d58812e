"""The dynamics-aware distance between two rewards (DARD; Wulfe et al. 2022, arXiv:2201.10081).

Like EPIC it ignores potential-based shaping, but it evaluates rewards on what can happen next instead of on any pairs
of states:

    C(s, a, s') = R(s, a, s') + E[g R(s', A, S'') - R(s, A, S') - g R(S', A, S'')],

where S' follows from s and S'' from s', both by the action A. (Only the last term joins states that may not follow each
other.) The distance is sqrt((1 - Pearson's correlation of the two) / 2), as for EPIC.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from rl_rewards.core.epic import Reward, pearson


class Ahead(NamedTuple):
    """M samples of what can follow from s and s' of each of N transitions; leaves [N, M, ...]."""

    action: Array  # A
    after_obs: Array  # S', which follows from s by A
    after_next: Array  # S'', which follows from s' by A


def dard_distance(
    learned: Reward, true: Reward, steps: tuple[Array, Array, Array], ahead: Ahead, discount: float
) -> Float[Array, ""]:
    """Return the distance, in [0, 1], over a sample of transitions.

    Args:
        steps: obs, action, next_obs, leaves [N, ...].
        discount: g in the definition.
    """
    one, other = (_transformed(reward, steps, ahead, discount) for reward in (learned, true))
    return jnp.sqrt(jnp.maximum(1.0 - pearson(one, other, jnp.ones(one.shape)), 0.0) / 2.0)


def _transformed(reward: Reward, steps: tuple[Array, Array, Array], ahead: Ahead, discount: float) -> Array:
    obs, action, next_obs = steps
    here, there = (jnp.broadcast_to(x[:, None], ahead.after_obs.shape) for x in (obs, next_obs))
    later = discount * reward(there, ahead.action, ahead.after_next)
    later -= reward(here, ahead.action, ahead.after_obs)
    later -= discount * reward(ahead.after_obs, ahead.action, ahead.after_next)
    return reward(obs, action, next_obs) + jnp.mean(later, axis=1)

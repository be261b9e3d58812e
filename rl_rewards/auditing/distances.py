"""Distances of a learned reward to the true one, on the segments that were drawn; 0 is the best, 0.71 is unrelated."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.auditing.effects import Population, correlation
from rl_rewards.auditing.subject import DrawnSegments, Subject, stepped
from rl_rewards.core.dard import Ahead, dard_distance
from rl_rewards.core.epic import epic_distance
from rl_rewards.core.types import Transition
from rl_rewards.envs.base import JaxEnv
from rl_rewards.loop.evaluate import transitions_of

DISCOUNT = 0.99
"""The discount in both distances, if the run's algorithm has none."""
MOST, OTHERS, AHEAD = 512, 256, 16
"""The most transitions; samples of A and S' for EPIC; samples of what follows each transition for DARD."""

Paid = Callable[[Any, Any, Any], jax.Array]


def distances(subject: Subject, drawn: DrawnSegments, population: Population) -> dict[str, float]:
    """Return name -> distance; none where the true reward is not known of any transitions.

    Texts have one step, so that only what a prompt adds to every response is shaping; it is subtracted.
    """
    if subject.spec.text is not None:
        if population.true is None:
            return {}
        return {"Pearson": float(np.sqrt(max(1.0 - correlation(population), 0.0) / 2.0))}
    env, discount = subject.env, subject.policy.algorithm.requirements.discount or DISCOUNT
    recorded = (drawn.segments.obs, drawn.segments.action, drawn.segments.next_obs)
    order = np.random.default_rng(subject.seed).permutation(drawn.segments.valid.size)
    steps = tuple(jnp.asarray(x.reshape(-1, *x.shape[2:])[order[:MOST]]) for x in recorded)
    if not subject.spec.has_true_reward or env.reward_of(*steps) is None:
        return {}
    source, spec = subject.reward.source, subject.spec

    def paid(state: Any) -> Paid:
        return lambda obs, action, next_obs: source.portable_reward(
            state, transitions_of(obs, action, next_obs, obs.shape[: obs.ndim - len(spec.obs.shape)])
        )

    others = tuple(jnp.asarray(x.reshape(-1, *x.shape[2:])[order[-OTHERS:]]) for x in recorded[1:])
    epic = jax.jit(lambda state: epic_distance(paid(state), env.reward_of, steps, others, discount))
    found = {"EPIC": float(epic(subject.reward.state))}
    if drawn.starts is None or not isinstance(env, JaxEnv):
        return found
    first = tuple(jnp.asarray(x[:MOST, 0]) for x in recorded)
    ahead = jax.jit(lambda *given: _ahead(env, *given))(
        jax.tree.map(lambda x: x[:MOST], drawn.starts), drawn.keys[:MOST, 0], first[1], jax.random.key(subject.seed)
    )
    dard = jax.jit(lambda state: dard_distance(paid(state), env.reward_of, first, ahead, discount))
    return found | {"DARD": float(dard(subject.reward.state))}


def _ahead(env: JaxEnv, starts: Any, keys: Any, action: Any, key: Any) -> Ahead:
    """Return what can follow from the states ``starts`` [N], and from those after ``action`` [N, ...]."""
    count = len(action)

    def follow(states: Any, taken: Any) -> tuple[Any, Transition]:
        return stepped(env, states, keys, jax.vmap(env.observe)(states), taken)

    after, _ = follow(starts, action)
    taken = action[jax.random.randint(key, (AHEAD, count), 0, count)]
    here, there = (
        jax.lax.map(lambda a, states=states: follow(states, a)[1].next_obs, taken) for states in (starts, after)
    )
    return Ahead(*(jnp.swapaxes(x, 0, 1) for x in (taken, here, there)))

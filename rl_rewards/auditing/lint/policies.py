"""Simple policies that know nothing of the task, all in one behaviour: each environment of a batch has its own.

An action in the middle of its range, random actions, every extreme action repeated, a random action that is kept for
the whole episode, and a full action in turn with its opposite. What such a policy earns, any learner will find.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from rl_rewards.core.types import Action, Box, Discrete, EnvSpec, Key, Memory, Obs
from rl_rewards.loop.behaviours import Behaviour, action_range, uniform

MOST_ACTIONS = 16
"""The most discrete actions, or entries of an action, that are tried one by one."""
LONGEST_TURN = 10
"""The most steps of either action of the policy that goes back and forth."""
FIXED, RANDOM, KEPT, BACK_AND_FORTH = range(4)


class SimplePolicies(NamedTuple):
    """A behaviour for ``len(of)`` environments."""

    names: tuple[str, ...]
    of: Int[np.ndarray, " B"]  # the policy of each environment, a place in ``names``
    behaviour: Behaviour


def simple_policies(spec: EnvSpec, copies: int) -> SimplePolicies:
    """Return all simple policies for environments of ``spec``, each for ``copies`` environments."""
    fixed = _fixed_actions(spec.action)
    names = ("random actions", "a random action for the whole episode", "full actions back and forth", *fixed)
    kinds = np.array([RANDOM, KEPT, BACK_AND_FORTH, *[FIXED] * len(fixed)])
    zeros = np.zeros((3, *spec.action.shape))
    actions = np.concatenate([zeros, np.stack([*fixed.values()])]).astype(spec.action.dtype)
    of = np.repeat(np.arange(len(names)), copies)
    return SimplePolicies(names, of, _behaviour(spec, jnp.asarray(kinds[of]), jnp.asarray(actions[of])))


def _fixed_actions(space: Box | Discrete) -> dict[str, np.ndarray]:
    """Return the actions that are repeated, by name."""
    if isinstance(space, Discrete):
        tried = np.unique(np.linspace(0, space.n - 1, min(space.n, MOST_ACTIONS)).round().astype(int))
        return {f"action {number} repeated": np.asarray(number) for number in tried}
    low, high = action_range(space)
    middle = np.clip(np.zeros(space.shape), low, high)
    found = {"the action 0 repeated" if not middle.any() else "the action nearest to 0 repeated": middle}
    places = [*np.ndindex(*space.shape)]
    for place in places[:MOST_ACTIONS]:
        for side, bound in (("lowest", low), ("highest", high)):
            extreme = middle.copy()
            extreme[place] = bound[place]
            entry = f"action[{', '.join(map(str, place))}]" if space.shape else "the action"
            found[f"{entry} at its {side}, repeated"] = extreme
    if len(places) > 1:
        found |= {"all of the action at its lowest, repeated": low, "all of the action at its highest, repeated": high}
    return found


def _behaviour(spec: EnvSpec, kinds: jax.Array, fixed: jax.Array) -> Behaviour:
    """Return the behaviour in which environment b has the policy ``kinds[b]``, and perhaps repeats ``fixed[b]``."""
    random, count = uniform(spec).act, len(kinds)

    def ends(key: Key) -> tuple[Action, Action]:
        """Return two actions: random corners of the range and those opposite; two random ones if they are discrete."""
        one_key, other_key = jax.random.split(key)
        one = drawn(one_key)
        if isinstance(spec.action, Discrete):
            return one, drawn(other_key)
        low, high = (jnp.asarray(side, fixed.dtype) for side in action_range(spec.action))
        is_low = one < (low + high) / 2
        return jnp.where(is_low, low, high), jnp.where(is_low, high, low)

    def drawn(key: Key) -> Action:
        return random(None, (), jnp.zeros((count, 1)), key)[0].astype(fixed.dtype)

    def rows(mask: jax.Array, new: Action, old: Action) -> Action:
        return jnp.where(mask.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    def act(agent: Any, memory: Memory, obs: Obs, key: Key) -> tuple[Action, Memory, dict[str, jax.Array]]:
        del agent, obs
        elapsed, turn, kept, forth, back = memory
        turn_key, kept_key, ends_key, now_key = jax.random.split(key, 4)
        begins = elapsed == 0
        turn = jnp.where(begins, jax.random.randint(turn_key, (count,), 1, LONGEST_TURN + 1), turn)
        kept = rows(begins, drawn(kept_key), kept)
        forth, back = (rows(begins, new, old) for new, old in zip(ends(ends_key), (forth, back), strict=True))
        in_turn = rows(elapsed // turn % 2 == 0, forth, back)
        action = fixed
        for kind, its in ((RANDOM, drawn(now_key)), (KEPT, kept), (BACK_AND_FORTH, in_turn)):
            action = rows(kinds == kind, its, action)
        return action, (elapsed + 1, turn, kept, forth, back), {}

    def initial_memory(copies: int) -> Memory:
        assert copies == count, "each environment has its own policy"
        zero = jnp.zeros(count, jnp.int32)
        return zero, zero + 1, fixed, fixed, fixed

    return Behaviour(act, initial_memory)

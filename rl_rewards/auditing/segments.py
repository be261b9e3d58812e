"""Interventions on segments of vectors: a detour, a jerkier order of actions, larger actions.

Where the environment can be simulated from any state (a JAX environment), edited actions are simulated again with the
same random numbers, and only pairs that end in the same place are kept. Otherwise the recorded segment itself is
edited, which may be impossible in the environment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from rl_rewards.auditing.effects import LEAST_PAIRS, Intervention
from rl_rewards.auditing.subject import DrawnSegments, stepped
from rl_rewards.auditing.texts import true_returns
from rl_rewards.core.types import Box, Transition, box_bounds
from rl_rewards.envs.base import Environment, JaxEnv
from rl_rewards.labelers.nuisance import measure, nuisances_of

SAME_PLACE = 0.05
"""Two segments end in the same place if no entry of the last state differs by more, in its standard deviations."""
DETOUR = 0.5
"""The largest change of an action by a detour, as a share of its range; in a recorded segment, of a state, in its
standard deviations."""
LARGER = 1.5
"""How many times as large the larger actions are."""
SIMULATED, EDITED = "simulated again", "the recorded segment is edited, which may be impossible"

Returns = Callable[[Transition], Float[np.ndarray, " N"]]


@dataclass(frozen=True)
class EditedSegments:
    """The drawn segments [N, L, ...] of vectors, which are edited."""

    env: Environment
    drawn: DrawnSegments
    seed: int

    @property
    def _recorded(self) -> Transition:
        return self.drawn.segments

    def features(self, segments: Transition) -> dict[str, Float[np.ndarray, " N"]]:
        """Return the nuisance features of segments [N, L, ...]."""
        obs, action = np.asarray(segments.obs), np.asarray(segments.action)
        return {name: measure(one, obs, action) for name, one in nuisances_of(self.env.spec).items()}

    def interventions(self, returns: Returns) -> list[Intervention]:
        """Return all edits that are possible and what they change; ``returns`` is the reward that is audited."""
        found, boxed = [], isinstance(self.env.spec.action, Box) and len(self.env.spec.action.shape) == 1
        if boxed:
            found += [
                self._acted("path length", "takes a detour between the same start and end", self._detour(), returns),
                self._acted("jerkiness", "takes the same actions in a jerkier order", self._jerky(), returns),
            ]
        if not boxed or found[0] is None:
            found = [self._wandering(returns), *found[1:]]
        if boxed:
            found.append(self._larger(returns))
        return [one for one in found if one is not None and len(one.rows) > 0]

    def _acted(self, name: str, what: str, action: np.ndarray, returns: Returns) -> Intervention | None:
        """Return the intervention of other actions, simulated again; edited if that cannot be done."""
        after = self._again(action)
        if after is not None:
            there = self._ends_alike(after)
            if there.sum() >= LEAST_PAIRS:
                return self._changed(name, f"{what} ({SIMULATED})", there, self._recorded, after, returns)
        if name == "path length":
            return None  # other actions alone are no detour
        everywhere = np.ones(len(action), bool)
        after = self._paid_truly(self._recorded.replace(action=action))
        return self._changed(name, f"{what} ({EDITED})", everywhere, self._paid_truly(self._recorded), after, returns)

    def _larger(self, returns: Returns) -> Intervention:
        """Return the intervention of larger actions in the same states, which no dynamics connect with them."""
        before = self._paid_truly(self._recorded.replace(action=self._executed / LARGER))
        after = self._paid_truly(self._recorded.replace(action=self._executed))
        what = f"has actions that are {LARGER:g} times as large, in the same states ({EDITED})"
        return self._changed("action size", what, np.ones(len(self._executed), bool), before, after, returns)

    def _wandering(self, returns: Returns) -> Intervention:
        """Return a detour in the recorded states: every other state is moved to a side."""
        obs, last = np.asarray(self._recorded.obs), np.asarray(self._recorded.next_obs)[:, -1:]
        states = np.concatenate([obs, last], axis=1).astype(np.float32)
        aside = np.random.default_rng([self.seed, 0xDE70]).normal(size=states[:, :1].shape)
        aside *= DETOUR * self._sizes / np.maximum(np.abs(aside), 1e-6)  # to either side, by the same distance
        sign = np.where(np.arange(states.shape[1]) % 2 == 1, 1.0, -1.0)[None, :, None]
        sign[:, [0, -1]] = 0.0
        states = (states + sign * aside).astype(np.float32)
        after = self._paid_truly(self._recorded.replace(obs=states[:, :-1], next_obs=states[:, 1:]))
        what = f"takes a detour between the same start and end ({EDITED})"
        before = self._paid_truly(self._recorded)
        return self._changed("path length", what, np.ones(len(obs), bool), before, after, returns)

    def _changed(
        self,
        name: str,
        what: str,
        kept: Bool[np.ndarray, " N"],
        before: Transition,
        after: Transition,
        returns: Returns,
    ) -> Intervention:
        sides = [self.features(one) for one in (before, after)]
        simulated = what.endswith(f"({SIMULATED})")
        known = self.drawn.known and (simulated or self._is_known)
        return Intervention(
            name=name,
            what=what,
            rows=np.flatnonzero(kept),
            reward=(returns(after) - returns(before))[kept],
            features={one: (sides[1][one] - sides[0][one])[kept] for one in sides[0]},
            true=(true_returns(after) - true_returns(before))[kept] if known else None,
        )

    # Edits of actions.

    @cached_property
    def _executed(self) -> Float[np.ndarray, "N L m"]:
        """The actions as the environment executes them, within their bounds."""
        low, high = box_bounds(self._box)
        return np.clip(np.asarray(self._recorded.action, np.float32), low, high)

    @property
    def _box(self) -> Box:
        box = self.env.spec.action
        assert isinstance(box, Box), "only actions in a box are edited"
        return box

    @cached_property
    def _sizes(self) -> Float[np.ndarray, " n"]:
        """The standard deviation of every entry of the observation."""
        return np.asarray(self._recorded.obs, np.float64).reshape(-1, self._recorded.obs.shape[-1]).std(axis=0) + 1e-6

    def _detour(self) -> Float[np.ndarray, "N L m"]:
        """Return actions of which every two in a row are moved apart, by opposite changes within the bounds."""
        low, high = box_bounds(self._box)
        width = np.where(np.isfinite(high - low), high - low, 2.0 * self._executed.std(axis=(0, 1)))
        action, pairs = self._executed.copy(), self._executed.shape[1] // 2
        one, other = action[:, 0 : 2 * pairs : 2], action[:, 1 : 2 * pairs : 2]
        side = np.random.default_rng([self.seed, 0xDE70]).choice([-1.0, 1.0], size=one.shape)
        side = np.where(np.abs(one - other) > 1e-3, np.sign(one - other), side)
        most = np.where(side > 0, np.minimum(high - one, other - low), np.minimum(one - low, high - other))
        change = side * np.minimum(DETOUR * width, np.maximum(most, 0.0))
        action[:, 0 : 2 * pairs : 2], action[:, 1 : 2 * pairs : 2] = one + change, other - change
        return action.astype(np.float32)

    def _jerky(self) -> Float[np.ndarray, "N L m"]:
        """Return the actions of each segment in an order that goes back and forth along their first principal axis."""
        action = self._executed
        centred = action - action.mean(axis=1, keepdims=True)
        axis = np.linalg.svd(centred, full_matrices=False)[2][:, :1]
        order = np.argsort((centred * axis).sum(axis=-1), axis=1)
        length = action.shape[1]
        back_and_forth = [i // 2 if i % 2 == 0 else length - 1 - i // 2 for i in range(length)]
        return np.take_along_axis(action, order[:, back_and_forth][..., None], axis=1)

    # What follows from other actions.

    def _again(self, action: np.ndarray) -> Transition | None:
        """Return the segments with other actions from the same states, with the same random numbers; None if the
        environment cannot be simulated from there."""
        if self.drawn.starts is None or not isinstance(self.env, JaxEnv):
            return None
        return jax.device_get(self._simulated(self.drawn.starts, self.drawn.keys, jnp.asarray(action)))

    @cached_property
    def _simulated(self) -> Callable[[Any, Any, Any], Transition]:
        env = self.env
        assert isinstance(env, JaxEnv)

        def play(states: Any, keys: Any, action: Any) -> Transition:
            def step(states, now):
                return stepped(env, states, now[0], jax.vmap(env.observe)(states), now[1])

            _, found = jax.lax.scan(step, states, (jnp.swapaxes(keys, 0, 1), jnp.swapaxes(action, 0, 1)))
            return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found)

        return jax.jit(play)

    def _ends_alike(self, after: Transition) -> Bool[np.ndarray, " N"]:
        """Return True for the segments that end in the same place and do not end an episode earlier."""
        here, there = (np.asarray(one.next_obs)[:, -1] for one in (self._recorded, after))
        near = np.all(np.abs(there - here) <= SAME_PLACE * self._sizes, axis=-1)
        ends = [np.asarray(one.terminated)[:, :-1].any(axis=1) for one in (self._recorded, after)]
        return near & (ends[0] == ends[1])

    @cached_property
    def _is_known(self) -> bool:
        """True if the environment knows the true reward of transitions that no step has made."""
        one = jax.tree.map(lambda x: x[:1, :1], self._recorded)
        return self.env.reward_of(jnp.asarray(one.obs), one.action, jnp.asarray(one.next_obs)) is not None

    def _paid_truly(self, segments: Transition) -> Transition:
        """Return segments with their true reward, if it is known of any transitions."""
        if not self._is_known:
            return segments
        true = self.env.reward_of(jnp.asarray(segments.obs), segments.action, jnp.asarray(segments.next_obs))
        return segments.replace(env_reward=np.asarray(true))

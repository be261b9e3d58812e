"""A ring buffer of past transitions [B, C], in which new transitions overwrite the oldest.

Rollouts are written whole: the capacity is rounded up to a multiple of the rollout length, so that a write never
wraps around. Sampling is uniform over all stored transitions. Segments never cross the end of an episode or the write
position.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Int

from rl_rewards.core.types import Key, Transition
from rl_rewards.data.draws import draw_true


class Replay(struct.PyTreeNode):
    """A ring buffer; the leaves of ``data`` are [B, C, ...], with time as second axis to make segments contiguous."""

    data: Transition
    position: Int[Array, ""]  # index at which the next rollout is written
    filled: Int[Array, ""]  # steps stored per environment, at most C

    @classmethod
    def init(cls, template: Transition, capacity: int) -> "Replay":
        """Return an empty ring for rollouts like ``template`` ([T, B, ...] shapes or arrays).

        Args:
            capacity: transitions to keep in total, rounded up to a whole number of rollouts, at least one.
        """
        length, num_envs = template.valid.shape
        rollouts = max(1, math.ceil(capacity / (length * num_envs)))

        def leaf(x):
            return jnp.zeros((num_envs, rollouts * length, *x.shape[2:]), x.dtype)

        return cls(
            data=jax.tree.map(leaf, template), position=jnp.zeros((), jnp.int32), filled=jnp.zeros((), jnp.int32)
        )

    @classmethod
    def of(cls, rollout: Transition) -> "Replay":
        """Return a full ring that holds exactly ``rollout`` [T, B, ...]."""
        length = jnp.int32(rollout.valid.shape[0])
        return cls(data=jax.tree.map(_environments_first, rollout), position=jnp.zeros((), jnp.int32), filled=length)

    @property
    def capacity(self) -> int:
        """C, the number of steps kept per environment."""
        return self.data.valid.shape[1]

    def add(self, rollout: Transition) -> "Replay":
        """Return the ring after writing a rollout [T, B, ...]."""
        length = rollout.valid.shape[0]

        def write(ring, new):
            return jax.lax.dynamic_update_slice_in_dim(ring, _environments_first(new), self.position, axis=1)

        return Replay(
            data=jax.tree.map(write, self.data, rollout),
            position=(self.position + length) % self.capacity,
            filled=jnp.minimum(self.filled + length, self.capacity),
        )

    def stored(self) -> Transition:
        """Return all stored steps as numpy arrays [B, filled, ...], the oldest first; not within jit."""
        ages = np.arange(int(self.filled))
        slots = np.asarray(self._slot(jnp.asarray(ages)))
        return jax.tree.map(lambda x: np.asarray(x)[:, slots], self.data)

    def sample(self, key: Key, n: int) -> Transition:
        """Return ``n`` transitions drawn uniformly with replacement: leaves [n, ...]."""
        env_key, time_key = jax.random.split(key)
        env = jax.random.randint(env_key, (n,), 0, self.data.valid.shape[0])
        age = jax.random.randint(time_key, (n,), 0, jnp.maximum(self.filled, 1))
        return jax.tree.map(lambda x: x[env, self._slot(age)], self.data)

    def sample_segments(self, key: Key, n: int, length: int) -> Transition:
        """Return ``n`` segments of ``length`` consecutive steps of one episode: leaves [n, length, ...].

        They are drawn uniformly over all possible starts. If there are none, ``valid`` is False everywhere.
        """
        starts = self._segment_starts(length)  # [B, C], by age
        index = draw_true(key, starts.reshape(-1), n)
        env, age = index // self.capacity, index % self.capacity
        slots = self._slot(age[:, None] + jnp.arange(length))
        segments = jax.tree.map(lambda x: x[env[:, None], slots], self.data)
        return segments.replace(valid=segments.valid & jnp.any(starts))

    def _slot(self, age: Array) -> Array:
        """Return the ring index of the ``age``-th oldest stored step."""
        oldest = jnp.where(self.filled == self.capacity, self.position, 0)
        return (oldest + age) % self.capacity

    def _segment_starts(self, length: int) -> Bool[Array, "B C"]:
        """Return True at the ages at which a segment of ``length`` valid steps of one episode can begin."""
        ages = jnp.arange(self.capacity)
        ordered = jax.tree.map(lambda x: x[:, self._slot(ages)], (self.data.done, self.data.valid))
        done, valid = ordered
        # ends[i] counts the episode ends strictly before age i; a segment may contain an end only at its last step.
        zero = jnp.zeros((done.shape[0], 1), jnp.int32)
        ends = jnp.concatenate([zero, jnp.cumsum(done, axis=1)], axis=1)
        holes = jnp.concatenate([zero, jnp.cumsum(~valid, axis=1)], axis=1)
        stop = jnp.minimum(ages + length, self.capacity)
        same_episode = ends[:, stop - 1] == ends[:, ages]
        no_holes = holes[:, stop] == holes[:, ages]
        return same_episode & no_holes & (ages + length <= self.filled)


def _environments_first(leaf: Array) -> Array:
    """Return the leaf [T, B, ...] as [B, T, ...]."""
    return jnp.swapaxes(leaf, 0, 1)

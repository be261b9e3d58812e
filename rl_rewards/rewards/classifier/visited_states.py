"""A ring buffer of the states that a policy has visited, from which a classifier draws its negatives."""

from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int


class VisitedStates(struct.PyTreeNode):
    """A ring buffer of visited states [C, ...]; the oldest states are overwritten first."""

    obs: Array
    action: Array
    round: Int[Array, " C"]  # the round in which a state was added; -1 for an empty slot
    position: Int[Array, ""]  # the next slot to write

    def add(self, obs: Array, action: Array, keep: Array, round: Array, **more: Array) -> Self:
        """Append rows of ``obs`` [n, ...], ``action`` and more columns where ``keep`` [n] is True; n is at most C."""
        capacity = self.round.shape[0]
        slot = (self.position + jnp.cumsum(keep) - 1) % capacity
        slot = jnp.where(keep, slot, capacity)  # indices out of range are dropped
        columns = {"obs": obs, "action": action, "round": round, **more}
        written = {name: getattr(self, name).at[slot].set(rows, mode="drop") for name, rows in columns.items()}
        return self.replace(position=(self.position + jnp.sum(keep)) % capacity, **written)

    def emptied(self) -> Self:
        """Return an empty ring of the same shape, on the host; on disk its zeros take no space."""
        empty = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), self)
        return empty.replace(round=np.full(self.round.shape, -1, np.int32))

    def count(self, since: Array) -> Int[Array, ""]:
        """Return the number of states that were added in round ``since`` or later; these are the newest ones."""
        return jnp.sum((self.round >= since) & (self.round >= 0))

    def newest(self, index: Array) -> tuple[Array, Array]:
        """Return (obs, action) of the ``index``-th newest states; 0 is the last one added."""
        slot = (self.position - 1 - index) % self.round.shape[0]
        return self.obs[slot], self.action[slot]

    def newest_first(self, values: Array) -> Array:
        """Return ``values`` [C, ...], one per slot, in the order of ``newest``."""
        return jnp.flip(jnp.roll(values, -self.position, axis=0), axis=0)

    def among_newest(self, count: Array) -> Bool[Array, " C"]:
        """Return True for the slots of the ``count`` newest states."""
        capacity = self.round.shape[0]
        return (self.position - 1 - jnp.arange(capacity)) % capacity < count


class FeaturedStates(VisitedStates):
    """Visited states with the features of their places, if computing them in every round is too expensive."""

    features: Float[Array, "C k"]
    pretrained: Any  # the classifier's state after the examples if its hidden layer is the features, else None

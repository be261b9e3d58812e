"""A ring of the states that a policy has visited, from which a classifier takes its negatives."""

from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int


class VisitedStates(struct.PyTreeNode):
    """Ring of visited states [C, ...], oldest overwritten first."""

    obs: Array
    action: Array
    round: Int[Array, " C"]  # in which a state was added; -1 while empty
    position: Int[Array, ""]  # where the next one goes

    def add(self, obs: Array, action: Array, keep: Array, round: Array, **more: Array) -> Self:
        """Append the rows of ``obs`` [n, ...], ``action`` and further columns where ``keep`` [n] bool, n at most C."""
        capacity = self.round.shape[0]
        slot = (self.position + jnp.cumsum(keep) - 1) % capacity
        slot = jnp.where(keep, slot, capacity)  # out of range: dropped
        columns = {"obs": obs, "action": action, "round": round, **more}
        written = {name: getattr(self, name).at[slot].set(rows, mode="drop") for name, rows in columns.items()}
        return self.replace(position=(self.position + jnp.sum(keep)) % capacity, **written)

    def emptied(self) -> Self:
        """A ring of the same shape with nothing in it, on the host: zeros take no space on a disk."""
        empty = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), self)
        return empty.replace(round=np.full(self.round.shape, -1, np.int32))

    def count(self, since: Array) -> Int[Array, ""]:
        """How many states were added in round ``since`` or later; they are the newest ones."""
        return jnp.sum((self.round >= since) & (self.round >= 0))

    def newest(self, index: Array) -> tuple[Array, Array]:
        """(obs, action) of the ``index``-th newest states, 0 the last one added."""
        slot = (self.position - 1 - index) % self.round.shape[0]
        return self.obs[slot], self.action[slot]

    def newest_first(self, values: Array) -> Array:
        """``values`` [C, ...], one per slot, in the order of ``newest``."""
        return jnp.flip(jnp.roll(values, -self.position, axis=0), axis=0)

    def among_newest(self, count: Array) -> Bool[Array, " C"]:
        """True for the slots of the ``count`` newest states."""
        capacity = self.round.shape[0]
        return (self.position - 1 - jnp.arange(capacity)) % capacity < count


class FeaturedStates(VisitedStates):
    """With what each state's place is made of, stored where it is too dear to compute for all in every round."""

    features: Float[Array, "C k"]
    pretrained: Any  # the classifier's state after the examples, where its hidden layer makes the features; else None

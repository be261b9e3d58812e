"""Recurrent layers between a policy's encoder and its networks: the memory of an episode, by steps and by sequences."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from rl_rewards.core.types import Experience, Key, Memory
from rl_rewards.models.networks import orthogonal


class Sequences(NamedTuple):
    """Says of N sequences of T steps where the memory begins anew and where it moves on."""

    memory: Memory  # [N, ...] before the first step
    begins: Bool[Array, "N T"]  # the first step of an episode: the memory before it is the initial one
    acted: Bool[Array, "N T"]  # the policy acted and its memory moves on; elsewhere another player acted


class Recurrence(ABC):
    """A layer with a memory. It holds settings and no parameters.

    A class that inherits from it needs ``outputs``, ``init``, ``initial_memory`` and ``step``.
    """

    outputs: int  # how many numbers come out of a step

    @abstractmethod
    def init(self, key: Key, inputs: int) -> dict:
        """Returns parameters, for inputs of ``inputs`` numbers."""
        ...

    @abstractmethod
    def initial_memory(self, size: int) -> Memory:
        """Returns the memory before an episode's first step, arrays [size, ...] whose rows are all alike."""
        ...

    @abstractmethod
    def step(self, params: dict, memory: Memory, x: Float[Array, "N d"]) -> tuple[Memory, Float[Array, "N outputs"]]:
        """Returns the memory after one step, and the output in it."""
        ...

    def over_time(
        self, params: dict, sequences: Sequences, x: Float[Array, "N T d"]
    ) -> tuple[Memory, Float[Array, "N T outputs"]]:
        """Returns the memory after each step, [N, T, ...], before it begins anew, and the outputs.

        Gradients go through the whole sequence, back to an episode's first step or to the sequence's.
        """
        initial = self.initial_memory(len(x))

        def step(memory: Memory, now: tuple[Array, Array, Array]) -> tuple[Memory, tuple[Memory, Array]]:
            begins, acted, inputs = now
            memory = _where(begins, initial, memory)
            moved, output = self.step(params, memory, inputs)
            memory = _where(acted, moved, memory)
            return memory, (memory, output)

        by_time = swapped((sequences.begins, sequences.acted, x))
        return swapped(jax.lax.scan(step, sequences.memory, by_time)[1])

    def around(
        self, params: dict, sequences: Sequences, x: Float[Array, "N T d"], after: Float[Array, "N T d"]
    ) -> tuple[Float[Array, "N T outputs"], Float[Array, "N T outputs"]]:
        """Returns the outputs for the inputs before each step, and for those after it, which continue from ``x``.

        The second have the memory after the step: also at an episode's end, as if it had gone on.
        """
        memory, outputs = self.over_time(params, sequences, x)
        return outputs, jax.vmap(lambda m, y: self.step(params, m, y)[1], 1, 1)(memory, after)


@dataclass(frozen=True)
class GRU(Recurrence):
    """Gated recurrent units (Cho et al. 2014, arXiv:1406.1078): their state is the memory, and the output too."""

    outputs: int

    @cached_property
    def cell(self) -> nn.GRUCell:
        return nn.GRUCell(self.outputs, recurrent_kernel_init=orthogonal(1.0))  # flax's own hangs under vmap

    def init(self, key: Key, inputs: int) -> dict:
        return dict(self.cell.init(key, self.initial_memory(1), jnp.zeros((1, inputs))))

    def initial_memory(self, size: int) -> Float[Array, "size outputs"]:
        return jnp.zeros((size, self.outputs))

    def step(self, params: dict, memory: Memory, x: Float[Array, "N d"]) -> tuple[Memory, Float[Array, "N outputs"]]:
        stepped: Any = self.cell.apply(params, memory, x)
        return stepped


def sequences_of(experience: Experience) -> Sequences:
    """Returns the rollout of every environment as one sequence, [B, T]."""
    rollout = experience.rollout
    assert rollout is not None, "an algorithm whose policy remembers learns from rollouts"
    begins = jnp.concatenate([jnp.zeros_like(rollout.done[:1]), rollout.done[:-1]])
    acted = jnp.ones_like(begins) if experience.acted is None else experience.acted
    return Sequences(experience.memory, begins.T, acted.T)


def swapped(tree: Any) -> Any:
    """Leaves [N, T, ...] as [T, N, ...], and back."""
    return jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), tree)


def _where(mask: Bool[Array, " N"], this: Any, that: Any) -> Any:
    """``this`` where ``mask``, over leaves [N, ...]."""
    return jax.tree.map(lambda x, y: jnp.where(mask.reshape(mask.shape + (1,) * (x.ndim - 1)), x, y), this, that)

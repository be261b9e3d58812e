"""Recurrent layers between a policy's encoder and its networks, applied to single steps or to whole sequences."""

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
    """The initial memory of N sequences of T steps, and the steps at which memory is reset or advances."""

    memory: Memory  # [N, ...] before the first step
    begins: Bool[Array, "N T"]  # True at the first step of an episode, before which the memory is reset
    acted: Bool[Array, "N T"]  # True where the policy acted, so its memory advances; elsewhere another player acted


class Recurrence(ABC):
    """A layer with memory. It holds settings and no parameters.

    A subclass must define ``outputs``, ``init``, ``initial_memory`` and ``step``.
    """

    outputs: int  # size of the output of a step

    @abstractmethod
    def init(self, key: Key, inputs: int) -> dict:
        """Return initial parameters for inputs of size ``inputs``."""
        ...

    @abstractmethod
    def initial_memory(self, size: int) -> Memory:
        """Return the memory before an episode's first step: arrays [size, ...] with equal rows."""
        ...

    @abstractmethod
    def step(self, params: dict, memory: Memory, x: Float[Array, "N d"]) -> tuple[Memory, Float[Array, "N outputs"]]:
        """Return the memory after one step, and the step's output."""
        ...

    def over_time(
        self, params: dict, sequences: Sequences, x: Float[Array, "N T d"]
    ) -> tuple[Memory, Float[Array, "N T outputs"]]:
        """Return the memory after each step, [N, T, ...], and the outputs.

        The memory after an episode's last step is that before the reset. Gradients flow back to the first step of the
        episode or of the sequence.
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
        """Return the outputs for the inputs ``x`` before each step, and for the inputs ``after`` it.

        The latter use the memory after the step; at the end of an episode too, as if the episode continued.
        """
        memory, outputs = self.over_time(params, sequences, x)
        return outputs, jax.vmap(lambda m, y: self.step(params, m, y)[1], 1, 1)(memory, after)


@dataclass(frozen=True)
class GRU(Recurrence):
    """Gated recurrent units (Cho et al. 2014, arXiv:1406.1078); their state is both the memory and the output."""

    outputs: int

    @cached_property
    def cell(self) -> nn.GRUCell:
        return nn.GRUCell(self.outputs, recurrent_kernel_init=orthogonal(1.0))  # flax's default deadlocks under vmap

    def init(self, key: Key, inputs: int) -> dict:
        return dict(self.cell.init(key, self.initial_memory(1), jnp.zeros((1, inputs))))

    def initial_memory(self, size: int) -> Float[Array, "size outputs"]:
        return jnp.zeros((size, self.outputs))

    def step(self, params: dict, memory: Memory, x: Float[Array, "N d"]) -> tuple[Memory, Float[Array, "N outputs"]]:
        stepped: Any = self.cell.apply(params, memory, x)
        return stepped


def sequences_of(experience: Experience) -> Sequences:
    """Return the rollout of every environment as one sequence, [B, T]."""
    rollout = experience.rollout
    assert rollout is not None, "a policy with memory can only learn from rollouts"
    begins = jnp.concatenate([jnp.zeros_like(rollout.done[:1]), rollout.done[:-1]])
    acted = jnp.ones_like(begins) if experience.acted is None else experience.acted
    return Sequences(experience.memory, begins.T, acted.T)


def swapped(tree: Any) -> Any:
    """Return the tree with the first two axes of every leaf swapped: [N, T, ...] becomes [T, N, ...]."""
    return jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), tree)


def _where(mask: Bool[Array, " N"], this: Any, that: Any) -> Any:
    """Return ``this`` where ``mask`` is True and ``that`` elsewhere, for trees with leaves [N, ...]."""
    return jax.tree.map(lambda x, y: jnp.where(mask.reshape(mask.shape + (1,) * (x.ndim - 1)), x, y), this, that)

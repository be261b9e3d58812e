"""Trains many seeds in one program: every leaf of the state gets a leading axis S, over which the round is vmapped.

Seed i of a run with ``seed=s num_seeds=S`` has the keys, environments and recorded examples of a single run with
``seed=s+i``, and agrees with it up to rounding. With one seed there is no seed axis.

On several devices each one trains S / D of the seeds, by ``jax.shard_map`` over a mesh with the axis ``seed``. Seeds
share nothing but recorded data, which every device has whole, so that a round needs no communication between devices.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from rl_rewards.core.contracts import check_members, is_own
from rl_rewards.core.keys import new_key
from rl_rewards.core.types import Key, StepOut
from rl_rewards.envs.base import HostEnv, HostEnvironment

AXIS = "seed"
"""The mesh's axis."""
DIVIDED, WHOLE = PartitionSpec(AXIS), PartitionSpec()


@dataclass(frozen=True)
class Seeds:
    """The number of seeds, with the functions that add and remove the seed axis.

    Args:
        devices: D, how many devices the seeds are divided among, a divisor of ``count``; see ``loop.placement``.
    """

    count: int = 1
    devices: int = 1

    @cached_property
    def _mesh(self) -> jax.sharding.Mesh:
        return jax.sharding.Mesh(np.array(jax.local_devices()[: self.devices]), (AXIS,))

    @property
    def sharding(self) -> NamedSharding | None:
        """The placement of arrays [S, ...] on the devices; None for one device."""
        return None if self.devices == 1 else NamedSharding(self._mesh, DIVIDED)

    def place(self, tree: Any, in_axes: Any = 0) -> Any:
        """Return ``tree`` on the devices that train its seeds.

        Args:
            in_axes: 0 for leaves [S, ...], None for those that every device needs whole; a prefix of ``tree``.
        """
        if self.devices == 1:
            return tree
        shardings = jax.tree.map(lambda spec: NamedSharding(self._mesh, spec), _specs(in_axes), is_leaf=_is_spec)
        return jax.device_put(tree, shardings)

    def map(self, function: Callable, in_axes: Any) -> Callable:
        """Return ``function``, which takes one seed's arguments, mapped over all seeds.

        Args:
            in_axes: as for ``jax.vmap``; in a tuple, an entry may also be a function that returns the axes of its
                argument.
        """
        if self.count == 1:
            return function

        def of_all(*arguments: Any) -> Any:
            axes = in_axes
            if isinstance(in_axes, tuple):
                both = zip(in_axes, arguments, strict=True)
                axes = tuple(axis(argument) if callable(axis) else axis for axis, argument in both)
            mapped = jax.vmap(function, axes, axis_size=self.count // self.devices)
            if self.devices == 1:
                return mapped(*arguments)
            specs = _specs(axes if isinstance(axes, tuple) else (axes,) * len(arguments))
            # Without check_vma, because the check refuses branches that differ in what they read of a device's seeds.
            divided = jax.shard_map(mapped, mesh=self._mesh, in_specs=specs, out_specs=DIVIDED, check_vma=False)
            return divided(*arguments)

        return of_all

    def keys(self, seed: int) -> Key:
        """Return the key of ``seed``, or with several seeds the keys [S] of ``seed`` to ``seed + S - 1``."""
        if self.count == 1:
            return new_key(seed)
        return jax.vmap(new_key)(jnp.arange(seed, seed + self.count))

    def first(self, tree: Any) -> Any:
        """Return the shapes of one seed's leaves."""
        if self.count == 1:
            return tree
        return jax.eval_shape(lambda t: jax.tree.map(lambda x: x[0], t), tree)

    def split(self, tree: Any, axis: int) -> Any:
        """Split the axis of size S x B at ``axis`` into a leading seed axis and B."""
        if self.count == 1:
            return tree

        def leaf(x):
            x = x.reshape(*x.shape[:axis], self.count, -1, *x.shape[axis + 1 :])
            return x.swapaxes(0, axis) if axis == 1 else x

        return jax.tree.map(leaf, tree)

    def join(self, tree: Any) -> Any:
        """Join the leading axes [S, B] into one [S x B]; the inverse of :meth:`split` with axis 0."""
        if self.count == 1:
            return tree
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), tree)

    def stack(self, trees: Sequence[Any]) -> Any:
        """Stack one tree per seed; the inverse of :meth:`each`."""
        return trees[0] if self.count == 1 else jax.tree.map(lambda *leaves: np.stack(leaves), *trees)

    def each(self, tree: Any) -> list[Any]:
        """Return one tree per seed; with several seeds, the leaves of ``tree`` have a leading seed axis."""
        if self.count == 1:
            return [tree]
        return [jax.tree.map(lambda x, i=i: x[i], tree) for i in range(self.count)]


def _specs(axes: Any) -> Any:
    """Return the placement of arguments with these axes of ``jax.vmap``."""
    return jax.tree.map(lambda axis: WHOLE if axis is None else DIVIDED, axes, is_leaf=lambda axis: axis is None)


def _is_spec(node: Any) -> bool:
    return isinstance(node, PartitionSpec)


class SeedBatches(HostEnv):
    """S batches of B environments as one ``HostEnv`` of S x B; every seed keeps its own random stream."""

    def __init__(self, batches: Sequence[HostEnv]) -> None:
        self.batches = list(batches)
        self.spec = batches[0].spec
        self.num_envs = sum(batch.num_envs for batch in batches)

    @property
    def physics_seconds(self) -> float:
        return sum(batch.physics_seconds for batch in self.batches)

    def reset(self, mask: np.ndarray) -> np.ndarray:
        return np.concatenate([b.reset(m) for b, m in zip(self.batches, self._split(mask), strict=True)])

    def step(self, action: np.ndarray) -> StepOut:
        outs = [b.step(a) for b, a in zip(self.batches, self._split(action), strict=True)]
        return jax.tree.map(lambda *parts: np.concatenate(parts), *outs)

    def get_state(self) -> np.ndarray:
        return np.concatenate([batch.get_state() for batch in self.batches])

    def set_state(self, mask: np.ndarray, states: np.ndarray) -> None:
        for batch, m, s in zip(self.batches, self._split(mask), self._split(states), strict=True):
            batch.set_state(m, s)

    def save(self) -> bytes:
        buffer = io.BytesIO()
        saved = {str(i): np.frombuffer(batch.save(), np.uint8) for i, batch in enumerate(self.batches)}
        np.savez(buffer, **saved)
        return buffer.getvalue()

    def load(self, saved: bytes) -> None:
        with np.load(io.BytesIO(saved), allow_pickle=False) as parts:
            for i, batch in enumerate(self.batches):
                batch.load(parts[str(i)].tobytes())

    def _split(self, array: np.ndarray) -> list[np.ndarray]:
        return np.split(array, len(self.batches))


def make_batches(env: HostEnvironment, num_envs: int, seeds: Sequence[int]) -> HostEnv:
    """Return ``num_envs`` reset environments for each of ``seeds``.

    Raises:
        ConfigError: when a user's own batch class lacks a member.
    """
    batches = [env.make(num_envs, seed) for seed in seeds]
    for batch in filter(is_own, batches[:1]):
        check_members(batch, HostEnv, f"env: {type(batch).__name__}")
    host_env = batches[0] if len(batches) == 1 else SeedBatches(batches)
    host_env.reset(np.ones(host_env.num_envs, bool))
    return host_env

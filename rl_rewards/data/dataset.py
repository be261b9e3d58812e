"""A data set of recorded episodes, stored once for all seeds of a program, with the steps that each seed may use."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Int

from rl_rewards.core.checks import require
from rl_rewards.core.types import Examples, Key, Transition, make_record
from rl_rewards.data.draws import draw_true


class Dataset(struct.PyTreeNode):
    """Transitions with the bounds of their episodes.

    All seeds of a program share ``steps`` and ``follow``. Only ``rows`` and ``count`` differ between seeds; they have a
    leading seed axis if there are several seeds (:attr:`seed_axes`). The methods are for one seed.
    """

    steps: Transition  # [M, ...] episode after episode
    follow: Int[Array, " M"]  # the number of consecutive valid steps of one episode that begin here
    rows: Int[Array, "*seeds N"] | None  # the seed's rows of ``steps``, ascending, padded with the last; None means all
    count: Int[Array, "*seeds"]  # the number of ``rows`` without the padding
    longest: int = struct.field(pytree_node=False)  # steps of the longest segment that every seed can draw
    has_env_reward: bool = struct.field(pytree_node=False, default=True)  # False if not recorded: 0 in ``steps``

    @classmethod
    def of(
        cls, steps: Transition, follows: np.ndarray, given: Sequence[np.ndarray], has_env_reward: bool = True
    ) -> "Dataset":
        """Return a data set of numpy arrays, without the steps that no seed may use.

        Args:
            steps: [M, ...] episode after episode.
            follows: [M - 1] True where the next row is the next step of the same episode.
            given: for each seed, the ascending rows of ``steps`` that it may use, at least one.
            has_env_reward: False if the true reward was not recorded.
        """
        follows = follows & steps.valid[:-1] & steps.valid[1:]
        goes_on = [follows[rows[:-1]] & (np.diff(rows) == 1) for rows in given]
        longest = min(int(_run_lengths(one).max()) for one in goes_on)
        kept = np.unique(np.concatenate(given))
        everything = all(len(rows) == len(kept) for rows in given)
        if len(kept) < len(steps.valid):
            steps = jax.tree.map(lambda x: x[kept], steps)
            follows = follows[kept[:-1]] & (np.diff(kept) == 1)
        most = max(map(len, given))
        counts = np.array([len(rows) for rows in given], np.int32)
        padded = [np.searchsorted(kept, np.append(rows, np.repeat(rows[-1], most - len(rows)))) for rows in given]
        own = np.stack(padded).astype(np.int32)
        one_seed = len(given) == 1
        return make_record(
            cls,
            steps=steps,
            follow=np.where(steps.valid, _run_lengths(follows), 0).astype(np.int32),
            rows=None if everything else (own[0] if one_seed else own),
            count=counts[0] if one_seed else counts,
            longest=longest,
            has_env_reward=has_env_reward,
        )

    @classmethod
    def of_single_steps(cls, steps: Transition, count: int | Int[Array, ""]) -> "Dataset":
        """Return the first ``count`` of ``steps`` [N, ...] as one seed's data set of unconnected steps. Jittable."""
        alone = jnp.ones(steps.valid.shape, jnp.int32)
        return cls(steps=steps, follow=alone, rows=None, count=jnp.asarray(count, jnp.int32), longest=1)

    @property
    def size(self) -> int:
        """N, the largest number of steps that a seed may use."""
        return len(self.follow) if self.rows is None else self.rows.shape[-1]

    @property
    def valid(self) -> Bool[Array, " N"]:
        """False on padding and on steps that are recorded as invalid."""
        valid = self.steps.valid if self.rows is None else self.steps.valid[self.rows]
        return valid & (jnp.arange(self.size) < self.count)

    @property
    def transitions(self) -> Transition:
        """All steps [N, ...] that the seed may use; a copy, unless every seed may use all steps."""
        given = self.steps if self.rows is None else self.at(jnp.arange(self.size))
        return given.replace(valid=self.valid)

    def at(self, index: Int[Array, "*batch"]) -> Transition:
        """Return the seed's steps at ``index``, each from 0 to N - 1: leaves [*batch, ...]."""
        rows = index if self.rows is None else self.rows[index]
        return jax.tree.map(lambda x: x[rows], self.steps)

    def sample(self, key: Key, n: int) -> Transition:
        """Return ``n`` steps drawn uniformly with replacement: leaves [n, ...]."""
        return self.at(jax.random.randint(key, (n,), 0, self.count))

    def sample_segments(self, key: Key, n: int, length: int) -> Transition:
        """Return ``n`` segments of ``length`` consecutive steps of one episode: leaves [n, length, ...].

        They are drawn uniformly over all possible starts, with replacement.

        Raises:
            ConfigError: if some seed has no segment of this length, for example because steps were left out.
        """
        require(
            1 <= length <= self.longest,
            f"Segments of {length} steps cannot be drawn from this data, because the longest that every seed can draw "
            f"has {self.longest}; choose shorter segments, more episodes, or demonstrations.every=1.",
        )
        first = draw_true(key, self._starts(length), n)
        return self.at(first[:, None] + jnp.arange(length))

    def _starts(self, length: int) -> Bool[Array, " N"]:
        """Return True for those of the seed's steps at which a segment of ``length`` of its steps can begin."""
        index = jnp.arange(self.size)
        rows = index if self.rows is None else self.rows
        last = rows[jnp.minimum(index + length - 1, self.size - 1)]
        return (self.follow[rows] >= length) & (last == rows + length - 1) & (index + length <= self.count)

    @property
    def seed_axes(self) -> "Dataset":
        """The axes for ``jax.vmap`` over seeds: 0 for leaves that differ between seeds, None for shared leaves."""
        shared: Any = None
        return self.replace(steps=shared, follow=shared, rows=None if self.rows is None else 0, count=0)

    def copies(self) -> dict[str, tuple[tuple[int, ...], np.dtype, Iterator[np.ndarray]]]:
        """Return shape, type and content (in pieces) of the arrays ``demo_KEY`` of earlier versions, by name.

        Earlier versions held one copy of the demonstrations for each seed.
        """
        counts = np.asarray(self.count)
        everything = np.broadcast_to(np.arange(self.size), (*counts.shape, self.size))
        rows = everything if self.rows is None else np.asarray(self.rows)
        keys = ("obs", "action", "next_obs", "terminated", "truncated", *(("env_reward",) * self.has_env_reward))
        found = {}
        for key in keys:
            array = np.asarray(getattr(self.steps, key))
            pieces = map(array.__getitem__, rows.reshape(-1, self.size))
            found[f"demo_{key}"] = ((*rows.shape, *array.shape[1:]), array.dtype, pieces)
        return found | {"demo_count": (counts.shape, counts.dtype, iter([counts]))}


def seed_axes(data: Examples) -> dict[str, Any]:
    """Return the axes for ``jax.vmap`` over the seeds of the user's data; see :attr:`Dataset.seed_axes`."""
    return {name: value.seed_axes if isinstance(value, Dataset) else 0 for name, value in data.items()}


def fingerprint(data: Examples) -> str:
    """Return a hash of the user's data; a resumed run refuses data with another hash.

    A data set is hashed as the copies per seed that earlier versions held, so that their runs can be resumed.
    """
    arrays: dict[str, tuple] = {}
    for name, value in data.items():
        if isinstance(value, Dataset):
            arrays |= value.copies()
        else:
            array = np.asarray(value)
            arrays[name] = (array.shape, array.dtype, [array])
    digest = hashlib.sha256()
    for name in sorted(arrays):
        shape, dtype, pieces = arrays[name]
        digest.update(f"{name}{shape}{dtype}".encode())
        for piece in pieces:
            digest.update(piece.tobytes())
    return digest.hexdigest()


def _run_lengths(goes_on: np.ndarray) -> np.ndarray:
    """Return, for each of n entries, the number of connected entries from it on; ``goes_on`` [n - 1] connects them."""
    ends = np.append(np.flatnonzero(~goes_on), len(goes_on))
    index = np.arange(len(goes_on) + 1)
    return ends[np.searchsorted(ends, index)] - index + 1

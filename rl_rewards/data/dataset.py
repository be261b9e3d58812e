"""Recorded steps of whole episodes, kept once for all seeds of a program, and which of them each seed was given."""

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
    """Transitions with the bounds of their episodes; pure, an argument of the round.

    The seeds of a program share ``steps`` and ``follow``. Only ``rows`` and ``count`` are a seed's own and have a
    leading seed axis where there are several seeds (:attr:`seed_axes`); all methods are of one seed.
    """

    steps: Transition  # [M, ...] episode after episode
    follow: Int[Array, " M"]  # the number of consecutive valid steps of one episode that begin here
    rows: Int[Array, "*seeds N"] | None  # of ``steps``, ascending, the last repeated as padding; None: all of them
    count: Int[Array, "*seeds"]  # of ``rows``, without the padding
    longest: int = struct.field(pytree_node=False)  # steps of the longest segment that every seed can draw
    has_env_reward: bool = struct.field(pytree_node=False, default=True)  # False: not recorded, and 0 in ``steps``

    @classmethod
    def of(
        cls, steps: Transition, follows: np.ndarray, given: Sequence[np.ndarray], has_env_reward: bool = True
    ) -> "Dataset":
        """A data set of numpy arrays, without the steps that no seed was given.

        Args:
            steps: [M, ...] episode after episode.
            follows: [M - 1] True where the next row is the next step of the same episode.
            given: of every seed, the ascending rows of ``steps`` that it may see, at least one.
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
        """The first ``count`` of ``steps`` [N, ...], given to one seed; they follow each other nowhere. Jittable."""
        alone = jnp.ones(steps.valid.shape, jnp.int32)
        return cls(steps=steps, follow=alone, rows=None, count=jnp.asarray(count, jnp.int32), longest=1)

    @property
    def size(self) -> int:
        """N, the most steps that a seed was given."""
        return len(self.follow) if self.rows is None else self.rows.shape[-1]

    @property
    def valid(self) -> Bool[Array, " N"]:
        """False on padding and on steps that are not valid in themselves."""
        valid = self.steps.valid if self.rows is None else self.steps.valid[self.rows]
        return valid & (jnp.arange(self.size) < self.count)

    @property
    def transitions(self) -> Transition:
        """All steps that the seed was given [N, ...]: a copy of its own, unless all seeds were given everything."""
        given = self.steps if self.rows is None else self.at(jnp.arange(self.size))
        return given.replace(valid=self.valid)

    def at(self, index: Int[Array, "*batch"]) -> Transition:
        """The seed's steps number ``index``, each from 0 to N - 1: leaves [*batch, ...]."""
        rows = index if self.rows is None else self.rows[index]
        return jax.tree.map(lambda x: x[rows], self.steps)

    def sample(self, key: Key, n: int) -> Transition:
        """``n`` steps, uniform with replacement: leaves [n, ...]."""
        return self.at(jax.random.randint(key, (n,), 0, self.count))

    def sample_segments(self, key: Key, n: int, length: int) -> Transition:
        """``n`` segments of ``length`` consecutive steps of one episode: leaves [n, length, ...].

        Uniform over all possible starts, with replacement.

        Raises:
            ConfigError: where some seed has no segment that long, for example because steps were left out.
        """
        require(
            1 <= length <= self.longest,
            f"Segments of {length} steps cannot be drawn from this data: the longest that every seed can draw has "
            f"{self.longest}; choose shorter ones, more episodes, or demonstrations.every=1.",
        )
        first = draw_true(key, self._starts(length), n)
        return self.at(first[:, None] + jnp.arange(length))

    def _starts(self, length: int) -> Bool[Array, " N"]:
        """True for the seed's steps from which ``length`` consecutive ones follow that it was given."""
        index = jnp.arange(self.size)
        rows = index if self.rows is None else self.rows
        last = rows[jnp.minimum(index + length - 1, self.size - 1)]
        return (self.follow[rows] >= length) & (last == rows + length - 1) & (index + length <= self.count)

    @property
    def seed_axes(self) -> "Dataset":
        """Axes for ``jax.vmap`` over seeds: 0 for what is a seed's own, None for what all share."""
        shared: Any = None
        return self.replace(steps=shared, follow=shared, rows=None if self.rows is None else 0, count=0)

    def copies(self) -> dict[str, tuple[tuple[int, ...], np.dtype, Iterator[np.ndarray]]]:
        """Shape, type and pieces of the arrays ``demo_KEY`` that earlier versions held, one copy for each seed."""
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
    """Axes for ``jax.vmap`` over the seeds of what a run was supplied with; see :attr:`Dataset.seed_axes`."""
    return {name: value.seed_axes if isinstance(value, Dataset) else 0 for name, value in data.items()}


def fingerprint(data: Examples) -> str:
    """Returns a hash of all that a run was supplied with; a resumed run refuses other data.

    Of a data set it hashes the copies for every seed that earlier versions held, so that their runs go on.
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
    """The number of entries from each on that belong together, [n], where [n - 1] tells whether the next one does."""
    ends = np.append(np.flatnonzero(~goes_on), len(goes_on))
    index = np.arange(len(goes_on) + 1)
    return ends[np.searchsorted(ends, index)] - index + 1

"""A data set of recorded episodes, stored once for all seeds of a program, with the steps that each seed may use."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.checks import require
from rl_rewards.core.queries import GivenComparisons
from rl_rewards.core.returns import reverse_recurrence
from rl_rewards.core.types import Examples, Key, Transition, make_record
from rl_rewards.data.draws import draw_true

Hashed = tuple[tuple[int, ...], np.dtype, Iterable[np.ndarray]]
"""The shape, the type and the content (in pieces) of an array that is hashed."""


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
    episodes: int = struct.field(pytree_node=False)  # the most episodes of a seed; one with a gap counts as several
    has_env_reward: bool = struct.field(pytree_node=False, default=True)  # False if not recorded: 0 in ``steps``

    @classmethod
    def of(
        cls, steps: Transition, follows: np.ndarray, given: Sequence[np.ndarray | None], has_env_reward: bool = True
    ) -> "Dataset":
        """Return a data set of numpy arrays, without the steps that no seed may use; if all are used, none is copied.

        Args:
            steps: [M, ...] episode after episode.
            follows: [M - 1] True where the next row is the next step of the same episode.
            given: for each seed, the ascending rows of ``steps`` that it may use, at least one; None means all.
            has_env_reward: False if the true reward was not recorded.
        """
        follows, n = follows & steps.valid[:-1] & steps.valid[1:], len(steps.valid)
        listed = [None if rows is None or len(rows) == n else rows for rows in given]
        goes_on = [follows if rows is None else follows[rows[:-1]] & (np.diff(rows) == 1) for rows in listed]
        own = None
        if any(rows is not None for rows in listed):
            each = [np.arange(n) if rows is None else rows for rows in listed]
            kept = np.unique(np.concatenate(each))
            if len(kept) < n:
                steps = jax.tree.map(lambda x: x[kept], steps)
                follows = follows[kept[:-1]] & (np.diff(kept) == 1)
            most = max(map(len, each))
            padded = [np.searchsorted(kept, np.append(rows, np.repeat(rows[-1], most - len(rows)))) for rows in each]
            everything = all(len(rows) == len(kept) for rows in each)
            own = None if everything else np.stack(padded).astype(np.int32)
        counts = np.array([len(one) + 1 for one in goes_on], np.int32)
        one_seed = len(given) == 1
        return make_record(
            cls,
            steps=steps,
            follow=np.where(steps.valid, _run_lengths(follows), 0).astype(np.int32),
            rows=own[0] if one_seed and own is not None else own,
            count=counts[0] if one_seed else counts,
            longest=min(int(_run_lengths(one).max()) for one in goes_on),
            episodes=max(int(np.sum(~one)) for one in goes_on) + 1,
            has_env_reward=has_env_reward,
        )

    @classmethod
    def of_single_steps(cls, steps: Transition, count: int | Int[Array, ""]) -> "Dataset":
        """Return the first ``count`` of ``steps`` [N, ...] as one seed's data set of unconnected steps. Jittable."""
        alone = jnp.ones(steps.valid.shape, jnp.int32)
        count = jnp.asarray(count, jnp.int32)
        return cls(steps=steps, follow=alone, rows=None, count=count, longest=1, episodes=len(alone))

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

    @property
    def goes_on(self) -> Bool[Array, " N"]:
        """True where the seed's next step is the next step of the same episode."""
        index = jnp.arange(self.size)
        rows = index if self.rows is None else self.rows
        is_next = jnp.append(jnp.diff(rows) == 1, False)
        return is_next & (self.follow[rows] >= 2) & (index + 1 < self.count)

    def next_index(self) -> Int[Array, " N"]:
        """Return the index of the next step of the same episode, or the step's own index if the seed has none."""
        return jnp.arange(self.size) + self.goes_on

    @property
    def steps_left(self) -> Int[Array, " N"]:
        """The number of the seed's consecutive steps of one episode from each step on, itself included."""
        return reverse_recurrence(jnp.ones(self.size, jnp.int32), self.goes_on.astype(jnp.int32))

    def episode_index(self) -> Int[Array, " N"]:
        """Return the number of each step's episode, from 0 to ``episodes`` - 1, for example for a sum per segment.

        An episode of which the seed lacks steps in between counts as several. Where :attr:`valid` is False, the number
        has no meaning.
        """
        ended = jnp.cumsum(~self.goes_on)
        return jnp.minimum(jnp.append(0, ended[:-1]), self.episodes - 1)

    def returns(
        self,
        rewards: Float[Array, " N"],
        discount: Float[Array, ""] | float,
        after: Float[Array, " N"] | None = None,
        absorbing_value: Float[Array, ""] | float = 0.0,
        trace_decay: float = 1.0,
    ) -> Float[Array, " N"]:
        """Return the discounted lambda-return of each step to the end of its episode.

        R_t = r_t + discount * ((1 - lambda) V(s_{t+1}) + lambda R_{t+1});  with lambda = 1 it is the sum of rewards

        Args:
            rewards: of the seed's steps; where :attr:`valid` is False they are not used for other steps.
            after: values of ``next_obs``, which stand for R_{t+1} where an episode is cut: it is truncated, the
                recording stops, or the seed lacks the next step. None means 0.
            absorbing_value: the value after a termination, which stands for R_{t+1} there.
            trace_decay: lambda, in [0, 1]; below 1, ``after`` is also V(s_{t+1}) within an episode.
        """
        terminated = self.steps.terminated if self.rows is None else self.steps.terminated[self.rows]
        after = jnp.zeros_like(rewards) if after is None else after
        goes_on = self.goes_on
        known = jnp.where(goes_on, (1.0 - trace_decay) * after, jnp.where(terminated, absorbing_value, after))
        return reverse_recurrence(rewards + discount * known, discount * trace_decay * goes_on)

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

    def copies(self) -> dict[str, Hashed]:
        """Return the arrays ``demo_KEY`` of earlier versions, by name.

        Earlier versions held one copy of the demonstrations for each seed.
        """
        counts = np.asarray(self.count)
        rows = None if self.rows is None else np.asarray(self.rows).reshape(-1, self.size)
        found: dict[str, Hashed] = {}
        for key, array in self.arrays().items():
            pieces = [array] * counts.size if rows is None else map(array.__getitem__, rows)
            found[f"demo_{key}"] = ((*counts.shape, self.size, *array.shape[1:]), array.dtype, pieces)
        return found | {"demo_count": (counts.shape, counts.dtype, [counts])}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the recorded arrays [M, ...] of the steps by name, those of info as ``info_KEY``."""
        keys = ("obs", "action", "next_obs", "terminated", "truncated", *(("env_reward",) * self.has_env_reward))
        found = {key: np.asarray(getattr(self.steps, key)) for key in keys}
        return found | {f"info_{key}": np.asarray(array) for key, array in self.steps.info.items()}


def seed_axes(data: Examples) -> dict[str, Any]:
    """Return the axes for ``jax.vmap`` over the seeds of the user's data; see :attr:`Dataset.seed_axes`."""
    axes = {name: value.seed_axes if isinstance(value, Dataset) else 0 for name, value in data.items()}
    shared_by_all = {name: None for name, value in data.items() if isinstance(value, GivenComparisons)}
    return axes | shared_by_all


def fingerprint(data: Examples) -> str:
    """Return a hash of the user's data; a resumed run refuses data with another hash.

    Demonstrations are hashed as the copies per seed that earlier versions held, so that their runs can be resumed. Any
    other data set is hashed once, with the rows of each seed.
    """
    arrays: dict[str, Hashed] = {}
    for name, value in data.items():
        if isinstance(value, Dataset) and name == "demos":
            arrays |= value.copies()
            continue
        found = {"": value}
        if isinstance(value, Dataset):
            found = {**value.arrays(), "count": value.count} | ({} if value.rows is None else {"rows": value.rows})
        elif isinstance(value, GivenComparisons):
            found = {"obs": value.segments.obs, "action": value.segments.action, "scores": value.scores}
        for key, one in found.items():
            array = np.asarray(one)
            arrays[f"{name}.{key}" if key else name] = (array.shape, array.dtype, [array])
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

"""Rewards learned from stored answers exactly as ``preferences`` learns in a run, without RL."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from rl_rewards.core.queries import Labels, Query, right
from rl_rewards.core.types import Experience, Key, Transition
from rl_rewards.labelers.base import Assignment
from rl_rewards.labelers.oracle import Teacher
from rl_rewards.lecture.preferences.segments import Segments
from rl_rewards.rewards.preferences.answers import PreferencesState
from rl_rewards.rewards.preferences.preferences import Preferences
from rl_rewards.studies.densities import seed_keys

MakeReward = Callable[..., Preferences]
"""Builds the preferences of a YAML, from the settings of a study: the environment, K and the number of queries."""


class Drawn(struct.PyTreeNode):
    """Segments of S seeds, in numpy."""

    asked: Transition  # [S, N, L, ...] that queries may be about
    judged: Transition  # [S, H, L, ...] held out, by which a learned reward is judged
    visited: Transition  # [S, M, ...] steps by which inputs are normalised

    @property
    def returns(self) -> Float[np.ndarray, "S N"]:
        """Return the true returns of ``asked``."""
        return np.asarray(self.asked.env_reward).sum(axis=-1)

    @property
    def judged_returns(self) -> Float[np.ndarray, "S H"]:
        return np.asarray(self.judged.env_reward).sum(axis=-1)

    def seed(self, index: int) -> Transition:
        """Return ``asked`` of one seed [N, L, ...]."""
        return jax.tree.map(lambda leaf: leaf[index], self.asked)


def draw(segments: Segments, seeds: Sequence[int], asked: int, judged: int) -> Drawn:
    """Draw independent segments for every seed."""

    def one(key: Key) -> tuple[Transition, Transition, Transition]:
        drawn = segments.draw(key, asked + 2 * judged)
        parts = [slice(0, asked), slice(asked, asked + judged), slice(asked + judged, None)]
        first, second, third = (jax.tree.map(lambda leaf, part=part: leaf[part], drawn) for part in parts)
        return first, second, jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), third)

    return Drawn(*jax.tree.map(np.asarray, jax.jit(jax.vmap(one))(seed_keys(seeds))))


def learn_returns(
    source: Preferences,
    inputs: Callable[[Transition], Array],
    drawn: Drawn,
    seeds: Sequence[int],
    index: Int[np.ndarray, "S W D K"],
    scores: Float[np.ndarray, "S W D K"],
    rounds: int,
) -> Float[np.ndarray, "S W T H"]:
    """Return learned returns of the held-out segments after each of T rounds, for S seeds and W sets of answers.

    Each set trains a network of its own; all of a seed start from the same one.

    Args:
        inputs: maps transitions to the reward's inputs.
        index: the segments of each query.
        scores: the answers; NaN is padding, from which nothing is learned.
    """

    def of_seed(each: tuple[Drawn, Array, Array, Array]) -> Array:
        own, places, answers, key = each
        seen, judged = inputs(own.asked), inputs(own.judged)
        one = partial(_learn_one, source, seen, judged, own.visited, jax.random.split(key, rounds + 1))
        return jax.lax.map(lambda query: one(*query), (places, answers))

    found = jax.jit(lambda *each: jax.lax.map(of_seed, each))(drawn, index, scores.astype(np.float32), seed_keys(seeds))
    return np.asarray(found, np.float64)


def _learn_one(
    source: Preferences,
    seen: Float[Array, "N L d"],
    judged: Float[Array, "H L d"],
    visited: Transition,
    keys: Key,
    index: Int[Array, "D K"],
    scores: Float[Array, "D K"],
) -> Float[Array, "T H"]:
    """Train from scratch by the source's own updates, a round for every key but the first."""
    queries = len(index)
    state = source.init(keys[0]).replace(inputs=seen[index])
    labels = Labels(id=jnp.arange(queries), scores=scores, rater=jnp.zeros(queries, jnp.int32))
    state = source.absorb(state, labels)

    def sample(sample_key: Key, n: int) -> Transition:
        steps = jax.random.randint(sample_key, (n,), 0, len(visited.env_reward))
        return jax.tree.map(lambda leaf: leaf[steps], visited)

    experience = Experience(None, sample, _never, _never)

    def round_(state: PreferencesState, key: Key) -> tuple[PreferencesState, Array]:
        state, _ = source.update(state, {}, experience, jnp.int32(0), key)
        return state, jnp.mean(jnp.sum(source.reward_model.rewards(state.model, judged), axis=-1), axis=0)

    return jax.lax.scan(round_, state, keys[1:])[1]


def _never(*_: Any) -> Any:
    raise AssertionError("All answers are given; nothing is asked.")


def source_for(make: MakeReward, segments: Segments, queries: int, clips: int, batch_segments: int) -> Preferences:
    """Return a source for ``queries`` answers about ``clips`` segments each, with ``batch_segments`` in a batch."""
    return make(
        spec=segments.spec,
        clips=clips,
        segment_steps=segments.steps,
        budget=queries,
        heldout_every=queries + 2,  # never: a study has its own held-out segments
        batch_size=max(1, batch_segments // clips),
    )


def learn_accuracy(
    source: Preferences,
    segments: Segments,
    drawn: Drawn,
    seeds: Sequence[int],
    index: Int[np.ndarray, "S W D K"],
    scores: Float[np.ndarray, "S W D K"],
    rounds: int,
) -> tuple[Float[np.ndarray, "S W"], Int[np.ndarray, " W"]]:
    """Return accuracy on held-out pairs, see :func:`learn_returns`, and the number of gradient steps until then.

    Each set is measured after the round with the best mean over seeds: few noisy answers are soon overfitted, many
    good ones take longer, and no set should lose by a number of gradient steps that suits another.
    """
    learned = learn_returns(source, partial(segments.inputs, source.judges), drawn, seeds, index, scores, rounds)
    found = np.array([accuracy(one, true) for one, true in zip(learned, drawn.judged_returns, strict=True)])
    best = found.mean(axis=0).argmax(axis=-1)  # [W]
    chosen = np.take_along_axis(found, best[None, :, None], axis=-1)[..., 0]
    return chosen, (best + 1) * source.updates_per_round


def accuracy(learned: Float[np.ndarray, "*batch H"], true: Float[np.ndarray, "*batch H"]) -> np.ndarray:
    """Return the share [*batch] of all pairs of H segments that are ordered as by true returns; 1/2 is chance."""
    both = np.broadcast_arrays(learned, true)
    found, pairs = right(*(jnp.asarray(one, jnp.float32) for one in both))
    return np.asarray(found / pairs, np.float64)


class Asked:
    """A synthetic teacher of one seed for given segments, which counts its queries."""

    def __init__(self, teacher: Teacher, seed: int, segments: Segments, drawn: Transition) -> None:
        """Take ``drawn``, segments [N, L, ...] in numpy."""
        self._teacher, self._seed, self._segments, self._drawn = teacher, seed, segments, drawn
        self.queries = 0

    def answer(self, index: Int[np.ndarray, "Q K"]) -> Labels:
        """Return one answer to each of Q queries about these segments; their randomness is independent."""
        asked = jax.tree.map(lambda leaf: leaf[index], self._drawn)
        ids = self.queries + np.arange(len(index))
        self.queries += len(index)
        oracle = self._teacher.make(
            Assignment(
                seed=self._seed,
                answers=len(index),
                clips=index.shape[1],
                budget=len(index),
                folder=Path(),
                spec=self._segments.spec,
                draw=self._segments.env.draw,
                describe=None,
                acquisition="uniform",
            )
        )
        oracle.submit(Query(id=ids, segments=asked), 0)
        return oracle.collect(0)

    def first_is_better(self, pairs: Int[np.ndarray, "Q 2"]) -> np.ndarray:
        """Return the answers about pairs, as booleans [Q]."""
        scores = np.asarray(self.answer(pairs).scores)
        return scores[:, 0] > scores[:, 1]

"""Tests of the replay ring against a plain list, with wrap-around. The observation of a transition is (env, time)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_rewards.data.replay import Replay
from tests.probes import make_rollout, make_spec

T, B = 4, 3
add = jax.jit(Replay.add)
sample = jax.jit(Replay.sample, static_argnums=2)
sample_segments = jax.jit(Replay.sample_segments, static_argnums=(2, 3))


def numbered(first: int, done=None, valid=None):
    """Return a rollout whose observations are (env, time), with time counted from ``first``."""
    time, env = np.meshgrid(np.arange(first, first + T), np.arange(B), indexing="ij")
    changes = {
        "obs": np.stack([env, time], axis=-1).astype(np.float32),
        "terminated": np.zeros((T, B), bool) if done is None else done,
        "valid": np.ones((T, B), bool) if valid is None else valid,
    }
    return make_rollout(make_spec(obs=2), T, B, **changes)


def filled(rollouts: int, kept: int, done=None, valid=None) -> Replay:
    """Return a ring for ``kept`` rollouts after adding ``rollouts``; ``done`` and ``valid`` are [rollouts * T, B]."""
    replay = Replay.init(numbered(0), kept * T * B)
    for i in range(rollouts):
        rows = slice(i * T, (i + 1) * T)
        replay = add(replay, numbered(i * T, *(None if x is None else x[rows] for x in (done, valid))))
    return replay


def rows_of(transitions) -> set[tuple[int, int]]:
    return {(int(env), int(time)) for env, time in np.asarray(transitions.obs).reshape(-1, 2)}


@pytest.mark.parametrize(("asked", "kept"), [(1, 1), (T * B, 1), (T * B + 1, 2), (5 * T * B, 5)])
def test_capacity_is_rounded_up_to_whole_rollouts(asked, kept):
    assert Replay.init(numbered(0), asked).capacity == kept * T


@given(st.integers(1, 7), st.integers(1, 3))
@settings(max_examples=12)
def test_holds_exactly_the_newest_rollouts(rollouts, kept):
    """The ring holds the last ``kept`` rollouts; its first and its last slot are sampled like any other."""
    listed = [numbered(i * T) for i in range(rollouts)][-kept:]
    expected = set().union(*map(rows_of, listed))
    drawn = sample(filled(rollouts, kept), jax.random.key(rollouts), 3000)
    assert rows_of(drawn) == expected


def test_whole_transitions_stay_together():
    """Every leaf of a sampled transition comes from the same slot."""
    rollout = make_rollout(make_spec(obs=2), T, B)
    drawn = sample(Replay.init(rollout, 2 * T * B).add(rollout), jax.random.key(0), 50)
    flat = jax.tree.map(lambda x: np.asarray(x).reshape(-1, *x.shape[2:]), rollout)
    for i in range(50):
        (row,) = np.flatnonzero((flat.obs == np.asarray(drawn.obs[i])).all(axis=-1))
        for kept, seen in zip(jax.tree.leaves(flat), jax.tree.leaves(drawn), strict=True):
            np.testing.assert_array_equal(seen[i], kept[row])


@pytest.mark.parametrize("rollouts", [2, 5], ids=["part_filled", "wrapped"])
def test_sampling_is_uniform(rollouts):
    """Each stored transition is sampled equally often, within five standard deviations."""
    n = 30_000
    drawn = np.asarray(sample(filled(rollouts, 3), jax.random.key(1), n).obs).astype(int)
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    stored = min(rollouts, 3) * T * B
    assert len(counts) == stored
    assert np.abs(counts - n / stored).max() < 5 * np.sqrt(n / stored)


def possible_segments(done, valid, first: int, length: int) -> set[tuple[int, int]]:
    """Return (env, time of the first step) of every possible segment, by trying every start."""
    return {
        (env, start)
        for env in range(B)
        for start in range(first, len(done) - length + 1)
        if not done[start : start + length - 1, env].any() and valid[start : start + length, env].all()
    }


@given(
    st.integers(1, 6), st.integers(1, 3), st.sampled_from([1, 3, 6]), st.integers(0, 1000), st.sampled_from([0.0, 0.3])
)
@settings(max_examples=40)
def test_segments_are_all_possible_ones_and_no_others(rollouts, kept, length, seed, ends):
    """Segments never cross an episode's end, an invalid step, the write position or the empty part."""
    rng = np.random.default_rng(seed)
    done = rng.random((rollouts * T, B)) < ends
    valid = rng.random((rollouts * T, B)) >= 0.5 * ends
    segments = sample_segments(filled(rollouts, kept, done, valid), jax.random.key(seed), 2000, length)
    possible = possible_segments(done, valid, max(0, rollouts - kept) * T, length)
    obs = np.asarray(segments.obs).astype(int)
    assert obs.shape == (2000, length, 2)
    if not possible:
        assert not segments.valid.any(), "if there are no segments, no step is valid"
        return
    assert segments.valid.all()
    assert rows_of(segments.replace(obs=obs[:, 0])) == possible
    assert np.all(obs[:, :, 0] == obs[:, :1, 0]), "a segment is from one environment"
    assert np.all(np.diff(obs[:, :, 1], axis=1) == 1), "its steps are consecutive"
    assert not np.asarray(segments.done)[:, :-1].any(), "an episode may end at the last step only"


def test_segments_are_uniform_over_starts():
    done = np.zeros((5 * T, B), bool)
    done[9, 0] = done[14, 1] = True
    n, length = 20_000, 3
    segments = sample_segments(filled(5, 3, done), jax.random.key(0), n, length)
    starts = np.asarray(segments.obs[:, 0]).astype(int)
    possible = possible_segments(done, np.ones_like(done), 2 * T, length)
    _, counts = np.unique(starts, axis=0, return_counts=True)
    assert len(counts) == len(possible)
    assert np.abs(counts - n / len(possible)).max() < 5 * np.sqrt(n / len(possible))


def test_an_empty_ring_gives_nothing_valid():
    replay = Replay.init(numbered(0), 2 * T * B)
    assert not sample(replay, jax.random.key(0), 5).valid.any()
    assert not sample_segments(replay, jax.random.key(0), 5, 2).valid.any()


def test_a_rollout_alone_is_as_good_as_a_ring_of_one_rollout():
    """Both give the same bits, so that no such ring needs to be stored."""
    ring, alone = filled(5, 1), Replay.of(numbered(4 * T))
    for drawn in (
        lambda replay: sample(replay, jax.random.key(0), 50),
        lambda r: sample_segments(r, jax.random.key(1), 50, 3),
    ):
        assert all(map(np.array_equal, jax.tree.leaves(drawn(ring)), jax.tree.leaves(drawn(alone))))


def test_observations_keep_their_dtype():
    rollout = numbered(0).replace(obs=jnp.full((T, B, 2), 200, jnp.uint8))
    drawn = sample(Replay.init(rollout, 1).add(rollout), jax.random.key(0), 5)
    assert drawn.obs.dtype == jnp.uint8
    assert np.all(np.asarray(drawn.obs) == 200)

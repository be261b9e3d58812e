"""Tests of a data set against separate copies for each seed. The observation of a step is its row number."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Transition
from rl_rewards.data.dataset import Dataset, fingerprint, seed_axes
from rl_rewards.data.demonstrations.choose import as_dataset, choose
from rl_rewards.data.demonstrations.records import transitions_of
from tests.demonstrations import point_demos

sample_segments = jax.jit(Dataset.sample_segments, static_argnums=(2, 3))
DEMOS = point_demos()
PER_STEP = ("obs", "action", "next_obs", "terminated", "truncated", "env_reward")


def numbered(lengths: list[int]) -> tuple[Transition, np.ndarray]:
    """Return consecutive episodes of these lengths, and a mask of rows whose next row continues the episode."""
    n = sum(lengths)
    obs = np.arange(n, dtype=np.float32)[:, None]
    ends = np.isin(np.arange(n), np.cumsum(lengths) - 1)
    none, zeros = np.zeros(n, bool), np.zeros(n, np.float32)
    return Transition(obs, zeros, obs + 1, zeros, none, ends, ~none, ~none, {}, {}), ~ends[:-1]  # type: ignore[arg-type]


def on_device(dataset: Dataset) -> Dataset:
    return jax.tree.map(jnp.asarray, dataset)


def starts_of(rows: np.ndarray, follows: np.ndarray, length: int) -> set[int]:
    """Return the rows at which a segment of ``length`` given rows can begin, by trying every row."""
    given = set(rows)
    return {
        int(row)
        for row in rows
        if all(row + i in given for i in range(length)) and all(follows[row + i] for i in range(length - 1))
    }


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 4), st.floats(0.3, 1.0), st.integers(0, 99))
@settings(max_examples=30)
def test_segments_are_all_possible_ones_and_no_others(lengths, length, share, seed):
    """Segments never cross an episode's end or a step that the seed may not use; it is an error if there are none."""
    steps, follows = numbered(lengths)
    rng = np.random.default_rng(seed)
    given = [np.flatnonzero(rng.random(sum(lengths)) <= share) for _ in range(2)]
    given = [rows if len(rows) else np.array([0]) for rows in given]
    dataset = on_device(Dataset.of(steps, follows, given))
    possible = [starts_of(rows, follows, length) for rows in given]
    assert dataset.longest == min(max(n for n in range(1, 7) if starts_of(rows, follows, n)) for rows in given)
    if length > dataset.longest:
        with pytest.raises(ConfigError, match=f"Segments of {length} steps cannot be drawn"):
            sample_segments(dataset, jax.random.key(0), 8, length)
        return
    keys = jax.random.split(jax.random.key(seed), 2)
    draw = jax.vmap(lambda one, key: sample_segments(one, key, 400, length), (dataset.seed_axes, 0))
    obs = np.asarray(draw(dataset, keys).obs).astype(int)[..., 0]
    assert obs.shape == (2, 400, length)
    assert (np.diff(obs, axis=-1) == 1).all(), "the steps are consecutive"
    for found, expected in zip(obs, possible, strict=True):
        assert set(found[:, 0]) == expected


def test_segments_are_uniform_over_starts():
    steps, follows = numbered([2, 5, 9])
    dataset = on_device(Dataset.of(steps, follows, [np.arange(16)]))
    starts = np.asarray(sample_segments(dataset, jax.random.key(0), 20_000, 3).obs)[:, 0, 0]
    _, counts = np.unique(starts, return_counts=True)
    assert len(counts) == 3 + 7
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)


def copies(rows: list[np.ndarray]) -> list[dict[str, jax.Array]]:
    """Return the data that earlier versions held: a padded copy of the steps of every seed."""
    most = max(map(len, rows))
    padded = [np.append(one, np.repeat(one[-1], most - len(one))) for one in rows]
    return [
        {f"demo_{key}": jnp.asarray(DEMOS[key][own]) for key in PER_STEP} | {"demo_count": jnp.int32(len(one))}
        for own, one in zip(padded, rows, strict=True)
    ]


@pytest.mark.parametrize(("episodes", "every"), [(None, 1), (3, 1), (2, 7)], ids=["everything", "some", "thinned"])
def test_per_seed_rows_are_as_good_as_the_copies_that_they_replace(episodes, every):
    """All steps, sampled steps and the hash, by which older runs recognise their data, are equal under vmap and jit."""
    rows = [choose("x", DEMOS, episodes, every, seed).rows for seed in range(3)]
    rows[1] = rows[1][: len(rows[1]) // 2] if episodes else rows[1]
    dataset, old = on_device(as_dataset(DEMOS, rows)), copies(rows)
    assert (dataset.rows is None) == (episodes is None), "seeds that use all steps need no list of rows"
    assert len(dataset.steps.obs) == len(np.unique(np.concatenate(rows))), "only steps that some seed uses are kept"

    def look(data, seed):
        return transitions_of(data), data["demos"].sample(jax.random.key(seed), 50)

    data = {"demos": dataset, "goal_obs": jnp.zeros((3, 4, 2))}
    seen, drawn = jax.jit(jax.vmap(look, (seed_axes(data), 0)))(data, jnp.arange(3))
    for i, one in enumerate(old):
        picked = jax.random.randint(jax.random.key(i), (50,), 0, one["demo_count"])
        for key in PER_STEP:
            np.testing.assert_array_equal(getattr(seen, key)[i], one[f"demo_{key}"])
            np.testing.assert_array_equal(getattr(drawn, key)[i], one[f"demo_{key}"][picked])
        np.testing.assert_array_equal(seen.valid[i], np.arange(len(seen.valid[i])) < len(rows[i]))
    assert drawn.valid.all() and drawn.is_demo.all()
    stacked = {key: np.stack([np.asarray(one[key]) for one in old]) for key in old[0]}
    assert fingerprint({"demos": dataset}) == fingerprint(stacked)
    assert fingerprint({"demos": on_device(as_dataset(DEMOS, rows[:1]))}) == fingerprint(copies(rows[:1])[0])


def test_the_hash_is_that_of_the_arrays():
    """The hash is written out here to notice any change, because resumed runs compare it with an older one."""
    x = np.arange(3, dtype=np.float32)
    assert fingerprint({"x": x}) == hashlib.sha256(b"x(3,)float32" + x.tobytes()).hexdigest()


def test_a_reward_that_was_not_recorded_is_0_and_told():
    lacking = {key: array for key, array in DEMOS.items() if key != "env_reward"}
    dataset = as_dataset(lacking, [np.arange(len(DEMOS["obs"]))])
    assert not dataset.has_env_reward and not np.asarray(dataset.steps.env_reward).any()
    assert as_dataset(DEMOS, [np.arange(3)]).has_env_reward


def test_steps_that_a_file_left_out_are_in_no_segment():
    thinned = DEMOS | {"step": np.tile(np.arange(40) + 3 * (np.arange(40) >= 30), 8)}
    dataset = as_dataset(thinned, [np.arange(len(DEMOS["obs"]))])
    assert dataset.longest == 30


def test_nothing_named_nothing_seen():
    assert transitions_of({}) is None

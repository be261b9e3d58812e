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
from rl_rewards.data.demonstrations.load import load_demonstrations
from rl_rewards.data.demonstrations.records import transitions_of
from tests.demonstrations import point_demos, point_file
from tests.readmes import ROOT, python_blocks
from tests.runs import build, composed

sample_segments = jax.jit(Dataset.sample_segments, static_argnums=(2, 3))
returns = jax.jit(Dataset.returns)
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
@settings(max_examples=15)
def test_segments_are_all_possible_ones_and_no_others(lengths, length, share, seed):
    """Segments never cross an episode's end or a step that the seed may not use; it is an error if there are none."""
    steps, follows = numbered(lengths)
    rng = np.random.default_rng(seed)
    given = [np.flatnonzero(rng.random(sum(lengths)) <= share) for _ in range(2)]
    given = [rows if len(rows) else np.array([0]) for rows in given]
    dataset = on_device(Dataset.of(steps, follows, given)).replace(episodes=0)  # unused; fewer programs to compile
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


def with_random_ends(seed: int) -> tuple[Transition, np.ndarray]:
    """Return episodes of 1 to 7 steps, of which about half terminate, with random rewards, and which rows follow."""
    rng = np.random.default_rng(seed)
    steps, follows = numbered(list(rng.integers(1, 8, 12)))
    done, terminates = ~np.append(follows, False), rng.random(len(follows) + 1) < 0.5
    steps = steps.replace(terminated=done & terminates, truncated=done & ~terminates)
    return steps.replace(env_reward=rng.normal(size=len(done)).astype(np.float32)), follows


@pytest.mark.parametrize("share", [1.0, 0.8], ids=["all rows", "gaps"])
def test_episodes_and_returns_are_those_of_a_plain_loop(share):
    """Three seeds, with unequal numbers of steps, under jit and vmap."""
    discount, absorbing = 0.9, 3.0
    steps, follows = with_random_ends(0)
    n, rng = len(steps.valid), np.random.default_rng(1)
    rows = [np.flatnonzero(rng.random(n) <= share) for _ in range(3)]
    dataset = on_device(Dataset.of(steps, follows, [None if share == 1.0 else one for one in rows]))
    assert (dataset.rows is None) == (share == 1.0)
    after = jnp.asarray(rng.normal(size=dataset.size), jnp.float32)

    def look(one: Dataset):
        rewards = one.transitions.env_reward
        bare, full = one.returns(rewards, 1.0), one.returns(rewards, discount, after, absorbing)
        return bare, full, one.next_index(), one.goes_on, one.episode_index(), one.valid

    seen = [np.asarray(x) for x in jax.jit(jax.vmap(look, (dataset.seed_axes,)))(dataset)]
    most = 0
    for i, own in enumerate(rows):
        bare, full, after_it, goes_on, episode, valid = (x[i] for x in seen)
        np.testing.assert_array_equal(valid, np.arange(dataset.size) < len(own))
        ends = [j + 1 == len(own) or own[j + 1] != own[j] + 1 or not follows[own[j]] for j in range(len(own))]
        np.testing.assert_array_equal(goes_on[: len(own)], ~np.array(ends))
        np.testing.assert_array_equal(after_it[: len(own)], np.arange(len(own)) + ~np.array(ends))
        np.testing.assert_array_equal(episode[: len(own)], np.append(0, np.cumsum(ends))[:-1])
        most = max(most, sum(ends))
        expected_bare, expected = np.zeros(len(own) + 1), np.zeros(len(own) + 1)
        for j in reversed(range(len(own))):
            beyond = absorbing if steps.terminated[own[j]] else float(after[j])
            expected_bare[j] = steps.env_reward[own[j]] + (0.0 if ends[j] else expected_bare[j + 1])
            expected[j] = steps.env_reward[own[j]] + discount * (beyond if ends[j] else expected[j + 1])
        np.testing.assert_allclose(bare[: len(own)], expected_bare[:-1], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(full[: len(own)], expected[:-1], rtol=1e-5, atol=1e-5)
        sums = jax.ops.segment_sum(steps.env_reward[own], episode[: len(own)], dataset.episodes)
        np.testing.assert_allclose(sums[: sum(ends)], expected_bare[np.flatnonzero([True, *ends[:-1]])], rtol=1e-4)
    assert dataset.episodes == most and max(seen[4].ravel()) == most - 1


def test_lambda_returns_mix_rewards_and_values():
    """G_t = r_t + gamma ((1 - lambda) V(s_{t+1}) + lambda G_{t+1}), by a plain loop."""
    steps, follows = with_random_ends(3)
    dataset, n = on_device(Dataset.of(steps, follows, [None])), len(steps.valid)
    after = np.random.default_rng(2).normal(size=n).astype(np.float32)
    for trace_decay in (0.0, 0.7, 1.0):
        found = dataset.returns(jnp.asarray(steps.env_reward), 0.9, jnp.asarray(after), 3.0, trace_decay)
        expected, left = np.zeros(n + 1), np.ones(n, int)
        for t in reversed(range(n)):
            goes_on = t + 1 < n and follows[t]
            end = 3.0 if steps.terminated[t] else after[t]
            mixed = (1.0 - trace_decay) * after[t] + trace_decay * expected[t + 1]
            expected[t] = steps.env_reward[t] + 0.9 * (mixed if goes_on else end)
            left[t] = 1 + (left[t + 1] if goes_on else 0)
        np.testing.assert_allclose(found, expected[:-1], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(dataset.steps_left, left)


def test_invalid_steps_belong_to_no_episode():
    steps, follows = numbered([5])
    dataset = on_device(Dataset.of(steps.replace(valid=np.arange(5) != 2), follows, [None]))
    assert list(dataset.goes_on) == [True, False, False, True, False]
    np.testing.assert_array_equal(returns(dataset, jnp.ones(5), 1.0)[np.array([0, 1, 3, 4])], [2, 1, 2, 1])
    assert list(dataset.episode_index()) == [0, 0, 1, 2, 2] and dataset.episodes == 3


def test_unconnected_steps_are_episodes_of_one_step():
    steps, _ = numbered([4])
    dataset = Dataset.of_single_steps(jax.tree.map(jnp.asarray, steps), 3)
    assert not dataset.goes_on.any() and list(dataset.episode_index()) == [0, 1, 2, 3] and dataset.episodes == 4


def bytes_of(dataset: Dataset) -> int:
    return sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(dataset))


@pytest.mark.parametrize("all_rows", [lambda n: None, np.arange], ids=["None", "listed"])
def test_seeds_that_use_all_rows_copy_nothing(all_rows):
    steps, follows = numbered([300] * 4)
    steps = steps.replace(obs=np.zeros((1200, 17), np.float32))
    one, many = (Dataset.of(steps, follows, [all_rows(1200)] * seeds) for seeds in (1, 20))
    assert all(a is b for a, b in zip(jax.tree.leaves(many.steps), jax.tree.leaves(steps), strict=True))
    assert many.rows is None and list(many.count) == [1200] * 20
    assert bytes_of(many) - bytes_of(one) == 19 * 4, "each further seed adds the number of its rows"
    assert np.shares_memory(as_dataset(DEMOS, [None, None]).steps.obs, DEMOS["obs"])
    mixed = Dataset.of(steps, follows, [None, np.arange(600)])
    assert mixed.rows is not None and list(mixed.count) == [1200, 600]


def test_info_that_is_asked_for_is_in_the_steps():
    infos = {"info_scene": np.arange(640, dtype=np.float32).reshape(320, 2), "info_success": np.arange(320) % 3 == 0}
    dataset = on_device(as_dataset(DEMOS | infos, [np.arange(5, 20)], info=("scene",)))
    assert set(dataset.steps.info) == {"scene"}
    np.testing.assert_array_equal(dataset.at(jnp.array([0, 3])).info["scene"], [[10, 11], [16, 17]])
    with pytest.raises(ConfigError, match=r"^f.npz lacks the array info_cell, .*; of info it has scene, success\.$"):
        as_dataset(DEMOS | infos, [None], info=("scene", "cell"), name="f.npz")
    with pytest.raises(ConfigError, match=r"lacks the array info_scene, which .*; it has no info\.$"):
        as_dataset(DEMOS, [None], info=("scene",))


def test_the_code_that_the_page_shows_runs(tmp_path):
    """It is run for one seed, because the methods of a data set are."""
    (code,) = python_blocks(ROOT / "rl_rewards" / "data" / "README.md")
    path = point_file(tmp_path, info_scene=np.zeros((320, 2)))
    names = {"env": build.build_env(composed("env=point")), "key": jax.random.key(0), "other_key": jax.random.key(1)}
    names |= {"jax": jax, "jnp": jnp}
    names |= {part.__name__: part for part in (load_demonstrations, choose, as_dataset, Dataset)}
    exec(code.replace("FILE.npz", path).replace("range(3)", "range(1)"), names)
    assert names["segments"].obs.shape == (16, 25, 2) and names["data"].steps.info.keys() == {"scene"}
    sums = jax.ops.segment_sum(jnp.ones(names["data"].size), names["episode"], num_segments=names["data"].episodes)
    assert list(sums) == [40] * 8 and names["returns"].shape == (320,)


def test_data_of_an_offline_algorithm_is_no_demonstration():
    assert as_dataset(DEMOS, [None]).steps.is_demo.all()
    assert not as_dataset(DEMOS, [None], is_demo=False).steps.is_demo.any()


def test_the_hash_tells_info_names_and_rows_apart():
    infos = {"info_scene": np.zeros((320, 2), np.float32)}
    plain, asked = as_dataset(DEMOS, [None]), as_dataset(DEMOS | infos, [None], info=("scene",))
    assert fingerprint({"demos": plain}) == fingerprint({"demos": as_dataset(DEMOS | infos, [None])})
    others = [as_dataset(DEMOS, [np.arange(300)]), as_dataset(DEMOS, [np.arange(310)]), as_dataset(DEMOS, [None, None])]
    sets = [{"demos": plain}, {"demos": asked}, {"data": plain}, {"demos": plain, "data": plain}]
    sets += [{"demos": plain, "data": asked}, *({"data": one} for one in others)]
    assert len({fingerprint(one) for one in sets}) == len(sets)


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

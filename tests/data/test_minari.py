"""Tests of Minari data sets, recorded by the tests, as demonstrations."""

import contextlib

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete
from rl_rewards.data.dataset import Dataset
from rl_rewards.data.demonstrations.choose import as_dataset
from rl_rewards.data.demonstrations.load import load_demonstrations, read_demonstrations
from rl_rewards.data.demonstrations.minari import read_minari
from rl_rewards.data.demonstrations.records import require_rewards
from tests.probes import make_spec
from tests.runs import build, composed, run_here

minari = pytest.importorskip("minari")
pytestmark = pytest.mark.filterwarnings("ignore:.*is set to None.*:UserWarning")

PENDULUM = ("env=gymnasium", "env.id=Pendulum-v1", "env.ends_early=false", "env.max_episode_steps=40")


@pytest.fixture
def dataset(tmp_path, outer_patch) -> str:
    """Record a random policy on Pendulum in episodes of 7, 8 and 9 steps; the last one stops without an end flag."""
    outer_patch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    env, rng, buffers = gymnasium.make("Pendulum-v1"), np.random.default_rng(0), []
    for length in (7, 8, 9):
        obs = [env.reset(seed=length)[0]]
        actions = rng.uniform(-2.0, 2.0, (length, 1)).astype(np.float32)
        steps = [env.step(action) for action in actions]
        obs += [step[0] for step in steps]
        cut = [False] * (length - 1) + [length != 9]
        rewards = [float(step[1]) for step in steps]
        buffers.append(
            minari.data_collector.EpisodeBuffer(
                observations=np.array(obs),
                actions=actions,
                rewards=rewards,
                terminations=[False] * length,
                truncations=cut,
            )
        )
    minari.create_dataset_from_buffers("pendulum/random-v0", buffers, env=env, eval_env=env)
    return "pendulum/random-v0"


def test_a_dataset_is_read_like_a_file(dataset):
    spec = build.build(composed(*PENDULUM, "reward=environment")).parts.env.spec
    demos = load_demonstrations(f"minari:{dataset}", spec)
    assert list(demos["episode_start"]) == [0, 7, 15] and len(demos["obs"]) == 24
    np.testing.assert_array_equal(np.flatnonzero(demos["truncated"]), [6, 14, 23])
    np.testing.assert_array_equal(demos["obs"][1:7], demos["next_obs"][:6])
    assert not np.array_equal(demos["obs"][7], demos["next_obs"][6]), "row 7 begins another episode"
    np.testing.assert_allclose(demos["episode_return"][0], demos["env_reward"][:7].sum(), rtol=1e-5)


def test_a_dataset_larger_than_memory_is_refused_before_it_is_read(dataset, monkeypatch):
    obs, action, steps, episodes = 3 * 4, 4, 24, 3
    as_episodes = (steps + episodes) * obs + steps * (action + 8 + 1 + 1)
    need = as_episodes + steps * (2 * obs + action + 8 + 1 + 1)
    assert len(read_minari(dataset, free=need)["obs"]) == steps
    monkeypatch.setattr(minari.MinariDataset, "iterate_episodes", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ConfigError, match=rf"^The arrays of minari:{dataset} take 0\.0 GB of memory \(obs alone"):
        read_demonstrations(f"minari:{dataset}", free=need - 1)


def test_an_offline_algorithm_can_learn_from_it(dataset):
    spec = build.build(composed(*PENDULUM, "reward=environment")).parts.env.spec
    demos = load_demonstrations(f"minari:{dataset}", spec)
    require_rewards(dataset, demos, "reward=environment")
    data = jax.tree.map(jnp.asarray, as_dataset(demos, [None], is_demo=False))
    assert not data.steps.is_demo.any() and data.episodes == 3
    returns = jax.jit(Dataset.returns)(data, data.transitions.env_reward, 1.0)
    np.testing.assert_allclose(returns[demos["episode_start"]], demos["episode_return"], rtol=1e-5)


def test_a_run_learns_from_it(dataset, tmp_path):
    demos = ("reward=gail", f"demos=minari:{dataset}", "demonstrations.episodes=2", "total_env_steps=320")
    last = run_here(tmp_path / "run", *PENDULUM, *demos, evaluated=False)
    assert np.isfinite(last["reward/accuracy_expert"])


def test_what_is_wrong_is_said(dataset):
    spec = build.build(composed(*PENDULUM, "reward=environment")).parts.env.spec
    with pytest.raises(
        ConfigError, match=r"not on this machine \(there are pendulum/random-v0\); .* minari download x-v0"
    ):
        load_demonstrations("minari:x-v0", spec)
    point = build.build(composed("env=point")).parts.env.spec
    with pytest.raises(ConfigError, match="recorded on the environment 'Pendulum-v1', but this run uses 'point'"):
        load_demonstrations(f"minari:{dataset}", point)


ODD = gymnasium.spaces.Discrete(3, start=1)


def own_dataset(tmp_path, outer_patch, episodes, observations=None):
    """Record a data set of these (observations, actions), whose actions are 1 to 3."""
    outer_patch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    buffers = []
    for obs, actions in episodes:
        nothing = [False] * len(actions)
        whole = minari.data_collector.EpisodeBuffer(
            observations=np.asarray(obs),
            actions=np.asarray(actions),
            rewards=[0.0] * len(actions),
            terminations=nothing,
            truncations=nothing,
        )
        buffers.append(whole)
    space = gymnasium.spaces.Box(-10, 10, (2,), np.float32) if observations is None else observations
    minari.create_dataset_from_buffers("own/odd-v0", buffers, action_space=ODD, observation_space=space)
    return tmp_path / "minari" / "own" / "odd-v0" / "data"


WALK = np.arange(8, dtype=np.float32).reshape(4, 2)


def test_choices_count_from_zero_wherever_their_space_starts(tmp_path, outer_patch):
    own_dataset(tmp_path, outer_patch, [(WALK, [1, 2, 3])])
    loaded = load_demonstrations("minari:own/odd-v0", make_spec(obs=2, action=Discrete(3)))
    np.testing.assert_array_equal(loaded["action"], [0, 1, 2])


def test_observed_choices_become_one_hot(tmp_path, outer_patch):
    own_dataset(tmp_path, outer_patch, [([2, 3, 4], [1, 2])], gymnasium.spaces.Discrete(3, start=2))
    loaded = load_demonstrations("minari:own/odd-v0", make_spec(obs=3, action=Discrete(3)))
    np.testing.assert_array_equal(loaded["obs"], np.eye(3)[:2])
    np.testing.assert_array_equal(loaded["next_obs"], np.eye(3)[1:])


@pytest.mark.parametrize(
    ("episode", "message"),
    [
        ((WALK, [1, 2, 0]), r"action of episode 1, step 2, is 0; its space Discrete\(3, start=1\) has 1 to 3"),
        ((WALK, [4, 2, 1]), r"action of episode 1, step 0, is 4; its space Discrete\(3, start=1\) has 1 to 3"),
        ((WALK[:3], [1, 2, 3]), "episode 1 has 3 actions and 3 observations; 4 are needed, one before each action"),
    ],
)
def test_episodes_that_cannot_be(tmp_path, outer_patch, episode, message):
    own_dataset(tmp_path, outer_patch, [(WALK, [1, 2, 3]), episode])
    with pytest.raises(ConfigError, match=message):
        read_minari("own/odd-v0")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("main_data.hdf5", b"", "cannot be read: .*; if it is damaged, download it again"),
        ("main_data.hdf5", b"\x89HDF\r\n\x1a\n" + bytes(90), "cannot be read: .*; if it is damaged, download it again"),
        ("metadata.json", b"{", "cannot be read: Misconfigured dataset named own/odd-v0"),
    ],
)
def test_damaged_datasets(tmp_path, outer_patch, file, content, message):
    (own_dataset(tmp_path, outer_patch, [(WALK, [1, 2, 3])]) / file).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_minari("own/odd-v0")


def test_a_dataset_with_damaged_bytes_is_read_or_refused(tmp_path, outer_patch):
    shard = own_dataset(tmp_path, outer_patch, [(WALK, [1, 2, 3])]) / "main_data.hdf5"
    good, rng = shard.read_bytes(), np.random.default_rng(0)
    for length in rng.integers(0, len(good), 15):
        shard.write_bytes(good[:length])
        with pytest.raises(ConfigError, match="minari:own/odd-v0"):
            read_minari("own/odd-v0")
    for _ in range(40):
        bad = np.frombuffer(good, np.uint8).copy()
        bad[rng.integers(0, len(good), 20)] = rng.integers(0, 256, 20)
        shard.write_bytes(bad.tobytes())
        with contextlib.suppress(ConfigError):
            read_minari("own/odd-v0")

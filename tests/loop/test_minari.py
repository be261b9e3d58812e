"""Minari datasets, made on the spot, as demonstrations."""

import gymnasium
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.loop.demonstrations import load_demonstrations
from tests.runs import build, composed, run_here

minari = pytest.importorskip("minari")
pytestmark = pytest.mark.filterwarnings("ignore:.*is set to None.*:UserWarning")

PENDULUM = ("env=gymnasium", "env.id=Pendulum-v1", "env.ends_early=false", "env.max_episode_steps=40")


@pytest.fixture
def dataset(tmp_path, monkeypatch) -> str:
    """Three episodes of 7, 8 and 9 steps of a random policy on Pendulum; the recording of the last just stops."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
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
    spec = build.build(composed(*PENDULUM, "reward=environment")).env.spec
    demos = load_demonstrations(f"minari:{dataset}", spec)
    assert list(demos["episode_start"]) == [0, 7, 15] and len(demos["obs"]) == 24
    np.testing.assert_array_equal(np.flatnonzero(demos["truncated"]), [6, 14, 23])
    np.testing.assert_array_equal(demos["obs"][1:7], demos["next_obs"][:6])
    assert not np.array_equal(demos["obs"][7], demos["next_obs"][6]), "another episode"
    np.testing.assert_allclose(demos["episode_return"][0], demos["env_reward"][:7].sum(), rtol=1e-5)


def test_a_run_learns_from_it(dataset, tmp_path):
    last = run_here(tmp_path / "run", *PENDULUM, "reward=gail", f"demos=minari:{dataset}", "demonstrations.episodes=2")
    assert np.isfinite(last["eval/learned_return"])


def test_what_is_wrong_is_said(dataset):
    spec = build.build(composed(*PENDULUM, "reward=environment")).env.spec
    with pytest.raises(
        ConfigError, match=r"not on this machine \(there are pendulum/random-v0\); .* minari download x-v0"
    ):
        load_demonstrations("minari:x-v0", spec)
    point = build.build(composed("env=point")).env.spec
    with pytest.raises(ConfigError, match="recorded on the environment 'Pendulum-v1', but this run uses 'point'"):
        load_demonstrations(f"minari:{dataset}", point)

"""gymnasium: any id in plain environments, exact states, and one sentence for everything that cannot work."""

import os
import sys

import gymnasium
import jax
import numpy as np
import pytest
from omegaconf import OmegaConf

from rl_rewards.core.errors import CannotDraw, ConfigError
from rl_rewards.core.types import Discrete
from rl_rewards.envs.adapters.gymnasium import Gymnasium, GymnasiumBatch
from rl_rewards.envs.base import HostEnv, HostEnvironment
from tests.probes import config
from tests.runs import digest_of, run_here

OWN = "tests.envs.adapters.own_gymnasium:Own"
MUJOCO = ("Hopper-v5", "HalfCheetah-v5", "Ant-v5", "Humanoid-v5", "Reacher-v5")
CLASSIC = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1")


def make_env(env_id: str, **changes) -> Gymnasium:
    values = OmegaConf.to_container(config("env", "gymnasium"))
    del values["_target_"]
    return Gymnasium(**values | {"id": env_id} | changes)


def begun(env: Gymnasium, num_envs: int, seed: int = 0) -> GymnasiumBatch:
    batch = env.make(num_envs, seed)
    batch.reset(np.ones(num_envs, bool))
    return batch


def random_actions(env: Gymnasium, steps: int, num_envs: int, seed: int = 0) -> np.ndarray:
    """Return actions [T, B, ...]; real ones exceed the bounds."""
    rng, action = np.random.default_rng(seed), env.spec.action
    if isinstance(action, Discrete):
        return rng.integers(0, action.n, (steps, num_envs)).astype(np.int32)
    return rng.normal(0.0, 1.0, (steps, num_envs, *action.shape)).astype(np.float32)


def same(first, second) -> None:
    jax.tree.map(np.testing.assert_array_equal, first, second)


def played(batch: GymnasiumBatch, actions: np.ndarray) -> list:
    """Return the outcomes of every step; environments are reset when they ask for it, as by the collector."""
    outs = []
    for action in actions:
        out = batch.step(action)
        outs.append(jax.tree.map(np.copy, out))
        if out.needs_reset.any():
            outs.append(batch.reset(out.needs_reset).copy())
    return outs


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1", "Hopper-v5", "FrozenLake-v1", f"{OWN}Pictures-v0"])
def test_what_comes_out_is_what_the_spec_says(env_id):
    env = make_env(env_id)
    spec, batch = env.spec, begun(env, 3)
    assert isinstance(env, HostEnvironment) and isinstance(batch, HostEnv)
    out = batch.step(random_actions(env, 1, 3)[0])
    for obs in (batch.reset(np.zeros(3, bool)), out.next_obs):
        assert obs.shape == (3, *spec.obs.shape)
        assert obs.dtype == spec.obs.dtype
    assert out.env_reward.dtype == np.float32
    assert {name: value.shape[1:] for name, value in out.info.items()} == dict(spec.info)
    for flag in (out.terminated, out.truncated, out.needs_reset):
        assert flag.shape == (3,) and flag.dtype == bool


def test_steps_are_gymnasiums_own():
    env = make_env("Hopper-v5", info=["x_velocity"], kwargs={"forward_reward_weight": 2.0})
    plain = gymnasium.make("Hopper-v5", forward_reward_weight=2.0)
    batch = env.make(1, seed=3)
    obs, _ = plain.reset(seed=batch._seeds[0])
    np.testing.assert_array_equal(batch.reset(np.ones(1, bool))[0], obs.astype(np.float32))
    for action in random_actions(env, 60, 1):
        out = batch.step(action)
        obs, reward, terminated, _, info = plain.step(np.clip(action[0], -1.0, 1.0))
        np.testing.assert_array_equal(out.next_obs[0], obs.astype(np.float32))
        assert out.env_reward[0] == np.float32(reward)
        assert out.info["x_velocity"][0] == np.float32(info["x_velocity"])
        assert out.terminated[0] == terminated
        if terminated:
            return
    raise AssertionError("random actions make it fall")


def test_the_limit_is_told_apart_from_an_end_and_nothing_resets_itself():
    env = make_env("CartPole-v1", max_episode_steps=4)
    batch = begun(env, 2)
    batch.set_state(np.array([True, False]), _tipping(batch))
    outs = [batch.step(np.array([0, 1], np.int32)) for _ in range(4)]
    assert outs[3].terminated.tolist() == [True, False]
    assert outs[3].truncated.tolist() == [False, True]
    assert outs[3].needs_reset.all()
    assert abs(outs[3].next_obs[0, 2]) > 0.2095, "the true successor lies beyond the allowed angle"
    last = outs[3].next_obs.copy()
    obs = batch.reset(np.array([True, False]))
    np.testing.assert_array_equal(obs[1], last[1])
    assert abs(obs[0, 2]) < 0.05
    np.testing.assert_array_equal(outs[3].next_obs, last)
    assert batch.step(np.zeros(2, np.int32)).truncated.tolist() == [False, True]


def _tipping(batch: GymnasiumBatch) -> np.ndarray:
    """Return states from which the first environment's pole falls in exactly four steps."""
    states = batch.get_state()
    states[0, 5:9] = [0.0, 0.0, 0.16, 0.3]
    return states


def test_the_environments_own_cut_counts_too():
    batch = begun(make_env(f"{OWN}Limit-v0"), 1)
    outs = [batch.step(np.zeros(1, np.int32)) for _ in range(7)]
    assert [bool(out.truncated[0]) for out in outs] == [False] * 6 + [True]


def test_seeds_differ_between_environments_and_repeat_between_batches():
    env = make_env("Pendulum-v1")
    first, again, other = (env.make(3, seed).reset(np.ones(3, bool)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len({tuple(row) for row in [*first, *other]}) == 6
    batch = begun(env, 1)
    starts = {tuple(batch.reset(np.ones(1, bool))[0]) for _ in range(3)}
    assert len(starts) == 3, "later resets continue the same random stream"


@pytest.mark.parametrize("env_id", [*MUJOCO, *CLASSIC])
def test_saved_and_loaded_it_goes_on_bit_for_bit(env_id):
    env = make_env(env_id, max_episode_steps=45)
    first, second = begun(env, 2, seed=1), env.make(2, seed=2)
    played(first, random_actions(env, 30, 2))
    second.load(first.save())
    same(first.reset(np.zeros(2, bool)), second.reset(np.zeros(2, bool)))
    actions = random_actions(env, 40, 2, seed=1)
    before, after = played(first, actions), played(second, actions)
    assert any(isinstance(one, np.ndarray) for one in before), "a new episode began"
    same(before, after)


@pytest.mark.parametrize("env_id", [*MUJOCO, *CLASSIC])
def test_a_state_put_back_goes_on_bit_for_bit_in_masked_rows_only(env_id):
    env = make_env(env_id)
    batch = begun(env, 2)
    actions = random_actions(env, 10, 2)
    for action in actions[:2]:
        batch.step(action)
    kept, mask = batch.get_state(), np.array([True, False])
    before = [batch.step(action) for action in actions[2:]]
    batch.reset(mask)
    went_on = batch.get_state()
    batch.set_state(mask, kept)
    same(batch.get_state()[1], went_on[1])
    after = [batch.step(action) for action in actions[2:]]
    for old, new in zip(before, after, strict=True):
        same(jax.tree.map(lambda x: x[0], old), jax.tree.map(lambda x: x[0], new))
    assert (before[0].next_obs[1] != after[0].next_obs[1]).any()


@pytest.mark.parametrize("env_id", ["FrozenLake-v1", f"{OWN}Hidden-v0", f"{OWN}Pictures-v0"])
def test_an_unknown_state_is_not_called_restorable(env_id):
    env = make_env(env_id)
    assert not env.spec.restores
    batch = begun(env, 2)
    with pytest.raises(ConfigError, match="cannot restore a state"):
        batch.get_state()


def test_without_a_state_it_loads_fresh_episodes_of_the_same_stream():
    env = make_env(f"{OWN}Pictures-v0")
    first, second = begun(env, 2, seed=1), env.make(2, seed=9)
    start = first.reset(np.zeros(2, bool))
    first.step(np.zeros(2, np.int32))
    second.load(first.save())
    resumed = second.reset(np.zeros(2, bool))
    assert (resumed != start).any(), "the episodes are not the first ones again"
    np.testing.assert_array_equal(resumed, first.reset(np.ones(2, bool)))


def test_pictures_stay_bytes_and_choices_count_from_zero():
    env = make_env(f"{OWN}Pictures-v0", info=["count"], success="is_success")
    assert env.spec.obs.dtype == "uint8" and env.spec.obs.low is None
    assert env.spec.name == "OwnPictures-v0" and env.spec.has_success
    batch = begun(env, 2)
    out = batch.step(np.array([2, 0], np.int32))  # 3 and 1 in the environment's own count
    assert out.terminated.tolist() == out.info["success"].tolist() == [True, False]
    assert out.info["success"].dtype == bool
    assert out.info["count"].tolist() == [1.0, 1.0] and out.info["count"].dtype == np.float32
    assert out.next_obs.dtype == np.uint8 and out.next_obs.max() > 127


def test_pictures_with_channels_first_are_refused():
    with pytest.raises(
        ConfigError, match=r"OwnChannels-v0 observes pictures of the shape \[3, 12, 12\], channels first"
    ):
        _ = make_env(f"{OWN}Channels-v0").spec


def test_discrete_observations_are_one_hot():
    obs = begun(make_env("FrozenLake-v1"), 2).reset(np.zeros(2, bool))
    np.testing.assert_array_equal(obs, np.eye(16, dtype=np.float32)[[0, 0]])


def test_open_sides_are_infinite():
    spec = make_env(f"{OWN}Open-v0").spec
    assert spec.action.low == (-np.inf, -np.inf) and spec.action.high == (np.inf, 2.0)
    assert spec.obs.dtype == "float32"
    assert make_env("Hopper-v5").spec.obs.low is None


def test_a_module_of_the_current_folder_is_found(tmp_path, monkeypatch):
    lines = ["import gymnasium", "from gymnasium.envs.classic_control import PendulumEnv"]
    lines.append("gymnasium.register('Nearby-v0', PendulumEnv, max_episode_steps=9)")
    (tmp_path / "nearby_envs.py").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    monkeypatch.chdir(tmp_path)
    assert make_env("nearby_envs:Nearby-v0").spec.max_episode_steps == 9


@pytest.mark.parametrize(
    ("env_id", "changes", "sentence"),
    [
        ("Hoper-v5", {}, r"no environment 'Hoper-v5'; did you mean Hopper-v5"),
        ("Hopper", {}, r"no environment 'Hopper'; did you mean Hopper-v5"),
        ("qqqq", {}, r"no environment 'qqqq'; nothing registered has a similar name"),
        ("no_such:Hopper-v5", {}, r"module 'no_such' cannot be imported: No module named 'no_such'"),
        ("Hopper-v2", {}, r"env\.id=Hopper-v2 cannot be made"),
        ("Hopper-v5", {"kwargs": {"legs": 2}}, r"env\.id=Hopper-v5 cannot be made: .*legs"),
        (f"{OWN}Endless-v0", {}, r"no registered step limit; give one with env\.max_episode_steps=N"),
        (f"{OWN}Dict-v0", {}, r"observes a Dict, but only Box and Discrete .*env\.flatten_observations=true"),
        (f"{OWN}Pair-v0", {}, r"action space MultiDiscrete\(.*only Discrete and real Box actions"),
        (f"{OWN}Limit-v0", {"info": ["speed"]}, r"no number 'speed' in a step's info, .* it gives count, is_success\."),
        (f"{OWN}Limit-v0", {"success": "pair"}, r"no number 'pair' in a step's info"),
        ("Hopper-v5", {"info": ["success"]}, r"env\.info has 'success'"),
        ("Hopper-v5", {"max_episode_steps": 0}, r"env\.max_episode_steps=0 must be at least 1"),
        ("Hopper-v5", {"info": "x_velocity"}, r"env\.info=x_velocity is not valid; it must be a list"),
    ],
)
def test_mistakes_are_one_sentence(env_id, changes, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        make_env(env_id, **changes).spec  # noqa: B018
    assert "\n" not in str(caught.value)


def test_an_endless_environment_runs_with_a_given_limit():
    assert make_env(f"{OWN}Endless-v0", max_episode_steps=6).spec.max_episode_steps == 6


def test_examples_are_asked_for_only_by_a_reward_that_needs_them(tmp_path):
    with pytest.raises(ConfigError, match=r"Pendulum-v1 cannot generate them; .*examples\.path=FILE\.npz"):
        run_here(tmp_path / "a", "env=gymnasium", "env.ends_early=false", "reward=goal_classifier")
    last = run_here(tmp_path / "b", "env=gymnasium", "reward=environment")
    assert last["eval/learned_return"] == pytest.approx(last["eval/true_return"])
    assert last["eval/true_return"] < -100.0


@pytest.mark.long
def test_a_longer_run_continues_a_shorter_one_bit_for_bit(tmp_path):
    run = ("env=gymnasium", "env.id=Hopper-v5", "env.max_episode_steps=50", "reward=environment")
    run_here(tmp_path / "long", *run, evaluated=False)
    run_here(tmp_path / "short", *run, "total_env_steps=640", evaluated=False)
    run_here(tmp_path / "short", *run, evaluated=False)
    assert digest_of(tmp_path / "short") == digest_of(tmp_path / "long")


def test_a_run_that_cannot_continue_exactly_says_so(tmp_path, capsys):
    run = ("env=gymnasium", "env.id=FrozenLake-v1", "reward=environment")
    run_here(tmp_path, *run, "total_env_steps=640", evaluated=False)
    assert "bit-identical" not in capsys.readouterr().out
    run_here(tmp_path, *run, evaluated=False)
    assert "starts fresh episodes, so that this run is not bit-identical" in capsys.readouterr().out


@pytest.mark.parametrize("env_id", ["HalfCheetah-v5", "Acrobot-v1"])
def test_a_scene_is_drawn_where_there_is_a_renderer(env_id):
    env = make_env(env_id)
    batch = begun(env, 1)
    scenes = [out.info["scene"][0] for out in map(batch.step, random_actions(env, 10, 1))]
    try:
        first, last = env.draw(scenes[0]), env.draw(scenes[-1])
    except CannotDraw as error:
        pytest.skip(str(error))
    assert first.dtype == np.uint8 and first.ndim == 3
    assert (first != last).any()
    np.testing.assert_array_equal(env.draw(scenes[0]), first)


def test_a_renderer_that_fails_is_one_sentence(monkeypatch):
    monkeypatch.setitem(os.environ, "MUJOCO_GL", "no_such_renderer")
    env = make_env("Reacher-v5")
    scene = begun(env, 1).step(np.zeros((1, 2), np.float32)).info["scene"][0]
    with pytest.raises(CannotDraw, match=r"Reacher-v5 cannot be drawn here: .*MUJOCO_GL"):
        env.draw(scene)

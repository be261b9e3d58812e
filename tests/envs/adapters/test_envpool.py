"""envpool: true successors despite its own resets, no states, and one sentence where it cannot work."""

import itertools
import sys

import jax
import numpy as np
import pytest
from omegaconf import OmegaConf

from rl_rewards.core.errors import CannotDraw, ConfigError, EnvironmentFault
from rl_rewards.envs.adapters.envpool import Envpool, EnvpoolBatch
from rl_rewards.envs.base import HostEnv, HostEnvironment
from tests.probes import config
from tests.runs import run_here


def make_env(env_id: str, **changes) -> Envpool:
    values = OmegaConf.to_container(config("env", "envpool"))
    del values["_target_"]
    return Envpool(**values | {"id": env_id} | changes)


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "envpool", None)  # as if it were not installed
    with pytest.raises(
        ConfigError, match=r"^env=envpool needs the package envpool, .*'rl_rewards\[envpool\]'"
    ) as caught:
        make_env("HalfCheetah-v4").spec  # noqa: B018
    assert "\n" not in str(caught.value)


@pytest.fixture(autouse=True)
def _installed(request):
    if "missing" not in request.node.name:
        pytest.importorskip("envpool")


def begun(env: Envpool, num_envs: int, seed: int = 0) -> EnvpoolBatch:
    batch = env.make(num_envs, seed)
    batch.reset(np.ones(num_envs, bool))
    return batch


@pytest.mark.parametrize("env_id", ["HalfCheetah-v4", "CartPole-v1", "Pendulum-v1", "FrozenLake-v1"])
def test_what_comes_out_is_what_the_spec_says(env_id):
    env = make_env(env_id)
    spec, batch = env.spec, begun(env, 3)
    assert isinstance(env, HostEnvironment) and isinstance(batch, HostEnv)
    assert spec.name == env_id and not spec.restores
    shape = getattr(spec.action, "shape", ())
    out = batch.step(np.zeros((3, *shape), np.float32 if shape else np.int32))
    for obs in (batch.reset(np.zeros(3, bool)), out.next_obs):
        assert obs.shape == (3, *spec.obs.shape) and obs.dtype == spec.obs.dtype
    assert out.env_reward.dtype == np.float32 and out.info == {}
    for flag in (out.terminated, out.truncated, out.needs_reset):
        assert flag.shape == (3,) and flag.dtype == bool


def test_an_ends_next_obs_is_the_true_successor_and_a_reset_touches_its_rows_only():
    batch, rng = begun(make_env("CartPole-v1"), 3), np.random.default_rng(0)
    for _ in range(200):
        out = batch.step(rng.integers(0, 2, 3).astype(np.int32))
        if out.terminated.any():
            break
    ended = out.terminated
    assert ended.any() and not ended.all()
    assert (abs(out.next_obs[ended, 2]) > 0.2095).all(), "the pole is beyond the allowed angle, so it is not a start"
    last = out.next_obs.copy()
    with pytest.raises(RuntimeError, match="have ended and need a reset first"):
        batch.step(np.zeros(3, np.int32))
    obs = batch.reset(out.needs_reset)
    assert (abs(obs[ended]) < 0.05).all()
    np.testing.assert_array_equal(obs[~ended], last[~ended])
    np.testing.assert_array_equal(out.next_obs, last)
    after = batch.step(np.array([1, 0, 0], np.int32))
    assert (abs(after.next_obs[ended]) < 0.5).all() and (after.env_reward == 1.0).all()
    moved = abs(after.next_obs - obs)[:, 0]
    np.testing.assert_allclose(moved, abs(0.02 * obs[:, 1]), atol=1e-6, err_msg="x moves by its speed times 0.02 s")


def test_the_limit_is_counted_here_and_nothing_resets_itself_at_it():
    env = make_env("Pendulum-v1", max_episode_steps=4)
    batch, other = begun(env, 2), begun(make_env("Pendulum-v1"), 2)
    actions = np.random.default_rng(0).uniform(-3.0, 3.0, (250, 2, 1)).astype(np.float32)
    outs = [batch.step(action) for action in actions[:6]]
    assert [out.truncated.all() for out in outs] == [False] * 3 + [True] * 3
    for out, action in zip(outs, actions, strict=False):
        np.testing.assert_array_equal(out.next_obs, other.step(action).next_obs)
    long = [other.step(action) for action in actions[6:]]  # beyond envpool's own limit of 200
    assert not any(out.terminated.any() for out in long)
    jumps = [abs(b.next_obs[:, 2] - a.next_obs[:, 2]).max() for a, b in itertools.pairwise(long)]
    assert max(jumps) < 1.3, "the angular speed changes by at most (15 + 3 * 2) * 0.05 per step"
    starts = batch.reset(np.array([True, False]))
    np.testing.assert_array_equal(starts[1], outs[-1].next_obs[1])
    assert batch.step(actions[0]).truncated.tolist() == [False, True]


def test_steps_are_gymnasiums_dynamics():
    gymnasium = pytest.importorskip("gymnasium")
    batch, plain = begun(make_env("Pendulum-v1"), 1), gymnasium.make("Pendulum-v1").unwrapped
    obs = batch.reset(np.zeros(1, bool))[0]
    plain.reset(seed=0)
    plain.state = np.array([np.arctan2(obs[1], obs[0]), obs[2]])
    for action in np.random.default_rng(0).uniform(-2.0, 2.0, (50, 1, 1)).astype(np.float32):
        out = batch.step(action)
        obs, reward, *_ = plain.step(action[0])
        np.testing.assert_allclose(out.next_obs[0], obs, atol=1e-3)
        np.testing.assert_allclose(out.env_reward[0], reward, atol=1e-2)


def test_seeds_repeat_and_a_loaded_batch_begins_other_episodes():
    env = make_env("Pendulum-v1")
    first, again, other = (begun(env, 3, seed) for seed in (1, 1, 2))
    starts = [batch.reset(np.zeros(3, bool)).copy() for batch in (first, again, other)]
    np.testing.assert_array_equal(starts[0], starts[1])
    assert len({tuple(row) for row in [*starts[0], *starts[2]]}) == 6
    action = np.zeros((3, 1), np.float32)
    first.step(action)
    loaded = [begun(env, 3, seed=7) for _ in range(2)]
    for batch in loaded:
        batch.load(first.save())
    jax.tree.map(np.testing.assert_array_equal, *(batch.step(action) for batch in loaded))
    assert (loaded[0].reset(np.zeros(3, bool)) != starts[0]).any()


def test_info_and_success_are_read():
    env = make_env("HalfCheetah-v4", info=["x_velocity"], success="elapsed_step", kwargs={"ctrl_cost_weight": 0.0})
    assert env.spec.info == {"x_velocity": (), "success": ()} and env.spec.has_success
    out = begun(env, 2).step(np.ones((2, 6), np.float32))
    assert out.info["x_velocity"].shape == (2,) and out.info["x_velocity"].dtype == np.float32
    np.testing.assert_allclose(out.env_reward, out.info["x_velocity"], rtol=1e-5)
    assert out.info["success"].tolist() == [True, True]


@pytest.mark.parametrize(
    ("env_id", "changes", "sentence"),
    [
        ("HalfCheeta-v4", {}, r"^envpool has no environment 'HalfCheeta-v4'; did you mean HalfCheetah-v4"),
        ("qqqqqq", {}, r"^envpool has no environment 'qqqqqq'; nothing in it has a similar name"),
        ("Hopper-v4", {"kwargs": {"legs": 2}}, r"^env\.id=Hopper-v4 cannot be made by envpool: .*legs"),
        ("CartpoleBalance-v1", {}, r"^CartpoleBalance-v1 observes a Dict, but only Box and Discrete"),
        ("Hopper-v4", {"info": ["speed"]}, r"no number 'speed' in a step's info, .*x_position, x_velocity"),
        ("Hopper-v4", {"info": ["success"]}, r"^env\.info has 'success'"),
        ("Hopper-v4", {"max_episode_steps": 0}, r"^env\.max_episode_steps=0 must be at least 1"),
        ("Hopper-v4", {"threads": 0}, r"^env\.threads=0 must be at least 1"),
    ],
)
def test_mistakes_are_one_sentence(env_id, changes, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        make_env(env_id, **changes).spec  # noqa: B018
    assert "\n" not in str(caught.value)


def test_what_it_gives_is_held_against_what_is_declared():
    batch, left = begun(make_env("CartPole-v1", ends_early=False), 2), np.zeros((50, 2), np.int32)
    with pytest.raises(EnvironmentFault, match=r"^CartPole-v1 \(environment \d, step \d+\) ended .* env\.ends_early="):
        list(map(batch.step, left))
    batch = begun(make_env("CartPole-v1", success="elapsed_step"), 2)
    batch.step(np.zeros(2, np.int32))
    with pytest.raises(
        EnvironmentFault, match=r"step 2\) returned info\['elapsed_step'\].*env\.success=elapsed_step must"
    ):
        batch.step(np.zeros(2, np.int32))


def test_states_and_pictures_are_refused():
    env = make_env("Pendulum-v1")
    batch = begun(env, 1)
    with pytest.raises(ConfigError, match="cannot restore a state"):
        batch.get_state()
    with pytest.raises(ConfigError, match="cannot restore a state"):
        batch.set_state(np.ones(1, bool), np.zeros((1, 1)))
    with pytest.raises(CannotDraw, match="record no scenes"):
        env.draw(np.zeros(1))
    with pytest.raises(ConfigError, match=r"learns from examples, and Pendulum-v1 cannot generate them"):
        env.collect_examples(np.random.default_rng(0), 3, True)


def test_a_run_trains_and_one_that_goes_on_says_what_it_cannot(tmp_path, capsys):
    run = ("env=envpool", "env.max_episode_steps=40", "reward=environment")
    last = run_here(tmp_path, *run, "total_env_steps=640")
    assert np.mean(last["eval/true_return"]) < -100.0
    assert "bit-identical" not in capsys.readouterr().out
    run_here(tmp_path, *run)
    assert "starts fresh episodes, so that this run is not bit-identical" in capsys.readouterr().out

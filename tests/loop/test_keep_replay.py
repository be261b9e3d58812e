"""Runs write the steps that they collected, and episodes of their final policy, as data for later runs."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.data.demonstrations.checks import CHECKS
from rl_rewards.data.demonstrations.load import read_demonstrations
from rl_rewards.loop import build, ram
from rl_rewards.loop.behaviours import Behaviour, Recorder, scripted, uniform
from rl_rewards.loop.collect import collect_jax
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.rounds import Rounds, _collect_key
from rl_rewards.loop.state import init_state
from tests.demonstrations import point_file
from tests.finished import cut_back, finished_run, resumed_run
from tests.runs import SMALL_SAC, composed, digest_of

POINT = ("env=point", "reward=environment", "env.max_episode_steps=30")
PENDULUM = ("env=gymnasium", "env.id=Pendulum-v1", "env.max_episode_steps=30", "reward=environment")
STEPS, COPIES = 1600, 8


def checked(name: str, overrides: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the arrays of recorded data, after all checks that a run makes of them."""
    spec = build.build(composed("debug=smoke", *overrides)).parts.env.spec
    arrays = read_demonstrations(name)
    for check in CHECKS:
        check(name, arrays, spec)
    return arrays


def test_the_replay_is_what_was_collected(tmp_path):
    """The same run of two seeds is made again by hand: before each round, its steps are collected with the same key."""
    finished_run(tmp_path, *POINT, "keep_replay=true", "num_seeds=2", evaluated=False)
    parts, settings = build.build(composed("debug=smoke", *POINT, "num_seeds=2"))
    algorithm = parts.algorithm

    def collect(agent, env_state, key):
        act = partial(algorithm.act, agent, explore=True)
        return collect_jax(parts.env, act, env_state, key, algorithm.rollout_length).rollout

    with jax.debug_key_reuse(False):  # see conftest
        state = init_state(parts, settings.seed)
        rounds, gather = Rounds(parts, {}, state, None), jax.jit(parts.seeds.map(collect, 0))
        keys = jax.jit(parts.seeds.map(_collect_key, (0, None)))
        collected = []
        for i in range(5):
            collected.append(jax.device_get(gather(state.agent, state.env, keys(state.key, jnp.int32(i)))))
            state, _, _ = rounds(state, i)
    for seed in range(2):
        own = [parts.seeds.each(rollout)[seed] for rollout in collected]
        found = checked(f"run:{tmp_path}@{seed}", POINT)
        for key in ("obs", "action", "next_obs", "env_reward", "info_success", "info_scene", "info_cell"):
            name = key.removeprefix("info_")
            streams = np.concatenate([one.info[name] if name != key else getattr(one, key) for one in own])  # [T, B]
            wanted = np.clip(streams, -1.0, 1.0) if key == "action" else streams
            np.testing.assert_allclose(
                found[key], np.swapaxes(wanted, 0, 1).reshape(STEPS, *wanted.shape[2:]), atol=1e-5, err_msg=key
            )
        assert found["info_success"].dtype == bool and found["info_scene"].dtype == np.float32
        # In 200 steps of each stream there are six episodes of 30, and one of 20 that stops with the run.
        starts = [200 * stream + 30 * episode for stream in range(COPIES) for episode in range(7)]
        np.testing.assert_array_equal(found["episode_start"], starts)
        assert not found["terminated"].any() and found["truncated"].sum() == 7 * COPIES


def test_a_host_environments_steps_are_kept_as_they_were_taken(tmp_path, monkeypatch):
    from rl_rewards.loop import rounds

    taken, collect = [], rounds.collect_host
    monkeypatch.setattr(rounds, "collect_host", lambda *given: taken.append(collect(*given)) or taken[-1])
    finished_run(tmp_path, *PENDULUM, "keep_replay=true", evaluated=False)
    found = checked(f"run:{tmp_path}", PENDULUM)
    for key in ("obs", "action", "next_obs", "env_reward"):
        streams = np.concatenate([getattr(one.rollout, key) for one in taken])
        wanted = np.clip(streams, -2.0, 2.0) if key == "action" else streams
        np.testing.assert_array_equal(found[key], np.swapaxes(wanted, 0, 1).reshape(STEPS, *wanted.shape[2:]), key)
    assert np.abs(found["action"]).max() <= 2.0 and str(found["env"]) == "Pendulum-v1"


@pytest.mark.long
@pytest.mark.parametrize("env", [pytest.param(POINT, id="in JAX"), pytest.param(PENDULUM, id="on the host")])
def test_a_resumed_run_writes_the_same_bytes(tmp_path, env):
    run = finished_run(tmp_path, *env, "keep_replay=true", "record_episodes=3", evaluated=False)
    digest = digest_of(run)
    files = [run / "replay.npz", run / "episodes.npz"]
    whole = [file.read_bytes() for file in files]
    cut_back(run)
    for file in files:
        file.unlink()
    resumed_run(run, STEPS, evaluated=False)
    assert digest_of(run) == digest and [file.read_bytes() for file in files] == whole


def learned(folder: Path, *overrides: str):
    finished_run(folder, *overrides, evaluated=False)
    return restore_policy(folder).state


@pytest.mark.long
@pytest.mark.parametrize("learner", ["gail", "sac"])
def test_keeping_the_steps_changes_nothing_that_is_learned(tmp_path, learner):
    """GAIL draws from the newest rollout, and SAC from a ring that is smaller than the run is long."""
    run = {
        "gail": ("env=point", "reward=gail", f"demos={point_file(tmp_path)}"),
        "sac": (*POINT, *SMALL_SAC, "algorithm.replay_capacity=640", "algorithm.learning_starts=320"),
    }[learner]
    without = learned(tmp_path / "without", *run)
    kept = learned(tmp_path / "with", *run, "keep_replay=true")
    jax.tree.map(np.testing.assert_array_equal, without, kept)
    assert len(read_demonstrations(f"run:{tmp_path / 'with'}")["obs"]) == STEPS


def test_a_longer_run_cannot_continue_a_shorter_one(tmp_path):
    finished_run(tmp_path, *POINT, "keep_replay=true", evaluated=False)
    with pytest.raises(ConfigError, match=r"total_env_steps=3200 .* room for those 1600 steps only; resume it with"):
        resumed_run(tmp_path, 3200, evaluated=False)


def test_an_offline_run_records_its_policy_and_has_no_replay(tmp_path):
    options = ("env=point", "reward=environment", "algorithm=bc", f"demos={point_file(tmp_path)}")
    with pytest.raises(ConfigError, match=r"^keep_replay=true writes .* collects none; choose record_episodes=N"):
        build.build(composed("debug=smoke", *options, "keep_replay=true"))
    finished_run(tmp_path / "run", *options, "record_episodes=4", "num_seeds=2", evaluated=False)
    first, second = (checked(f"run:{tmp_path / 'run'}@{seed}", ("env=point",)) for seed in (0, 1))
    np.testing.assert_array_equal(first["episode_start"], 40 * np.arange(4))
    assert not np.array_equal(first["obs"][:40], second["obs"][:40]), "each seed has its own episodes"
    policy = restore_policy(tmp_path / "run", 1)
    mode, _, _ = policy.algorithm.act(policy.state, (), jnp.asarray(second["obs"]), jax.random.key(0), explore=False)
    spread = np.abs(second["action"] - np.clip(mode, -1.0, 1.0)).mean()
    assert 0.01 < spread < 1.0, "it explores around its own mode"


def test_a_game_has_no_recording():
    for key in ("keep_replay=true", "record_episodes=3"):
        with pytest.raises(ConfigError, match=r"this reward turns the environment into a game; leave them out\.$"):
            build.build(
                composed(
                    "debug=smoke", "env=hall", "reward=self_play", "reward.horizon=12", "reward.alice_moves=6", key
                )
            )


def test_the_steps_count_as_memory(monkeypatch):
    long = ("debug=smoke", *POINT, "keep_replay=true", "total_env_steps=10_000_000")
    parts = build.build(composed("debug=smoke", *POINT, "keep_replay=true")).parts
    per_step = 4 * (2 + 2 + 2 + 1 + 2 + 1) + 4 + 1  # both obs, action, reward, scene and cell in f32; flags and success
    assert ram.needed_bytes(parts)[0]["recording"] == pytest.approx(STEPS * per_step, abs=8)
    monkeypatch.setattr(ram, "free_bytes", lambda *_: int(5e8))
    with pytest.raises(ConfigError, match=r"lower total_env_steps with keep_replay=true \(now 10000000\)\.$"):
        build.build(composed(*long))


def test_uniform_actions_fill_their_bounds():
    env = build.build(composed(*POINT)).parts.env
    action = Recorder(env, uniform(env.spec), copies=20, length=100)(None, 0).action
    assert np.abs(action).max() <= 1.0
    assert action.mean() == pytest.approx(0.0, abs=0.03) and action.std() == pytest.approx(3**-0.5, abs=0.02)


def test_a_script_may_compute_with_numpy_on_the_host():
    env = build.build(composed("debug=smoke", *PENDULUM)).parts.env

    class Swung:
        spec = env.spec

        def expert(self, obs: np.ndarray, speed: float = 1.0) -> np.ndarray:
            assert isinstance(obs, np.ndarray)
            return 2.0 * speed * np.sign(obs[:, 2:])

    behaviour: Behaviour = scripted(Swung(), speed=0.5, random=0.25)  # type: ignore[arg-type]
    taken = Recorder(env, behaviour, copies=40)(None, 0)
    as_scripted = taken.action == np.sign(taken.obs[..., 2:])
    assert taken.obs.shape == (30, 40, 3) and as_scripted.mean() == pytest.approx(0.75, abs=0.05)

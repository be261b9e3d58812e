"""tv_grid: static is seen only near the television, is new at every step, and is part of the state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete, EnvSpec
from rl_rewards.envs.base import JaxEnv
from rl_rewards.envs.rooms.tv_grid import TvGridState
from tests.probes import make

ENV = make("env", "tv_grid", size=5, television=[1, 0], near=1, screen=3, noise=2.0, max_episode_steps=4)
STEP = jax.jit(ENV.step)
RIGHT, UP, LEFT, DOWN, STAY = range(5)
MOVES = np.array([(1, 0), (0, 1), (-1, 0), (0, -1), (0, 0)])


def at(x, y, elapsed=0):
    return TvGridState(walker=jnp.array([x, y], jnp.int32), screen=jnp.zeros(3), elapsed=jnp.int32(elapsed))


def test_every_step():
    places = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(-1, 2)
    before, actions = np.repeat(places, 5, axis=0), np.tile(np.arange(5), 25)
    states = TvGridState(jnp.asarray(before, jnp.int32), jnp.zeros((125, 3)), jnp.zeros(125, jnp.int32))
    reached, out = jax.jit(jax.vmap(ENV.step))(jax.random.split(jax.random.key(0), 125), states, actions)
    expected = before + MOVES[actions]
    expected = np.where((expected.min(axis=-1) < 0) | (expected.max(axis=-1) > 4), before.T, expected.T).T
    np.testing.assert_array_equal(reached.walker, expected)
    x, y = expected.T
    np.testing.assert_array_equal(out.next_obs[:, :25], 5 * np.eye(25)[5 * y + x])
    np.testing.assert_array_equal(out.next_obs, jax.jit(jax.vmap(ENV.observe))(reached))
    near = (x <= 2) & (y <= 1)
    np.testing.assert_array_equal(out.info["television"], near)
    np.testing.assert_array_equal(np.asarray(out.next_obs[:, 25:]) != 0.0, np.tile(near[:, None], 3))
    np.testing.assert_array_equal(out.info["cell"], 5 * y + x)
    np.testing.assert_array_equal(out.info["scene"], np.concatenate([expected, reached.screen], axis=-1))
    for found in (out.info["success"], out.env_reward, ENV.reward_of(None, None, out.next_obs)):
        np.testing.assert_array_equal(found, (x == 4) & (y == 4))
    assert not out.terminated.any()


def test_static_is_normal_and_new_at_every_step():
    keys = jax.random.split(jax.random.key(1), 4000)
    screens = np.asarray(jax.jit(jax.vmap(lambda key: ENV.step(key, at(1, 0), jnp.int32(STAY))[0].screen))(keys))
    assert len(np.unique(screens, axis=0)) == 4000
    np.testing.assert_allclose(screens.mean(axis=0), 0.0, atol=0.1)
    np.testing.assert_allclose(np.cov(screens.T), 4.0 * np.eye(3), atol=0.3)


def test_episodes_start_in_the_middle_and_are_cut():
    state = ENV.reset(jax.random.key(0))
    assert state.walker.tolist() == [2, 2] and not state.screen.any()
    for t in range(1, 6):
        state, out = STEP(jax.random.key(t), state, jnp.int32(UP))
        assert not out.terminated and bool(out.truncated) == bool(out.needs_reset) == (t >= 4), (
            "it stays truncated after the limit"
        )
    assert state.walker.tolist() == [2, 4]
    watched = make("env", "tv_grid", size=5, television=[2, 2]).reset(jax.random.key(0))
    assert watched.screen.all(), "a walker that starts near the television sees static at once"
    assert make("env", "tv_grid", start=[0, 3]).reset(jax.random.key(0)).walker.tolist() == [0, 3]


def test_the_corner_is_reached_in_time():
    env = make("env", "tv_grid")
    keys = jax.random.split(jax.random.key(0), 40)
    walk = jax.jit(lambda s, actions: jax.lax.scan(lambda s, x: env.step(x[0], s, x[1]), s, (keys, actions)))
    _, out = walk(env.reset(jax.random.key(1)), jnp.array([RIGHT, UP] * 20))
    assert np.asarray(out.info["success"]).tolist() == [False] * 9 + [True] * 31
    assert out.truncated[-1] and not out.truncated[:-1].any()


def test_a_state_put_back_goes_on_as_before():
    state, _ = STEP(jax.random.key(6), at(1, 1), jnp.int32(DOWN))
    assert state.screen.all()
    back = jax.device_put(jax.device_get(state))
    np.testing.assert_array_equal(ENV.observe(state), ENV.observe(back))
    runs = [STEP(jax.random.key(7), one, jnp.int32(LEFT)) for one in (state, back)]
    jax.tree.map(np.testing.assert_array_equal, *runs)


def test_spec_fits_what_is_given(tmp_path):
    assert isinstance(ENV, JaxEnv) and not ENV.goal_names, "a goal that contains static could never be reached"
    spec = ENV.spec
    assert spec.obs.shape == (28,) == (len(spec.obs_names),) and spec.obs.low is None and spec.action == Discrete(5)
    assert spec.cells == 25 and not spec.ends_early and spec.restores and spec.has_success
    _, out = STEP(jax.random.key(0), at(0, 0), jnp.int32(UP))
    assert {name: value.shape for name, value in out.info.items()} == spec.info
    assert all(value.dtype == (bool if name == "success" else np.float32) for name, value in out.info.items())
    spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == spec
    assert make("env", "tv_grid").spec.obs.shape == (129,)


def test_what_people_are_given():
    rng = np.random.default_rng(0)
    goals, others = (ENV.collect_examples(rng, 200, goal) for goal in (True, False))
    assert ENV.reward_of(None, None, goals.obs).all() and not ENV.reward_of(None, None, others.obs).any()
    assert goals.obs.dtype == np.float32 and others.action.dtype == np.int32 and set(others.action) == set(range(5))
    cell = others.obs[:, :25].argmax(axis=-1)
    near = (cell % 5 <= 2) & (cell // 5 <= 1)
    np.testing.assert_array_equal(others.obs[:, 25:] != 0.0, np.tile(near[:, None], 3))
    plane = ENV.plane(10)
    assert plane.obs.shape == (10, 10, 28) and plane.obs.dtype == np.float32 and not plane.obs[..., 25:].any()
    assert plane.obs[7, 5].argmax() == 5 * 3 + 2 and plane.x[5] == 2.75 and plane.y[7] == 3.75
    np.testing.assert_array_equal(ENV.place(np.arange(5.0)[None]), [[0.5, 1.5]])


def test_pictures_differ_where_states_do():
    scenes = [
        (3, 3, 0, 0, 0),
        (3, 2, 0, 0, 0),
        (1, 1, 1, -1, 0.5),
        (1, 1, -1, 0.5, 1),
        (4, 4, 0, 0, 0),
        (1, 0, 0, 0, 0),
    ]
    pictures = [ENV.draw(np.array(scene, np.float32)) for scene in scenes]
    assert len({picture.tobytes() for picture in pictures}) == len(scenes)
    assert all(picture.shape == (240, 240, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert pictures[0][215, 72].max() < 30 < pictures[2][215, 72].max(), "the screen, dark and lit"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 1}, r"env\.size=1 must be at least 2 cells"),
        ({"television": [2, 11]}, r"env\.television=\[2, 11\] must be x, y from 0 to 10"),
        ({"television": [2]}, r"env\.television=\[2\] must be x, y"),
        ({"television": [0.5, 1]}, r"env\.television=\[0\.5, 1\] is not valid; it must be a list, each entry a whole"),
        ({"start": [11, 0]}, r"env\.start=\[11, 0\] must be x, y from 0 to 10"),
        ({"start": []}, r"env\.start=\[\] must be x, y"),
        ({"near": -1}, r"env\.near=-1 must not be negative"),
        ({"screen": 0}, r"env\.screen=0 must be at least 1 number"),
        ({"noise": -1.0}, r"env\.noise=-1\.0 is a standard deviation; it must not be negative"),
        ({"max_episode_steps": 0}, r"env\.max_episode_steps=0 must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make("env", "tv_grid", **changes)

"""hall: steps, starts, examples and pictures, and one sentence for every wrong setting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete, EnvSpec
from rl_rewards.envs.base import JaxEnv
from rl_rewards.envs.rooms.hall import HallState
from tests.probes import make

ENV = make("env", "hall", length=5, goal=4, max_episode_steps=3)
LEFT, RIGHT = range(2)


def at(cell, elapsed=0):
    return HallState(cell=jnp.int32(cell), elapsed=jnp.int32(elapsed))


def test_steps():
    cells, actions = np.divmod(np.arange(10), 2)
    states = HallState(cell=jnp.asarray(cells, jnp.int32), elapsed=jnp.zeros(10, jnp.int32))
    keys = jax.random.split(jax.random.key(0), 10)
    reached, out = jax.jit(jax.vmap(ENV.step))(keys, states, jnp.asarray(actions))
    expected = np.clip(cells + np.where(actions == RIGHT, 1, -1), 0, 4)
    np.testing.assert_array_equal(reached.cell, expected)
    np.testing.assert_array_equal(out.next_obs, np.eye(5)[expected])
    np.testing.assert_array_equal(out.info["cell"], expected)
    np.testing.assert_array_equal(out.info["scene"], expected[:, None])
    for found in (out.info["success"], out.terminated, out.env_reward, ENV.reward_of(None, None, out.next_obs)):
        np.testing.assert_array_equal(found, expected == 4)
    np.testing.assert_array_equal(jax.jit(jax.vmap(ENV.goal_features))(reached), expected[:, None])


def test_episodes_start_anywhere_and_are_cut():
    starts = jax.jit(jax.vmap(ENV.reset))(jax.random.split(jax.random.key(0), 4000))
    np.testing.assert_allclose(np.bincount(starts.cell, minlength=5) / 4000, 0.2, atol=0.03)
    state = at(1)
    for t in range(1, 4):
        state, out = ENV.step(jax.random.key(t), state, jnp.int32(LEFT))
        assert not out.terminated and bool(out.truncated) == bool(out.needs_reset) == (t == 3)


def test_a_state_goes_on_after_its_end_and_when_put_back():
    state, out = ENV.step(jax.random.key(0), at(3, elapsed=7), jnp.int32(RIGHT))
    assert out.terminated and not out.truncated and out.needs_reset
    state, out = ENV.step(jax.random.key(1), state, jnp.int32(LEFT))
    assert state.cell == 3 and not out.terminated and out.truncated
    runs = [ENV.step(jax.random.key(7), jax.device_put(jax.device_get(state)), jnp.int32(LEFT)) for _ in range(2)]
    jax.tree.map(np.testing.assert_array_equal, *runs)


def test_the_task_is_solvable_from_the_other_end():
    env = make("env", "hall")
    keys = jax.random.split(jax.random.key(0), 40)
    walk = jax.jit(lambda state: jax.lax.scan(lambda state, key: env.step(key, state, jnp.int32(RIGHT)), state, keys))
    _, out = walk(at(0))
    assert np.argmax(out.terminated) == 19 and out.terminated.any()


def test_spec_fits_what_is_given(tmp_path):
    assert isinstance(ENV, JaxEnv)
    spec = ENV.spec
    assert spec.action == Discrete(2) and spec.cells == 5 and spec.ends_early and spec.restores and spec.has_success
    assert spec.obs_names[3] == "on cell 3" and len(spec.obs_names) == spec.obs.shape[0]
    _, out = ENV.step(jax.random.key(0), at(0), jnp.int32(RIGHT))
    assert {name: value.shape for name, value in out.info.items()} == spec.info
    assert {name: value.dtype for name, value in out.info.items()} == {"success": bool, "scene": "f4", "cell": "f4"}
    assert ENV.goal_names == ("cell",) and ENV.reversible
    spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == spec


def test_what_people_are_given():
    rng = np.random.default_rng(0)
    goals, others = (ENV.collect_examples(rng, 50, goal) for goal in (True, False))
    assert (goals.obs.argmax(axis=-1) == 4).all() and set(others.obs.argmax(axis=-1)) == {0, 1, 2, 3}
    assert others.action.dtype == np.int32 and set(others.action) == {LEFT, RIGHT}
    plane = ENV.plane(10)
    assert plane.obs.shape == (10, 10, 5) and plane.obs.dtype == np.float32
    assert plane.obs[7, 5].argmax() == 2 and plane.x[5] == 2.75 and plane.y[7] == pytest.approx(0.75)
    np.testing.assert_array_equal(ENV.place(np.array([[2.0], [4.0]])), [[2.5, 0.5], [4.5, 0.5]])
    pictures = [ENV.draw(np.array([cell], np.float32)) for cell in range(5)]
    assert pictures[0].shape == (96, 240, 3) and pictures[0].dtype == np.uint8
    assert len({picture.tobytes() for picture in pictures}) == 5
    assert pictures[1][48, 72].tolist() == [40, 90, 200], "the walker"
    assert pictures[1][10, 72].tolist() == [255, 255, 255], "a thin hall has a white background"
    assert make("env", "hall").draw(np.zeros(1)).shape == (96, 240, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": 1}, r"env\.length=1 must be at least 2 cells"),
        ({"goal": 21}, r"env\.goal=21 must be a cell, 0 to 20"),
        ({"goal": -1}, r"env\.goal=-1 must be a cell"),
        ({"max_episode_steps": 0}, r"env\.max_episode_steps=0 must be at least 1"),
        ({"length": 2.5}, r"env\.length=2\.5 is not valid; it must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make("env", "hall", **changes)

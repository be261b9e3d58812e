"""grid: steps agree with its model, and there is one sentence for every wrong setting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.grid import GridState
from tests.probes import make

ENV = make("env", "grid", size=3, block_size=1, slip=0.4, rewards=[[2, 2, 1.0], [1, 0, -0.5]], max_episode_steps=4)
CORNER, MIDDLE = 0, 4
RIGHT, UP, LEFT, DOWN, STAY = range(5)


def at(cell, elapsed=0):
    return GridState(cell=jnp.int32(cell), elapsed=jnp.int32(elapsed))


def test_the_model_is_walks_with_a_slip():
    transition = ENV.transition_tensor
    np.testing.assert_allclose(transition.sum(axis=-1), 1.0, rtol=1e-6)
    other = 0.4 / 5
    expected = {5: 0.6 + other, 7: other, 3: other, 1: other, 4: other}
    np.testing.assert_allclose(transition[MIDDLE, RIGHT], [expected.get(cell, 0.0) for cell in range(9)], rtol=1e-6)
    np.testing.assert_allclose(transition[CORNER, LEFT, CORNER], 0.6 + 3 * other, rtol=1e-6)
    sure = make("env", "grid", size=3, block_size=1, slip=0.0, rewards=[[2, 2, 1.0]]).transition_tensor
    assert sure[MIDDLE].argmax(axis=-1).tolist() == [5, 7, 3, 1, 4]
    assert sure[CORNER].argmax(axis=-1).tolist() == [1, 3, 0, 0, 0]


@pytest.mark.parametrize(("cell", "action"), [(CORNER, LEFT), (MIDDLE, UP), (8, STAY)])
def test_steps_are_as_frequent_as_the_model_says(cell, action):
    keys = jax.random.split(jax.random.key(cell), 4000)
    reached, out = jax.jit(jax.vmap(lambda key: ENV.step(key, at(cell), jnp.int32(action))))(keys)
    shares = np.bincount(reached.cell, minlength=9) / 4000
    np.testing.assert_allclose(shares, ENV.transition_tensor[cell, action], atol=0.03)
    np.testing.assert_array_equal(shares > 0, ENV.transition_tensor[cell, action] > 0)
    np.testing.assert_array_equal(ENV.state_of(out.next_obs), reached.cell)
    np.testing.assert_array_equal(out.env_reward, ENV.true_reward[cell, action][reached.cell])
    np.testing.assert_array_equal(out.info["success"], reached.cell == 8)
    np.testing.assert_array_equal(out.info["scene"], np.stack([reached.cell % 3, reached.cell // 3], axis=-1))


def test_episodes_start_anywhere_and_are_cut():
    starts = jax.jit(jax.vmap(ENV.reset))(jax.random.split(jax.random.key(0), 4000))
    np.testing.assert_allclose(np.bincount(starts.cell, minlength=9) / 4000, ENV.start, atol=0.03)
    state = at(MIDDLE)
    for t in range(1, 5):
        state, out = ENV.step(jax.random.key(t), state, jnp.int32(STAY))
        assert not out.terminated and bool(out.truncated) == bool(out.needs_reset) == (t == 4)


def test_a_state_put_back_goes_on_as_before():
    state = at(MIDDLE, elapsed=2)
    runs = [ENV.step(jax.random.key(7), jax.device_put(jax.device_get(state)), jnp.int32(UP)) for _ in range(2)]
    jax.tree.map(np.testing.assert_array_equal, *runs)


def test_spec_fits_what_is_given():
    spec = ENV.spec
    assert len(spec.obs_names) == spec.obs.shape[0] == 9 and not spec.ends_early
    assert spec.obs_names[5] == "on x=2, y=1"
    np.testing.assert_array_equal(ENV.observe(at(5)), np.eye(9)[5])


def test_blocks_cover_squares_of_cells():
    env = make("env", "grid", size=4, block_size=2, rewards=[[0, 0, 1.0]])
    blocks = env.features["block"]
    assert blocks.shape == (16, 4)
    assert blocks.argmax(axis=1).reshape(4, 4).tolist() == [[0, 0, 1, 1]] * 2 + [[2, 2, 3, 3]] * 2
    np.testing.assert_array_equal(env.features["cell"], np.eye(16))


def test_what_people_are_given():
    rng = np.random.default_rng(0)
    goals, others = (ENV.collect_examples(rng, 50, goal) for goal in (True, False))
    assert (goals.obs.argmax(axis=-1) == 8).all() and not (others.obs.argmax(axis=-1) == 8).any()
    assert others.action.dtype == np.int32 and set(others.action) == set(range(5))
    plane = ENV.plane(6)
    assert plane.obs.shape == (6, 6, 9)
    assert plane.obs[1, 4].argmax() == 2 and plane.x[4] == 2.25 and plane.y[1] == 0.75
    np.testing.assert_array_equal(ENV.place(np.array([[2.0, 0.0]])), [[2.5, 0.5]])
    picture = ENV.draw(np.array([2.0, 0.0]))
    assert picture.shape == (240, 240, 3) and picture.dtype == np.uint8
    assert picture[200, 200].tolist() == [40, 90, 200], "the walker, at the lower right"
    red, green, _ = picture[40, 200].tolist()
    assert green > red, "positive rewards are green"
    red, green, _ = picture[200, 120].tolist()
    assert red > green, "negative rewards are red"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 1}, r"env\.size=1 must be at least 2 cells"),
        ({"slip": 1.5}, r"env\.slip=1\.5 is a probability"),
        ({"block_size": 3}, r"env\.block_size=3 must divide env\.size=8"),
        ({"max_episode_steps": 0}, r"env\.max_episode_steps=0 must be at least 1"),
        ({"rewards": [[8, 0, 1.0]]}, r"has the entry \[8, 0, 1\.0\]; each must be x, y \(0 to 7\) and a reward"),
        ({"rewards": [[1, 1.0]]}, r"has the entry \[1, 1\.0\]"),
        ({"rewards": []}, r"pays the same on every cell"),
        ({"rewards": [1]}, r"env\.rewards=\[1\] is not valid; it must be a list, each entry a list"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make("env", "grid", **changes)

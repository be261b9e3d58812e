"""point in pictures and with a television: pictures show the position, and static is seen only in one corner."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.point import Point, PointState
from tests.probes import make


def picture_env(**changes) -> Point:
    return make("env", "point", observation="image", **changes)


def test_pictures_are_true():
    """The blue centre is the position; next_obs shows the state reached; half a pixel of motion is visible."""
    env = picture_env(image_size=20)
    assert env.spec.obs.shape == (20, 20, 3) and env.spec.obs.dtype == "uint8" and env.spec.obs_names == ()
    state = env.reset(jax.random.key(0)).replace(position=jnp.array([-0.8, -0.55]))
    reached, out = jax.jit(env.step)(jax.random.key(1), state, jnp.array([1.0, 0.5]))
    assert out.next_obs.dtype == jnp.uint8
    np.testing.assert_array_equal(out.next_obs, env.observe(reached))
    for position in (state.position, reached.position):
        picture = np.asarray(env._picture(position), float)
        weight = 255.0 - picture[..., 0]
        weight[6:14, 6:14] = 0.0  # the goal's disc
        rows, columns = np.indices(weight.shape)
        pixel = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum() + 0.5
        np.testing.assert_allclose((pixel / 10.0 - 1.0) * [1.0, -1.0], position, atol=0.03)
    assert (env._picture(state.position + 0.05) != env._picture(state.position)).any()


def test_examples_and_plane_are_pictures():
    env = picture_env(image_size=12)
    for goal in (True, False):
        obs = env.collect_examples(np.random.default_rng(0), 5, goal).obs
        assert obs.shape == (5, 12, 12, 3) and obs.dtype == np.uint8
    plane = env.plane(4)
    assert plane.obs.shape == (4, 4, 12, 12, 3)
    np.testing.assert_array_equal(plane.obs[1, 2], env._picture(jnp.array([plane.x[2], plane.y[1]])))


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"env\.image_size=4 must be at least 8"):
        picture_env(image_size=4)
    with pytest.raises(ConfigError, match=r"env\.observation=pixels is not valid; it must be position or image"):
        make("env", "point", observation="pixels")


def test_a_turn_turns_actions_and_nothing_else():
    """At 90 degrees an action to the right moves the point up; the goal does not move."""
    straight, turned = make("env", "point"), make("env", "point", turn=90.0)
    state = PointState(position=jnp.array([-0.5, -0.5]), elapsed=jnp.zeros((), jnp.int32))
    after = turned.step(jax.random.key(0), state, jnp.array([1.0, 0.0]))[0].position
    np.testing.assert_array_equal(after, straight.step(jax.random.key(0), state, jnp.array([0.0, 1.0]))[0].position)
    assert turned.spec == straight.spec


def at(env, x, y):
    return env.reset(jax.random.key(0)).replace(position=jnp.array([x, y]))


def test_it_can_pay_by_distance():
    env = make("env", "point", reward="distance")
    state = env.reset(jax.random.key(0)).replace(position=jnp.array([0.4, -0.3]))
    reached, out = env.step(jax.random.key(1), state, jnp.array([-1.0, 0.0]))
    assert float(out.env_reward) == pytest.approx(-np.hypot(0.3, 0.3)) and not out.info["success"]
    np.testing.assert_array_equal(env.reward_of(state.position, jnp.zeros(2), reached.position), out.env_reward)


def test_goals_and_cells():
    env = make("env", "point")
    assert env.reversible and env.goal_names == ("x", "y") and env.spec.cells == 256
    states = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 5))
    np.testing.assert_array_equal(jax.jit(jax.vmap(env.goal_features))(states), states.position)
    for (x, y), cell in {
        (-1.0, -1.0): 0,
        (1.0, 1.0): 255,
        (0.01, -0.99): 8,
        (-0.99, 0.01): 128,
        (-0.01, 0.0): 135,
    }.items():
        _, out = env.step(jax.random.key(1), at(env, x, y), jnp.zeros(2))
        assert out.info["cell"] == cell
    assert {name: value.shape for name, value in out.info.items()} == env.spec.info


def test_without_a_television_nothing_is_drawn_or_seen_of_it():
    env = make("env", "point")
    state = env.reset(jax.random.key(0))
    assert state.screen is None and len(jax.tree.leaves(state)) == 2, "older checkpoints have the same leaves"
    runs = [env.step(jax.random.key(i), state, jnp.array([0.3, -0.2])) for i in range(2)]
    jax.tree.map(np.testing.assert_array_equal, *runs)
    assert "television" not in env.spec.info and env.spec.obs.high == (1.0, 1.0)


def test_static_is_seen_in_its_corner_alone(tmp_path):
    env = make("env", "point", television=3)
    step = jax.jit(env.step)
    assert env.observe(env.reset(jax.random.key(0))).shape == env.spec.obs.shape == (5,)
    for (x, y), static in {(-0.5, 0.5): 1, (-0.39, 0.5): 0, (-0.5, 0.39): 0, (0.5, 0.5): 0, (-1.0, 1.0): 1}.items():
        reached, out = step(jax.random.key(1), at(env, x, y), jnp.zeros(2))
        assert out.info["television"] == static
        np.testing.assert_array_equal(np.asarray(reached.screen) != 0.0, bool(static))
        np.testing.assert_array_equal(out.next_obs, env.observe(reached))
        np.testing.assert_array_equal(out.next_obs, np.concatenate([reached.position, reached.screen]))
    keys = jax.random.split(jax.random.key(2), 3000)
    screens = np.asarray(jax.vmap(lambda key: step(key, at(env, -0.5, 0.5), jnp.zeros(2))[0].screen)(keys))
    np.testing.assert_allclose(screens.mean(axis=0), 0.0, atol=0.1)
    np.testing.assert_allclose(np.cov(screens.T), np.eye(3), atol=0.1)
    spec = env.spec
    assert spec.obs.low is None and spec.obs_names == ("x", "y", "television 0", "television 1", "television 2")
    assert {name: value.shape for name, value in out.info.items()} == spec.info
    spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == spec


def test_a_television_changes_nothing_else():
    env, plain = make("env", "point", television=2, goal_radius=0.8), make("env", "point", goal_radius=0.8)
    np.testing.assert_array_equal(env.reset(jax.random.key(5)).position, plain.reset(jax.random.key(5)).position)
    action = jnp.array([0.3, 0.9])
    reached, out = env.step(jax.random.key(1), at(env, -0.5, 0.4), action)
    without, expected = plain.step(jax.random.key(1), at(plain, -0.5, 0.4), action)
    np.testing.assert_array_equal(reached.position, without.position)
    assert out.env_reward == expected.env_reward == env.reward_of(None, None, out.next_obs) == 1.0
    runs = [env.step(jax.random.key(7), jax.device_put(jax.device_get(reached)), action) for _ in range(2)]
    jax.tree.map(np.testing.assert_array_equal, *runs)
    for goal in (True, False):
        seen, bare = (one.collect_examples(np.random.default_rng(0), 200, goal) for one in (env, plain))
        np.testing.assert_array_equal(seen.obs[:, :2], bare.obs)
        np.testing.assert_array_equal(seen.action, bare.action)
        x, y = bare.obs.T
        shown = (x < -0.4) & (y > 0.4)
        np.testing.assert_array_equal(seen.obs[:, 2:] != 0.0, np.stack([shown, shown], axis=-1))
        assert seen.obs.dtype == np.float32 and shown.any() == goal
    plane = env.plane(4)
    assert plane.obs.shape == (4, 4, 4) and plane.obs.dtype == np.float32 and not plane.obs[..., 2:].any()
    np.testing.assert_array_equal(plane.obs[..., :2], plain.plane(4).obs)
    segment = SimpleNamespace(info={"scene": np.zeros((3, 2))}, action=np.zeros((3, 2)))
    assert env.describe(segment) == plain.describe(segment)
    assert env.draw(np.zeros(2)).shape == (240, 240, 3) and (env.draw(np.zeros(2)) != plain.draw(np.zeros(2))).any()


def test_a_television_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"env\.television=-1 must not be negative"):
        make("env", "point", television=-1)
    with pytest.raises(ConfigError, match=r"env\.television=2 adds numbers to a position, and env\.observation=image"):
        picture_env(television=2)

"""point in pictures: what is seen is where the point is, in every place that gives observations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.point import Point, PointState
from tests.probes import make


def picture_env(**changes) -> Point:
    return make("env", "point", observation="image", **changes)


def test_pictures_are_true():
    """The blue centre is the position; next_obs shows the state reached; half a pixel's motion is seen."""
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
    """At 90 degrees what was to the right goes up; the goal stays where it is."""
    straight, turned = make("env", "point"), make("env", "point", turn=90.0)
    state = PointState(position=jnp.array([-0.5, -0.5]), elapsed=jnp.zeros((), jnp.int32))
    after = turned.step(jax.random.key(0), state, jnp.array([1.0, 0.0]))[0].position
    np.testing.assert_array_equal(after, straight.step(jax.random.key(0), state, jnp.array([0.0, 1.0]))[0].position)
    assert turned.spec == straight.spec

"""driver: dynamics agree with calculations by hand and features with the papers; episodes agree with trajectories."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.driver.env import DriverState
from rl_rewards.envs.driver.world import BIYIK, BIYIK_START, SADIGH, drive, random_pairs, step_features
from tests.probes import make

BIYIK_WEIGHTS = [0.5, -0.5, 0.5, -0.5]


def biyik():
    return make("env", "driver", variant="biyik2019", weights=BIYIK_WEIGHTS)


def test_one_euler_step_by_hand():
    after = drive(jnp.array([0.1, 0.2, np.pi / 2, 0.5]), jnp.array([1.0, 0.3]), 0.2)
    np.testing.assert_allclose(after, [0.1, 0.2 + 0.2 * 0.5, np.pi / 2 + 0.2 * 0.5, 0.5 + 0.2 * (0.3 - 0.5)], atol=1e-6)


def test_features_of_sadigh_by_hand():
    """On a lane's centre, turned by 30 degrees, one deviation ahead of the other car and one to its side."""
    cars = np.array([[0.13, 0.27, np.pi / 3, 0.4], [0.16, 0.2, np.pi / 2, 0.9]])
    one_lane_off, three_off = (np.exp(-0.5 * (k * 0.13) ** 2 / (0.25 * 0.13**2 / 4)) for k in (1.0, 3.0))
    lanes = 1.0 + one_lane_off + np.exp(-0.5 * 0.26**2 / (0.25 * 0.13**2 / 4))
    expected = [lanes, one_lane_off + three_off, np.sin(np.pi / 3), np.exp(-1.0), 0.36]
    np.testing.assert_allclose(step_features(SADIGH, jnp.asarray(cars)), expected, rtol=1e-4)
    turned = cars.copy()
    turned[1] = [0.13 + 0.03, 0.27 + 0.07, 0.0, 0.9]  # across the road, so that ahead becomes sideways
    collision = step_features(SADIGH, jnp.asarray(turned))[3]
    np.testing.assert_allclose(collision, np.exp(-0.5 * ((0.03 / 0.07) ** 2 + (0.07 / 0.03) ** 2)), rtol=1e-4)


def test_features_of_biyik_by_hand():
    cars = np.array([[0.1, -0.3, np.pi / 2, 0.4], [0.17, 0.0, np.pi / 2, 0.41]])
    raw = [np.exp(-30 * 0.07**2), 0.36, 1.0, np.exp(-(7 * 0.07**2 + 3 * 0.3**2))]
    scale = [0.15343634, 0.42202643, 0.06112367, 0.15258019]
    np.testing.assert_allclose(step_features(BIYIK, jnp.asarray(cars)), np.divide(raw, scale), rtol=1e-4)


def test_the_other_car_of_biyik_keeps_to_its_script():
    """It drives straight, left, back and then faster, while the learner's car coasts to a stop."""
    after = np.asarray(jax.jit(biyik().trajectory)(jnp.zeros((50, 2))))
    assert after.shape == (50, 2, 4)
    np.testing.assert_allclose(after[:10, 1, 2], np.pi / 2, atol=1e-6)
    np.testing.assert_allclose(after[19, 1, 2], np.pi / 2 + 0.41, atol=1e-4)
    np.testing.assert_allclose(after[29:, 1, 2], np.pi / 2, atol=1e-4)
    np.testing.assert_allclose(after[:30, 1, 3], 0.41, atol=1e-5)
    assert 0.5 < after[-1, 1, 3] < 0.533
    np.testing.assert_allclose(after[-1, 0, 3], 0.4 * 0.9**50, rtol=1e-3)


@pytest.mark.parametrize("variant", ["sadigh2017", "biyik2019"])
def test_an_episode_pays_its_trajectory(variant):
    """The environment's steps equal ``trajectory``, and the rewards equal the weights times its features."""
    env = make("env", "driver") if variant == "sadigh2017" else biyik()
    low, high = env.world.control_low, env.world.control_high
    controls = jax.random.uniform(jax.random.key(1), (5, 2), minval=1.5 * jnp.array(low), maxval=jnp.array(high))
    start = env.reset(jax.random.key(0))
    state, out, rewards, step = start, None, [], jax.jit(env.step)
    for control in controls:
        state, out = step(jax.random.key(0), state, control)
        rewards.append(float(out.env_reward))
        np.testing.assert_allclose(out.env_reward, np.dot(env.weights, out.info["features"]), rtol=1e-5)
    other = None
    if variant == "sadigh2017":
        other = jnp.stack([jnp.zeros(5), jnp.full(5, start.cars[1, 3])], axis=-1)
    trajectory = env.trajectory(controls, start.cars, other)
    np.testing.assert_allclose(trajectory[-1], state.cars, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out.info["scene"], state.cars.reshape(-1))
    steps = 1 if variant == "sadigh2017" else 5
    np.testing.assert_allclose(np.dot(env.weights, env.features(trajectory)) * steps, sum(rewards), rtol=1e-4)


def test_pools_of_questions():
    """Pairs are within the bounds; in those of sadigh2017 only the learner's car differs."""
    for world in (SADIGH, BIYIK):
        pairs = np.asarray(random_pairs(world, jax.random.key(0), 40))
        assert pairs.shape == (40, 2, len(world.features)) and np.isfinite(pairs).all()
        assert (np.ptp(pairs, axis=(0, 1)) > 0).all() and (pairs[:, 0] != pairs[:, 1]).any(axis=1).all()


def test_an_episode_ends_in_time_and_success_is_to_have_passed():
    env = make("env", "driver", max_episode_steps=3)
    cars = jnp.array([[0.0, 0.3, np.pi / 2, 0.0], [0.0, 0.0, np.pi / 2, 0.0]])
    state = DriverState(cars=cars, elapsed=jnp.int32(2))
    _, out = env.step(jax.random.key(0), state, jnp.zeros(2))
    assert out.truncated and out.needs_reset and not out.terminated and out.info["success"]
    assert not env.passed(cars.at[0, 0].set(0.3)), "off the road"
    assert not env.passed(cars.at[0, 1].set(-0.3)), "behind"
    assert not env.passed(cars.at[0, 1].set(0.1)), "touching"


def test_examples_plane_and_picture():
    env = make("env", "driver")
    for goal in (True, False):
        examples = env.collect_examples(np.random.default_rng(0), 20, goal)
        assert examples.obs.shape == (20, 9) and examples.action.shape == (20, 2)
        assert ((examples.obs[:, 5] < 0) == goal).all(), "the other car is behind in goals"
    plane = env.plane(5)
    cars = np.tile(np.array([0.0, 0.0, np.pi / 2, 0.5], np.float32), (2, 1))
    cars[0, :2] = plane.x[3], plane.y[1]
    state = DriverState(cars=jnp.asarray(cars), elapsed=jnp.int32(0))
    np.testing.assert_allclose(plane.obs[1, 3], env.observe(state), atol=1e-6)
    np.testing.assert_allclose(env.place(cars.reshape(-1)), [plane.x[3], plane.y[1]])
    picture = biyik().draw(np.array(BIYIK_START, np.float32).reshape(-1))
    assert picture.shape == (240, 240, 3) and picture.dtype == np.uint8
    blue = (picture == (40, 90, 200)).all(axis=-1).nonzero()
    np.testing.assert_allclose([blue[1].mean(), blue[0].mean()], [120, 160], atol=6)
    white = (picture == 245).all(axis=-1).nonzero()
    np.testing.assert_allclose([white[1].mean(), white[0].mean()], [120 + 34, 160 - 60], atol=6)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"env\.weights has 5 numbers; biyik2019 has 4 features: lanes, speed,"):
        make("env", "driver", variant="biyik2019")
    with pytest.raises(ConfigError, match=r"env\.variant=lds is not valid; it must be sadigh2017 or biyik2019"):
        make("env", "driver", variant="lds")
    with pytest.raises(ConfigError, match=r"env\.max_episode_steps=0 must be at least 1"):
        make("env", "driver", max_episode_steps=0)


def test_progress_and_gentleness_by_hand():
    """Full gas and half the steering at 30 degrees from the road: a quarter of the bound squared, and 1."""
    env = make("env", "driver")
    cars = jnp.array([[0.0, 0.0, np.pi / 3, 0.5], [0.1, 0.5, np.pi / 2, 0.5]])
    _, out = env.step(jax.random.key(0), DriverState(cars=cars, elapsed=jnp.int32(0)), jnp.array([1.0, 7.0]))
    speed, heading = 0.5 + 0.2 * (1.0 - 0.5), np.pi / 3 + 0.2 * 0.5
    assert float(out.info["progress"]) == pytest.approx(speed * np.sin(heading), rel=1e-5)
    assert float(out.info["gentleness"]) == pytest.approx(-(0.25 + 1.0) / 2)

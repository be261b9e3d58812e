"""mountain_car: steps agree with Gymnasium's; the task can be solved, but not with full force to the right only."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete, EnvSpec
from rl_rewards.envs.base import JaxEnv
from rl_rewards.envs.mountain_car import HIGH, LOW, MountainCarState
from tests.probes import make

ENV = make("env", "mountain_car")
STEP = jax.jit(ENV.step)
FULL_LEFT, FULL_RIGHT = 0, 4


def at(position, velocity, elapsed=0):
    return MountainCarState(body=jnp.array([position, velocity], jnp.float32), elapsed=jnp.int32(elapsed))


def gymnasium_steps(bodies, forces):
    """Return the bodies [n, 2] after a step of Gymnasium's own car from every body, and True where it ended [n]."""
    theirs = gymnasium.make("MountainCarContinuous-v0").unwrapped
    theirs.reset(seed=0)
    reached, ended = [], []
    for body, force in zip(bodies, forces, strict=True):
        theirs.state = body
        obs, _, terminated, _, _ = theirs.step(np.array([force], np.float32))
        reached.append(obs)
        ended.append(terminated)
    return np.array(reached), np.array(ended)


def test_every_step_is_gymnasiums():
    rng = np.random.default_rng(0)
    bodies = rng.uniform(LOW, HIGH, (500, 2)).astype(np.float32)
    bodies[:60] = rng.uniform([0.4, -0.01], [0.5, 0.07], (60, 2))  # about to arrive
    bodies[60:90] = rng.uniform([-1.2, -0.07], [-1.15, 0.0], (30, 2))  # about to hit the wall at the left
    bodies[90:100] = HIGH  # at both bounds
    actions = rng.integers(0, 5, 500)
    expected, ended = gymnasium_steps(bodies, np.linspace(-1.0, 1.0, 5)[actions])
    states = MountainCarState(body=jnp.asarray(bodies), elapsed=jnp.zeros(500, jnp.int32))
    reached, out = jax.jit(jax.vmap(ENV.step))(jax.random.split(jax.random.key(0), 500), states, actions)
    np.testing.assert_allclose(reached.body, expected, rtol=0.0, atol=2e-7)
    assert ended.any() and (expected[:, 0] == LOW[0]).any() and (np.abs(expected[:, 1]) == HIGH[1]).any()
    for found in (out.terminated, out.info["success"], out.env_reward, ENV.reward_of(None, None, out.next_obs)):
        np.testing.assert_array_equal(found, ended)
    for found in (out.next_obs, out.info["scene"], jax.vmap(ENV.observe)(reached)):
        np.testing.assert_array_equal(found, reached.body)


def test_swinging_up_succeeds_as_in_gymnasium_and_force_alone_fails():
    @jax.jit
    def drive(state):
        def step(state, key):
            swing = jnp.where(state.body[1] >= 0.0, FULL_RIGHT, FULL_LEFT)
            return ENV.step(key, state, swing)

        return jax.lax.scan(step, state, jax.random.split(jax.random.key(0), 500))

    _, out = drive(at(-0.5, 0.0))
    first = int(np.argmax(out.terminated))
    assert out.terminated[first] and 50 < first < 200
    theirs = gymnasium.make("MountainCarContinuous-v0").unwrapped
    theirs.reset(seed=0)
    theirs.state = np.array([-0.5, 0.0], np.float32)
    for t in range(first + 1):
        force = 1.0 if theirs.state[1] >= 0.0 else -1.0
        obs, _, terminated, _, _ = theirs.step(np.array([force], np.float32))
        assert terminated == (t == first)
        np.testing.assert_allclose(out.next_obs[t], obs, atol=1e-4)
    push = jax.jit(lambda state, keys: jax.lax.scan(lambda s, k: ENV.step(k, s, jnp.int32(FULL_RIGHT)), state, keys))
    _, out = push(at(-0.5, 0.0), jax.random.split(jax.random.key(1), 500))
    assert not out.terminated.any() and out.truncated[-1] and not out.truncated[:-1].any()
    assert not out.env_reward.any()


def test_starts():
    starts = jax.jit(jax.vmap(ENV.reset))(jax.random.split(jax.random.key(0), 2000)).body
    assert (starts[:, 1] == 0.0).all() and starts[:, 0].min() >= -0.6 and starts[:, 0].max() <= -0.4
    np.testing.assert_allclose(np.quantile(starts[:, 0], [0.0, 0.5, 1.0]), [-0.6, -0.5, -0.4], atol=0.01)


def test_a_state_goes_on_after_its_end_and_when_put_back():
    state, out = STEP(jax.random.key(0), at(0.44, 0.05, elapsed=600), jnp.int32(FULL_RIGHT))
    assert out.terminated and not out.truncated and out.needs_reset
    back = jax.device_put(jax.device_get(state))
    runs = [STEP(jax.random.key(7), one, jnp.int32(2)) for one in (state, back)]
    jax.tree.map(np.testing.assert_array_equal, *runs)
    assert runs[0][0].body[0] > state.body[0]


def test_cells_and_goals():
    bodies = np.array([LOW, HIGH, [-0.3, 0.0], [0.599, -0.0699], [-1.2, 0.07]], np.float32)
    features = jax.jit(jax.vmap(ENV.goal_features))(MountainCarState(body=bodies, elapsed=jnp.zeros(5, jnp.int32)))
    np.testing.assert_allclose(features, [[-1, -1], [1, 1], [0, 0], [0.9989, -0.99857], [-1, 1]], atol=1e-4)
    rng = np.random.default_rng(1)
    bodies = rng.uniform(LOW, HIGH, (3000, 2)).astype(np.float32)
    states = MountainCarState(body=bodies, elapsed=np.zeros(3000, np.int32))
    _, out = jax.jit(jax.vmap(ENV.step))(jax.random.split(jax.random.key(0), 3000), states, rng.integers(0, 5, 3000))
    cell = np.asarray(out.info["cell"])
    share = (np.asarray(out.next_obs, float) - LOW) / (HIGH.astype(float) - LOW)
    expected = np.minimum((20 * share).astype(int), 19)
    np.testing.assert_array_equal(cell % 20, expected[:, 0])
    np.testing.assert_array_equal(cell // 20, expected[:, 1])
    assert cell.min() >= 0 and cell.max() < 400 and len(np.unique(cell)) > 300


def test_spec_fits_what_is_given(tmp_path):
    assert isinstance(ENV, JaxEnv)
    spec = ENV.spec
    assert spec.obs.shape == (2,) == (len(spec.obs_names),) and spec.action == Discrete(5)
    assert spec.cells == 400 and spec.ends_early and spec.restores and spec.has_success
    _, out = STEP(jax.random.key(0), at(-0.5, 0.0), jnp.int32(0))
    assert {name: value.shape for name, value in out.info.items()} == spec.info
    assert all(value.dtype == (bool if name == "success" else np.float32) for name, value in out.info.items())
    assert len(ENV.goal_names) == 2 and not ENV.reversible
    spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == spec
    pushed = [make("env", "mountain_car", force_bins=2).step(jax.random.key(0), at(-0.5, 0.0), a)[0] for a in (0, 1)]
    speeds = [float(one.body[1]) for one in pushed]
    np.testing.assert_allclose(np.diff(speeds), 2 * 0.0015, rtol=1e-4)


def test_what_people_are_given():
    rng = np.random.default_rng(0)
    goals, others = (ENV.collect_examples(rng, 200, goal) for goal in (True, False))
    assert ENV.reward_of(None, None, goals.obs).all() and not ENV.reward_of(None, None, others.obs).any()
    assert goals.obs.dtype == np.float32 and others.action.dtype == np.int32 and set(others.action) == set(range(5))
    for obs in (goals.obs, others.obs):
        assert (obs >= LOW).all() and (obs <= HIGH).all()
    plane = ENV.plane(6)
    assert plane.obs.shape == (6, 6, 2) and plane.obs.dtype == np.float32
    np.testing.assert_array_equal(plane.obs[1, 4], [plane.x[4], plane.y[1]])
    np.testing.assert_array_equal(ENV.place(np.array([[0.1, 0.02]])), [[0.1, 0.02]])


def test_pictures_differ_where_states_do():
    scenes = [(-0.5, 0.0), (-0.45, 0.0), (-0.5, 0.01), (-0.5, -0.01), (0.45, 0.0), (-1.2, 0.0), (0.6, 0.07)]
    pictures = [ENV.draw(np.array(scene, np.float32)) for scene in scenes]
    assert len({picture.tobytes() for picture in pictures}) == len(scenes)
    assert all(picture.shape == (176, 240, 3) and picture.dtype == np.uint8 for picture in pictures)
    blue = np.argwhere((pictures[0] == (40, 90, 200)).all(axis=-1))
    np.testing.assert_allclose(blue.mean(axis=0), [176 - 0.155 * 240 / 1.8, 0.7 * 240 / 1.8], atol=3.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"force_bins": 1}, r"env\.force_bins=1 must be at least 2"),
        ({"max_episode_steps": 0}, r"env\.max_episode_steps=0 must be at least 1"),
        ({"force_bins": 2.5}, r"env\.force_bins=2\.5 is not valid; it must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make("env", "mountain_car", **changes)

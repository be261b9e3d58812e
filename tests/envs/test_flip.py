"""flip: it falls, stands and bounces by the laws of physics; it can do a back-flip, but does not by chance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.flip import CORNERS, HEIGHT, INERTIA, LENGTH, SUBSTEP_SECONDS, FlipState
from tests.probes import make

ENV = make("env", "flip")
STILL = make("env", "flip", start_spread=0.0)
STEP_SECONDS = ENV.spec.step_seconds


def body(**given) -> jax.Array:
    values = {"x": 0.0, "height": HEIGHT / 2, "turned": 0.0, "vx": 0.0, "vz": 0.0, "turning": 0.0} | given
    return jnp.array(list(values.values()), jnp.float32)


@jax.jit
def play(start, actions):
    """Return bodies [T, 6], rewards and success [T] under ``actions`` [T, 2]."""

    def step(state, action):
        state, out = ENV.step(jax.random.key(0), state, action)
        return state, (state.body, out.env_reward, out.info["success"])

    return jax.lax.scan(step, FlipState(body=start, elapsed=jnp.int32(0)), actions)[1]


def test_flight_is_a_parabola_and_turns_evenly():
    """In n substeps of h, semi-implicit Euler falls by g h^2 n (n + 1) / 2; legs out of reach do nothing."""
    bodies, _, _ = play(body(height=5.0, vx=1.0, vz=2.0, turning=3.0), jnp.ones((5, 2)))
    n, h = 50, SUBSTEP_SECONDS
    expected = [n * h, 5.0 + 2.0 * n * h - ENV.gravity * h**2 * n * (n + 1) / 2, 3.0 * n * h]
    np.testing.assert_allclose(bodies[-1, :3], expected, rtol=1e-4)
    np.testing.assert_allclose(bodies[-1, 3:], [1.0, 2.0 - ENV.gravity * n * h, 3.0], rtol=1e-4)


def test_a_push_turns_and_lifts_by_hand():
    """Only the nose's leg pushes, from rest, at half its reach: with force F / 2, at half the plank's length."""
    height = HEIGHT / 2 + ENV.leg_reach / 2
    forces = ENV.forces(body(height=height), jnp.array([0.0, ENV.leg_force]))
    np.testing.assert_allclose(forces, [[0, 0], [0, ENV.leg_force / 2], [0, 0], [0, 0]], atol=1e-4)
    after = ENV._advanced(body(height=height), jnp.array([0.0, ENV.leg_force]))
    turning = SUBSTEP_SECONDS * ENV.leg_force / 2 * LENGTH / 2 / INERTIA
    np.testing.assert_allclose(after[5], turning, rtol=1e-4)
    np.testing.assert_allclose(after[4], SUBSTEP_SECONDS * (ENV.leg_force / 2 - ENV.gravity), rtol=1e-4)
    upside_down = ENV.forces(body(height=0.5 * LENGTH, turned=np.pi), jnp.full(2, ENV.leg_force))
    np.testing.assert_allclose(upside_down, 0.0, atol=1e-4)


def test_it_stands_without_a_push():
    start = STILL.reset(jax.random.key(0))
    bodies, rewards, success = play(start.body, -jnp.ones((100, 2)))
    np.testing.assert_allclose(bodies[:, :3], jnp.tile(body()[:3], (100, 1)), atol=2e-3)
    assert not success.any() and abs(float(rewards.sum())) < 1e-3


@pytest.mark.parametrize("turned", [0.0, 0.4, 1.5, 2.5, np.pi])
def test_nothing_goes_through_the_ground_and_nothing_is_gained(turned):
    """Dropped from 4 m while spinning, corners sink by a few centimetres at most, and the energy only decreases."""
    start = body(height=4.0, turned=turned, vx=2.0, turning=10.0)
    bodies, _, _ = play(start, jnp.zeros((150, 2)))
    bodies = np.concatenate([np.asarray(start)[None], bodies])
    lowest = bodies[:, 1] + np.min(
        np.sin(bodies[:, 2:3]) * CORNERS[:, 0] + np.cos(bodies[:, 2:3]) * CORNERS[:, 1], axis=1
    )
    assert lowest.min() > -0.1 and abs(lowest[-1]) < 0.02
    energy = ENV.gravity * bodies[:, 1] + 0.5 * (bodies[:, 3] ** 2 + bodies[:, 4] ** 2 + INERTIA * bodies[:, 5] ** 2)
    touched = np.maximum.accumulate(np.maximum(-lowest, 0.0)).max()
    spring = 2 * 0.5 * 5000.0 * touched**2  # energy that the ground may store for a while
    assert (energy[1:] <= np.minimum.accumulate(energy)[:-1] + spring + 0.2).all()
    assert energy[-1] < 0.2 * energy[0]


def test_a_back_flip_is_possible():
    """From standing, a full push of the nose's leg and a small one of the tail's turn it over onto its feet."""
    actions = np.full((100, 2), -1.0, np.float32)
    actions[10:13] = 0.2, 1.0
    starts = jax.vmap(ENV.reset)(jax.random.split(jax.random.key(0), 8))
    with jax.debug_key_reuse(False):
        bodies, rewards, success = jax.vmap(play, (0, None))(starts.body, jnp.asarray(actions))
    assert success[:, -1].all() and not success[:, 0].any()
    np.testing.assert_allclose(rewards.sum(axis=1), bodies[:, -1, 2], rtol=1e-4)
    np.testing.assert_allclose(bodies[:, -1, :3][:, 1:], [[HEIGHT / 2, 2 * np.pi]] * 8, atol=0.02)
    assert (np.asarray(bodies)[:, :, 1].max(axis=1) > 0.5 * (LENGTH + HEIGHT)).all(), "in flight"
    forward = play(starts.body[0], jnp.asarray(actions[:, ::-1].copy()))
    np.testing.assert_allclose(forward[0][-1, 2], -2 * np.pi, atol=0.02)
    assert not forward[2].any(), "a front flip is not a success"


def test_chance_does_not_flip():
    actions = jax.random.uniform(jax.random.key(1), (100, 100, 2), minval=-1.0, maxval=1.0)
    starts = jax.vmap(ENV.reset)(jax.random.split(jax.random.key(0), 100))
    with jax.debug_key_reuse(False):
        _, _, success = jax.vmap(play)(starts.body, actions)
    assert success.any(axis=1).mean() <= 0.02


def test_episodes_last_and_are_seen():
    env = make("env", "flip", max_episode_steps=2)
    state, out = env.step(jax.random.key(0), env.reset(jax.random.key(1)), jnp.ones(2))
    assert not out.truncated
    state, out = env.step(jax.random.key(0), state, jnp.ones(2))
    assert out.truncated and out.needs_reset and not out.terminated
    np.testing.assert_array_equal(out.next_obs, env.observe(state))
    np.testing.assert_array_equal(out.info["scene"], state.body[:3])
    assert out.info["angle"] == state.body[2]
    turned = FlipState(body=body(turned=0.5 + 2 * np.pi, x=3.0), elapsed=state.elapsed)
    np.testing.assert_allclose(
        ENV.observe(turned),
        [HEIGHT / 2, np.sin(0.5), np.cos(0.5), 0, 0, 0],
        atol=1e-5,
        err_msg="whole turns and x are not observed",
    )


def test_examples_plane_and_picture():
    for goal in (True, False):
        examples = ENV.collect_examples(np.random.default_rng(0), 20, goal)
        assert examples.obs.shape == (20, 6) and examples.action.shape == (20, 2)
        assert ((examples.obs[:, 2] < 0) == goal).all(), "upside down"
    plane = ENV.plane(5)
    state = FlipState(body=body(height=plane.y[1], turned=plane.x[3]), elapsed=jnp.int32(0))
    np.testing.assert_allclose(plane.obs[1, 3], ENV.observe(state), atol=1e-6)
    np.testing.assert_allclose(
        ENV.place(np.array([4.0, plane.y[1], plane.x[3] + 2 * np.pi])), [plane.x[3], plane.y[1]], rtol=1e-5
    )
    for turned, left in ((0.0, False), (np.pi, True)):
        picture = ENV.draw(np.array([3.0, 0.7, turned], np.float32))
        red = (picture == (210, 60, 50)).all(axis=-1).nonzero()[1].mean()
        assert (red < 120) == left, "the nose is drawn on the side to which the plank points"


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"env\.leg_reach=0 must be positive"):
        make("env", "flip", leg_reach=0)
    with pytest.raises(ConfigError, match=r"env\.start_spread=-1 must not be negative"):
        make("env", "flip", start_spread=-1)
    with pytest.raises(ConfigError, match=r"env\.leg_force=strong is not valid; it must be a number"):
        make("env", "flip", leg_force="strong")

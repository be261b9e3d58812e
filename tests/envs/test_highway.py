"""highway: motion and what is measured agree with calculations by hand; the traffic never collides by itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.driver.highway import FEATURES, HighwayState
from rl_rewards.envs.driver.traffic import CAR_LENGTH, LANE_OF, RING, Car, Others, driven, start
from tests.probes import make

STILL = 0.02 * 20.0 / 3.0  # gas that makes up for the drag at 20 m/s


def car(x=1.75, speed=20.0, **changes):
    zero = jnp.zeros(())
    values = {"heading": zero, "push": zero, "steer": zero, "felt": jnp.zeros(2)} | changes
    return Car(x=jnp.asarray(x), speed=jnp.asarray(speed), **values)


def others(*ahead, speed=20.0):
    """Return cars at these places, three in the left lane and three in the right one; all desire their speed."""
    each = jnp.full(6, speed)
    still = jnp.zeros(6)
    return Others(ahead=jnp.array(ahead), speed=each, acceleration=still, desired=each, braking=jnp.zeros(6, jnp.int32))


FAR = (100.0, 200.0, 300.0)


def stepped(own, traffic, action=(0.0, STILL), touching=False):
    env = make("env", "highway")
    state = HighwayState(
        car=own, others=traffic, travelled=jnp.zeros(()), touching=jnp.asarray(touching), spoilt=jnp.zeros((), bool),
        elapsed=jnp.zeros((), jnp.int32),
    )  # fmt: skip
    reached, out = jax.jit(env.step)(jax.random.key(0), state, jnp.array(action))
    return reached, {name: np.asarray(value) for name, value in out.info.items()}, out


def test_a_car_follows_pedals_and_wheel_with_a_lag():
    """Half of what is asked for arrives in the first step of 0.2 s; below 5 m/s a wheel turns the car less."""
    after = driven(car(), jnp.array([1.0, 1.0]))
    assert float(after.push) == pytest.approx(1.5) and float(after.steer) == pytest.approx(1.0)
    assert float(after.speed) == pytest.approx(20.0 + 0.2 * (1.5 - 0.02 * 20.0))
    assert float(after.heading) == pytest.approx(0.2 * 1.0 / 20.0)
    assert float(driven(car(speed=1.0), jnp.array([1.0, 0.0])).heading) == pytest.approx(0.2 * 1.0 / 25.0)
    assert float(driven(car(speed=0.1), jnp.array([0.0, -1.0])).speed) == 0.0
    np.testing.assert_allclose(after.felt, [1.5 - 0.4, 0.05 * 20.22], atol=1e-4)


def test_headway_and_what_follows_from_it():
    """The next car's bumper is 15 m ahead in the right lane, at the learner's speed of 20 m/s: 0.75 s."""
    _, info, out = stepped(car(), others(*FAR, 15.0 + CAR_LENGTH, 200.0, 300.0))
    assert info["headway"] == pytest.approx(0.75, abs=0.02) and info["tailgating"] == pytest.approx(1 - 0.375, abs=0.01)
    assert info["progress"] == pytest.approx(20 / 30, abs=0.01) and not info["straddling"] and not info["collision"]
    assert float(out.env_reward) == pytest.approx(np.dot(make("env", "highway").weights, info["features"]), rel=1e-5)
    np.testing.assert_allclose(info["features"], [info[name] for name in FEATURES])
    _, info, _ = stepped(car(x=-1.75), others(*FAR, 15.0 + CAR_LENGTH, 200.0, 300.0))
    assert info["headway"] == pytest.approx((100 - CAR_LENGTH) / 20, abs=0.05), "a car in the other lane is not ahead"
    _, info, _ = stepped(car(x=0.5), others(*FAR, *FAR))
    assert info["straddling"] and not info["off_road"]
    assert stepped(car(x=3.0), others(*FAR, *FAR))[1]["off_road"]


def test_passengers_mind_jerk_and_closing_in():
    """A brake that brings -3 m/s^2 in 0.2 s has a jerk of 15 m/s^3; 20 m are too little at 10 m/s faster."""
    _, info, _ = stepped(car(felt=jnp.array([0.0, 0.0])), others(*FAR, *FAR), action=(0.0, -1.0))
    assert info["jerk"] == pytest.approx((3.0 + 0.4) / 0.2, rel=1e-3) and info["ease"] == pytest.approx(-1.0)
    _, info, _ = stepped(car(speed=30.0), others(*FAR, 20.0 + CAR_LENGTH, 200.0, 300.0), action=(0.0, 0.2))
    assert info["unease"] == pytest.approx(1.0 + min(info["jerk"] / 4.0, 1.0))


def test_a_collision_begins_once_and_spoils_the_drive():
    reached, info, _ = stepped(car(), others(*FAR, 3.0, 200.0, 300.0))
    assert info["collision"] and info["crash"] and not info["success"] and reached.spoilt
    assert not stepped(car(), others(*FAR, 3.0, 200.0, 300.0), touching=True)[1]["crash"], "it goes on"
    assert stepped(car(), others(*FAR, *FAR))[1]["success"]
    assert not stepped(car(speed=10.0), others(*FAR, *FAR))[1]["success"], "too slow"


@pytest.fixture(scope="module")
def traffic():
    """Return places [T, N, 6] and info of cars that brake to a stop."""
    env = make("env", "highway")

    def play(key):
        def step(state, key):
            reached, out = env.step(key, state, jnp.array([0.0, -0.3]))
            return reached, (reached.others.ahead, out.info)

        return jax.lax.scan(step, env.reset(key), jax.random.split(key, 300))[1]

    return jax.device_get(jax.jit(jax.vmap(play))(jax.random.split(jax.random.key(1), 50)))


def test_others_brake_for_each_other_and_for_a_car_that_stands(traffic):
    ahead, info = traffic
    for lane in (0, 1):
        places = np.sort(ahead[..., np.asarray(LANE_OF) == lane], axis=-1)
        gaps = np.diff(places, axis=-1, append=places[..., :1] + RING)
        assert gaps.min() > CAR_LENGTH
    assert info["standing"][:, -1].all() and info["crash"].mean() < 1e-3
    assert np.ptp(ahead[:, -1], axis=0).max() > 50.0, "drives differ"


def test_starts_are_apart():
    cars, traffic = jax.vmap(start)(jax.random.split(jax.random.key(0), 200))
    assert set(np.asarray(cars.x).tolist()) == {-1.75, 1.75}
    own = (cars.x > 0)[:, None] == (LANE_OF == 1)[None]
    apart = np.minimum(traffic.ahead, RING - traffic.ahead)
    assert apart[np.asarray(own)].min() > 40.0


def test_the_picture_shows_the_car_in_its_lane():
    env = make("env", "highway")
    scene = np.array([1.75, 0.0, 20.0, 5.0, *FAR, 20.0, 200.0, -20.0])
    picture = env.draw(scene)
    assert picture.shape == (360, 120, 3) and picture.dtype == np.uint8
    blue = (picture == (40, 90, 200)).all(axis=-1).nonzero()
    np.testing.assert_allclose([blue[1].mean(), blue[0].mean()], [60 + 5 * 1.75, 360 - 5 * 25], atol=1.5)
    white = (picture == 245).all(axis=-1).nonzero()
    np.testing.assert_allclose([white[1].mean(), white[0].mean()], [60 + 5 * 1.75, 360 - 5 * 25], atol=1.5)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"env\.weights has 2 numbers; highway has 7 features: progress, collision,"):
        make("env", "highway", weights=[1.0, 2.0])
    with pytest.raises(ConfigError, match=r"env\.max_episode_steps=0 must be at least 1"):
        make("env", "highway", max_episode_steps=0)

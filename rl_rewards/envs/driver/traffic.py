"""Motion of the learner's car and of traffic on a ring road of two lanes, in metres and seconds: pure functions.

The other cars follow the intelligent driver model (Treiber, Hennecke and Helbing 2000, arXiv:cond-mat/0002177, table I
but for shorter reaction times) and keep to their lanes. Each of them brakes from time to time for no visible reason.
The road is a ring, so that traffic never ends; it is drawn, and driven, as if it were straight.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.types import Key

STEP_SECONDS = 0.2
METRES_PER_MILE = 1609.344
LANE_WIDTH, CAR_LENGTH, CAR_WIDTH = 3.5, 4.5, 1.8  # m
LANES = (-LANE_WIDTH / 2.0, LANE_WIDTH / 2.0)  # m, centres; positive is to the right
ROAD_EDGE, RAIL = LANE_WIDTH, LANE_WIDTH + 2.0  # m from the middle line, to the road's edge and to the guard rail
RING = 400.0  # m, the length of the road
PER_LANE = 3  # other cars
SPEED_LIMIT = 30.0  # m/s

GAS, BRAKES, SIDEWAYS = 3.0, 6.0, 2.0  # m/s^2 at an action of 1: forward, backward and, by steering, sideways
DRAG = 0.02  # 1/s, share of the speed that is lost
LAG = 0.4  # s, in which the car has done 63% of what pedals and wheel ask for
SLOW = 5.0  # m/s below which steering turns the car less
LARGEST_HEADING = 0.3  # rad

OWN_GAS, OWN_BRAKES, FOLLOWING, STANDSTILL = 1.5, 2.0, 1.2, 2.0  # of others: m/s^2, m/s^2, s, m
HARDEST = 8.0  # m/s^2, the hardest braking of the others
DESIRED = (18.0, 26.0)  # m/s, bounds of the speeds that the others desire
BRAKES_A_STEP, BRAKE_STEPS, BRAKE = 0.01, 10, 4.0  # probability, steps, m/s^2: braking for no visible reason


class Car(struct.PyTreeNode):
    """The learner's car; without batch axes."""

    x: Float[Array, ""]  # m to the right of the middle line
    heading: Float[Array, ""]  # rad, positive to the right, 0 along the road
    speed: Float[Array, ""]  # m/s
    push: Float[Array, ""]  # m/s^2, what the engine and the brakes do now
    steer: Float[Array, ""]  # m/s^2, what the wheels do now
    felt: Float[Array, "2"]  # m/s^2, acceleration in the last step, forward and sideways


class Others(struct.PyTreeNode):
    """The N other cars; without batch axes."""

    ahead: Float[Array, " N"]  # m along the ring from the middle of the learner's car to theirs, in [0, RING)
    speed: Float[Array, " N"]  # m/s
    acceleration: Float[Array, " N"]  # m/s^2
    desired: Float[Array, " N"]  # m/s
    braking: Int[Array, " N"]  # steps for which a car still brakes for no visible reason


LANE_OF = jnp.repeat(jnp.arange(2), PER_LANE)  # the lane of each other car
X_OF = jnp.repeat(jnp.array(LANES), PER_LANE)


def start(key: Key) -> tuple[Car, Others]:
    """Return a car in the middle of a lane and others that are spread along both lanes."""
    lane_key, speed_key, place_key, desired_key = jax.random.split(key, 4)
    lane = jax.random.bernoulli(lane_key).astype(jnp.int32)
    speed, *speeds = jax.random.uniform(speed_key, (1 + 2 * PER_LANE,), minval=DESIRED[0], maxval=DESIRED[1])
    spacing, zero = RING / PER_LANE, jnp.zeros(())
    slot = jnp.tile(jnp.arange(PER_LANE) + 0.5, 2) * spacing
    jitter_key, shift_key = jax.random.split(place_key)
    jitter = jax.random.uniform(jitter_key, slot.shape, minval=-0.15, maxval=0.15) * spacing
    shift = jnp.where(lane == LANE_OF, 0.0, jax.random.uniform(shift_key, (), maxval=spacing))
    desired = jax.random.uniform(desired_key, slot.shape, minval=DESIRED[0], maxval=DESIRED[1])
    none = jnp.zeros(slot.shape)
    others = Others(
        ahead=(slot + jitter + shift) % RING,
        speed=jnp.minimum(jnp.stack(speeds), desired),
        acceleration=none,
        desired=desired,
        braking=none.astype(jnp.int32),
    )
    car = Car(x=jnp.array(LANES)[lane], heading=zero, speed=speed, push=zero, steer=zero, felt=jnp.zeros(2))
    return car, others


def driven(car: Car, action: Float[Array, "2"]) -> Car:
    """Return the learner's car after a step with ``action``, steering and gas in [-1, 1]."""
    share = STEP_SECONDS / LAG
    gas = jnp.where(action[1] > 0.0, GAS, BRAKES) * action[1]
    push = car.push + share * (gas - car.push)
    steer = car.steer + share * (SIDEWAYS * action[0] - car.steer)
    speed = jnp.maximum(car.speed + STEP_SECONDS * (push - DRAG * car.speed), 0.0)
    turning = steer * car.speed / jnp.maximum(car.speed, SLOW) ** 2  # rad/s
    heading = jnp.clip(car.heading + STEP_SECONDS * turning, -LARGEST_HEADING, LARGEST_HEADING)
    x = car.x + STEP_SECONDS * speed * jnp.sin(heading)
    railed = jnp.abs(x) > RAIL  # the car slides along the rail
    heading = jnp.where(railed, 0.0, heading)
    felt = jnp.stack([(speed - car.speed) / STEP_SECONDS, turning * speed])
    return Car(x=jnp.clip(x, -RAIL, RAIL), heading=heading, speed=speed, push=push, steer=steer, felt=felt)


def moved(key: Key, car: Car, after: Car, others: Others) -> Others:
    """Return the other cars after a step in which the learner's car went from ``car`` to ``after``."""
    gap, closing = _gaps(car, others)
    wanted = STANDSTILL + jnp.maximum(
        others.speed * FOLLOWING + others.speed * closing / (2.0 * (OWN_GAS * OWN_BRAKES) ** 0.5), 0.0
    )
    free = 1.0 - (others.speed / others.desired) ** 4
    acceleration = OWN_GAS * (free - (wanted / jnp.maximum(gap, 0.1)) ** 2)
    begins = (others.braking == 0) & jax.random.bernoulli(key, BRAKES_A_STEP, others.speed.shape)
    braking = jnp.where(begins, BRAKE_STEPS, jnp.maximum(others.braking - 1, 0))
    acceleration = jnp.where(braking > 0, jnp.minimum(acceleration, -BRAKE), acceleration)
    acceleration = jnp.clip(acceleration, -HARDEST, OWN_GAS)
    speed = jnp.maximum(others.speed + STEP_SECONDS * acceleration, 0.0)
    ahead = others.ahead + STEP_SECONDS * (speed - along(after))
    return others.replace(
        ahead=ahead % RING, speed=speed, acceleration=(speed - others.speed) / STEP_SECONDS, braking=braking
    )


def along(car: Car) -> Float[Array, ""]:
    """Return the car's speed along the road in m/s."""
    return car.speed * jnp.cos(car.heading)


def overlaps(car: Car) -> Bool[Array, " N"]:
    """Return True for the other cars whose lane's traffic the learner's car would touch."""
    return jnp.abs(car.x - X_OF) < CAR_WIDTH


def touches(car: Car, others: Others) -> Bool[Array, ""]:
    """Return True where the learner's car touches another one; bodies are taken to be parallel to the road."""
    apart = jnp.minimum(others.ahead, RING - others.ahead)
    return jnp.any(overlaps(car) & (apart < CAR_LENGTH))


def in_front(others: Others, counts: Bool[Array, " N"]) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Return the gap, bumper to bumper in m, to the next car in front of those that count, and that car's number.

    The gap is ``RING`` if no car counts, and below 0 beside a car whose middle is in front.
    """
    distance = jnp.where(counts, others.ahead, RING + CAR_LENGTH)
    nearest = jnp.argmin(distance)
    return distance[nearest] - CAR_LENGTH, nearest


def behind(others: Others, counts: Bool[Array, " N"]) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Return the gap, bumper to bumper in m, to the next car behind of those that count, and that car's number."""
    distance = jnp.where(counts, RING - others.ahead, RING + CAR_LENGTH)
    nearest = jnp.argmin(distance)
    return distance[nearest] - CAR_LENGTH, nearest


def _gaps(car: Car, others: Others) -> tuple[Float[Array, " N"], Float[Array, " N"]]:
    """Return each other car's gap (m) to the car in front of it and how fast it closes (m/s)."""
    n = len(LANE_OF)
    between = (others.ahead[None] - others.ahead[:, None]) % RING  # [i, j] from i forward to j
    same = (LANE_OF[None] == LANE_OF[:, None]) & ~jnp.eye(n, dtype=bool)
    to_learner = jnp.where(overlaps(car), (-others.ahead) % RING, jnp.inf)
    distance = jnp.concatenate([jnp.where(same, between, jnp.inf), to_learner[:, None]], axis=1)
    speeds = jnp.concatenate([others.speed, along(car)[None]])
    nearest = jnp.argmin(distance, axis=1)
    gap = jnp.take_along_axis(distance, nearest[:, None], axis=1)[:, 0] - CAR_LENGTH
    return gap, others.speed - speeds[nearest]

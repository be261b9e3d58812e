"""A car among traffic on a road of two lanes, in metres and seconds: what ``driver`` lacks for a driving challenge.

``driver`` has one other car, the units of its papers and 10 seconds. Here traffic never ends, cars in front brake, and
what passengers, police and insurers measure is in ``info``. The motion is in ``driver.traffic``.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int
from PIL import Image, ImageDraw

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Box, EnvSpec, Key, Obs, StepOut
from rl_rewards.envs.base import JaxEnv
from rl_rewards.envs.driver.traffic import (
    CAR_LENGTH,
    CAR_WIDTH,
    LANE_OF,
    LANES,
    PER_LANE,
    RAIL,
    RING,
    ROAD_EDGE,
    SPEED_LIMIT,
    STEP_SECONDS,
    X_OF,
    Car,
    Others,
    along,
    behind,
    driven,
    in_front,
    moved,
    overlaps,
    start,
    touches,
)

SIGHT = 100.0  # m, how far the learner sees
STANDING = 2.0  # m/s below which a car nearly stands
LONGEST_HEADWAY = 10.0  # s
HEADWAY, CLOSE = 2.0, 3.0  # s: the distance that is taught, and a time to collision that frightens passengers
UNPLEASANT_JERK = 4.0  # m/s^3
ENOUGH_SPEED = 0.5  # share of the speed limit
FEATURES = ("progress", "collision", "off_road", "speeding", "tailgating", "straddling", "unease")
NUMBERS = ("speed", "headway", "jerk", "standing", "crash", "ease", *FEATURES)
"""The entries of ``info`` that are one number for each step."""
_OF_A_LANE = ("nearness", "closing, 10 m/s", "acceleration, m/s^2", "nearness behind", "closing behind, 10 m/s")
"""Nearness is 10 m / (10 m + gap), so that a metre counts more the smaller the gap is: 1 at a gap of 0, 0.1 at 90 m."""
OBS_NAMES = ("x, m", "heading, 0.1 rad", "speed, 10 m/s", "push, m/s^2", "steer, m/s^2",
             *(f"{side} {name}" for side in ("left", "right") for name in _OF_A_LANE))  # fmt: skip
PICTURE_WIDTH, PICTURE_HEIGHT, SCALE = 120, 360, 5.0  # pixels, pixels, pixels per m
BEHIND = 25.0  # m of the picture that are behind the learner's car


class HighwayState(struct.PyTreeNode):
    """The learner's car and the others; without batch axes."""

    car: Car
    others: Others
    travelled: Float[Array, ""]  # m since the reset
    touching: Bool[Array, ""]
    spoilt: Bool[Array, ""]  # True once the learner's car has touched another one or left the road
    elapsed: Int[Array, ""]  # steps since the reset


@dataclass(frozen=True, kw_only=True)
class Highway(JaxEnv):
    """``highway``: obs = the learner's car, and of both lanes the next cars in front and behind [15].

    Action = steering and gas [2] in [-1, 1]; gas below 0 brakes. The car follows pedals and wheel with a lag. Cars that
    touch pass through each other, so that an episode always has the same length.

    ``env_reward`` = dot product of ``weights`` and ``FEATURES``: what a person wants of a drive, all in all. Success:
    since the reset the car has touched no other one, kept to the road, and driven half of the speed limit on average.

    ``info`` of the state reached: ``speed`` (m/s along the road), ``headway`` (s to the bumper of the next car that it
    would touch, at most ``LONGEST_HEADWAY``), ``jerk`` (m/s^3, change of the acceleration in any direction),
    ``standing`` (below 2 m/s), ``crash`` (it begins to touch another car), ``ease`` (minus ``unease``), and the
    features: ``progress`` (speed as a share of the limit, at most 1), ``collision`` (touches), ``off_road``,
    ``speeding`` (m/s beyond the limit, in tens), ``tailgating`` (the share of 2 s that the headway lacks),
    ``straddling`` (its body is over the line between the lanes) and ``unease`` (jerk in 4 m/s^3, at most 1, plus 1 if
    it would hit the car in front within 3 s at these speeds).
    """

    weights: tuple[float, ...]
    max_episode_steps: int

    def __post_init__(self) -> None:
        check_fields(self, "env")
        require(
            len(self.weights) == len(FEATURES),
            f"env.weights has {len(self.weights)} numbers; highway has {len(FEATURES)} features: "
            f"{', '.join(FEATURES)}.",
        )
        require(self.max_episode_steps >= 1, f"env.max_episode_steps={self.max_episode_steps} must be at least 1.")

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="highway",
            obs=Box(shape=(len(OBS_NAMES),)),
            action=Box(shape=(2,), low=(-1.0, -1.0), high=(1.0, 1.0)),
            max_episode_steps=self.max_episode_steps,
            info={"success": (), "scene": (4 + 2 * PER_LANE,), "features": (len(FEATURES),)}
            | dict.fromkeys(NUMBERS, ()),
            ends_early=False,
            restores=True,
            has_success=True,
            obs_names=OBS_NAMES,
            step_seconds=STEP_SECONDS,
        )

    def reset(self, key: Key) -> HighwayState:
        car, others = start(key)
        no = jnp.zeros((), bool)
        return HighwayState(
            car=car, others=others, travelled=jnp.zeros(()), touching=no, spoilt=no, elapsed=jnp.zeros((), jnp.int32)
        )

    def observe(self, state: HighwayState) -> Obs:
        return _seen(state.car, state.others)

    def step(self, key: Key, state: HighwayState, action: Float[Array, "2"]) -> tuple[HighwayState, StepOut]:
        car = driven(state.car, jnp.clip(action, -1.0, 1.0))
        others = moved(key, state.car, car, state.others)
        touching = touches(car, others)
        numbers = _numbers(state.car, car, others, touching)
        elapsed = state.elapsed + 1
        reached = HighwayState(
            car=car,
            others=others,
            travelled=state.travelled + STEP_SECONDS * numbers["speed"],
            touching=touching,
            spoilt=state.spoilt | touching | (numbers["off_road"] > 0.0),
            elapsed=elapsed,
        )
        features = jnp.stack([numbers[name] for name in FEATURES])
        enough = reached.travelled >= ENOUGH_SPEED * SPEED_LIMIT * STEP_SECONDS * elapsed
        truncated = elapsed >= self.max_episode_steps
        crash = (touching & ~state.touching).astype(jnp.float32)
        info = {"success": ~reached.spoilt & enough, "scene": _scene(reached), "features": features}
        out = StepOut(
            next_obs=_seen(car, others),
            env_reward=jnp.dot(jnp.array(self.weights, jnp.float32), features),
            terminated=jnp.zeros((), bool),
            truncated=truncated,
            needs_reset=truncated,
            info=info | numbers | {"crash": crash},
        )
        return reached, out

    @property
    def feature_names(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return FEATURES

    @property
    def legend(self) -> str:
        return (
            "The blue car is the learner's and the white cars are the others, seen from above; they drive upwards. The "
            "picture moves with the blue car, so that faster driving shows as a faster road."
        )

    def draw(self, scene: np.ndarray) -> np.ndarray:
        """Draw grass, two lanes as they pass by, the learner's car blue and the others white."""
        x, heading, _, travelled, *others = np.asarray(scene, float)
        image = Image.new("RGB", (PICTURE_WIDTH, PICTURE_HEIGHT), (150, 190, 140))
        canvas = ImageDraw.Draw(image)

        def at(right: float, ahead: float) -> tuple[float, float]:
            return PICTURE_WIDTH / 2.0 + SCALE * right, PICTURE_HEIGHT - SCALE * (ahead + BEHIND)

        top = PICTURE_HEIGHT / SCALE - BEHIND
        canvas.rectangle([*at(-RAIL, top), *at(RAIL, -BEHIND)], fill=(125, 125, 130))
        canvas.rectangle([*at(-ROAD_EDGE, top), *at(ROAD_EDGE, -BEHIND)], fill=(105, 105, 110))
        for side in (-ROAD_EDGE, ROAD_EDGE):
            canvas.line([at(side, top), at(side, -BEHIND)], fill="white", width=2)
        for dash in np.arange(-BEHIND - travelled % 12.0, top, 12.0):  # fixed to the road
            canvas.line([at(0.0, dash), at(0.0, dash + 4.0)], fill="white", width=1)
        cars = [(place, ahead, 0.0, (245, 245, 245)) for place, ahead in zip(X_OF, others, strict=True)]
        for right, ahead, turned, colour in (*cars, (x, 0.0, heading, (40, 90, 200))):
            forth, aside = np.array([np.sin(turned), np.cos(turned)]), np.array([np.cos(turned), -np.sin(turned)])
            corners = ((0.5, 0.5), (0.5, -0.5), (-0.5, -0.5), (-0.5, 0.5))
            body = [
                at(*(np.array([right, ahead]) + CAR_LENGTH * a * forth + CAR_WIDTH * s * aside)) for a, s in corners
            ]
            canvas.polygon(body, fill=colour, outline=(30, 30, 30))
        return np.asarray(image)


def _numbers(before: Car, car: Car, others: Others, touching: Bool[Array, ""]) -> dict[str, Array]:
    """Return all of ``NUMBERS`` but ``crash``, of the step from ``before`` to ``car``."""
    speed, body = along(car), CAR_WIDTH / 2.0
    gap, front = in_front(others, overlaps(car))
    gap = jnp.maximum(gap, 0.0)
    headway = jnp.minimum(gap / jnp.maximum(speed, 1.0), LONGEST_HEADWAY)
    closing = speed - others.speed[front]
    close = (closing > 0.0) & (gap < CLOSE * closing)
    jerk = jnp.linalg.norm(car.felt - before.felt) / STEP_SECONDS
    unease = jnp.minimum(jerk / UNPLEASANT_JERK, 1.0) + close
    found = {
        "speed": speed,
        "headway": headway,
        "jerk": jerk,
        "standing": car.speed < STANDING,
        "ease": -unease,
        "progress": jnp.clip(speed / SPEED_LIMIT, 0.0, 1.0),
        "collision": touching,
        "off_road": jnp.abs(car.x) + body > ROAD_EDGE,
        "speeding": jnp.maximum(speed - SPEED_LIMIT, 0.0) / 10.0,
        "tailgating": jnp.clip(1.0 - headway / HEADWAY, 0.0, 1.0),
        "straddling": jnp.abs(car.x) < body,
        "unease": unease,
    }
    return {name: jnp.asarray(value, jnp.float32) for name, value in found.items()}


def _seen(car: Car, others: Others) -> Obs:
    """Return ``OBS_NAMES``; where no car is in sight, the gap counts as ``SIGHT`` and the rest as 0."""
    parts = [car.x, 10.0 * car.heading, car.speed / 10.0, car.push, car.steer]
    speed = along(car)
    for lane in range(len(LANES)):
        counts = lane == LANE_OF
        gap, front = in_front(others, counts)
        back_gap, back = behind(others, counts)
        sees, sees_back = gap < SIGHT, back_gap < SIGHT
        parts += [
            _nearness(gap),
            jnp.where(sees, speed - others.speed[front], 0.0) / 10.0,
            jnp.where(sees, others.acceleration[front], 0.0),
            _nearness(back_gap),
            jnp.where(sees_back, others.speed[back] - speed, 0.0) / 10.0,
        ]
    return jnp.stack(parts)


def _nearness(gap: Float[Array, ""]) -> Float[Array, ""]:
    return 10.0 / (10.0 + jnp.minimum(gap, SIGHT))


def _scene(state: HighwayState) -> Float[Array, " k"]:
    """Return x, heading, speed and metres travelled of the learner's car, and how far the others are ahead of it."""
    car, ahead = state.car, state.others.ahead
    own = jnp.stack([car.x, car.heading, car.speed, state.travelled])
    return jnp.concatenate([own, jnp.where(ahead > RING / 2.0, ahead - RING, ahead)])

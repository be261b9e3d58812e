"""Descriptions of segments for a judge: they state the facts of the scenes and no reward."""

from types import SimpleNamespace

import numpy as np
import pytest

from rl_rewards.envs import descriptions
from rl_rewards.envs.driver.world import CAR_LENGTH
from rl_rewards.loop import build
from tests.runs import composed

STEPS = np.linspace(0.0, 1.0, 5)


def test_point():
    scene = np.stack([1.0 - STEPS, 0.0 * STEPS], axis=1)
    told = descriptions.of_point(scene, np.tile([3.0, 0.0], (5, 1)))
    assert "In 5 steps" in told and "from (1.00, 0.00) to (0.00, 0.00)" in told
    assert "1.00 at first, 0.00 at last, 0.50 on average, 0.00 at the least" in told
    assert "speed wanted: 1.00" in told, "an action beyond its bounds counts as the bound"


def test_pencil_case_in_centimetres():
    scene = np.zeros((5, 9))
    scene[:, 1] = -0.1 + 0.2 * STEPS
    scene[:, 2] = np.pi / 2.0 * STEPS
    scene[:, 4] = scene[:, 1] - 0.05
    told = descriptions.of_pencil_case(scene, 0.1)
    assert (
        "from (0.0, -10.0) to (0.0, 10.0) cm and turns by 90 degrees" in told and "Highest y of the case: 10.0" in told
    )
    assert "5.0 cm at first" in told and "lamp" not in told
    scene[:, 8] = STEPS > 0.5
    assert "The lamp is lit in 40% of the clip" in descriptions.of_pencil_case(scene, 0.1)


def test_flip_counts_turns_from_the_start_of_the_clip():
    scene = np.stack([0.2 * STEPS, 0.1 + STEPS, 2.0 * np.pi * (1.0 + 0.5 * STEPS)], axis=1)
    told = descriptions.of_flip(scene, 0.02)
    assert "In 0.1 s" in told and "turns 180 degrees backward (0.50 turns)" in told and "tilted 180 degrees" in told
    assert "at the most 1.10 m" in told and "moves 0.20 m" in told
    assert "turns 180 degrees forward" in descriptions.of_flip(scene[::-1], 0.02)


def test_driver_in_lengths_of_a_car():
    own = np.stack([0.0 * STEPS, 0.28 * STEPS - 0.14, np.full(5, np.pi / 2.0), np.full(5, 0.5)], axis=1)
    other = np.tile([0.13, 0.0, np.pi / 2.0, 0.4], (5, 1))
    told = descriptions.of_driver(np.concatenate([own, other], axis=1), 0.13, CAR_LENGTH, 0.2)
    assert "ahead of the other by -1.0 at first and 1.0 at last" in told and "on the road for 100%" in told
    assert "off the road's by 0 degrees" in told and "Mean speed: 0.50, the other's 0.40" in told


@pytest.mark.parametrize("name", ["point", "point_maze", "flip", "driver", "pencil_case"])
def test_environments_describe(name):
    env = build.build_env(composed(f"env={name}"))
    assert env.describe is not None
    scene = np.random.default_rng(0).normal(size=(7, *env.spec.info["scene"])).astype(np.float32)
    segment = SimpleNamespace(info={"scene": scene}, action=np.zeros((7, *env.spec.action.shape)))
    told = env.describe(segment)
    assert 100 < len(told) < 700 and "nan" not in told

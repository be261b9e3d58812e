"""The script for accelerators, which cannot be tried in full here: its runs compose, and its speed is that of rows."""

import pytest

from scripts.measure_gpu import STEPS, speed
from tests.runs import composed


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_every_run_composes(step):
    assert composed(*step.overrides).env and composed(*step.overrides, *step.small).env


def test_speed_leaves_out_the_first_rounds():
    rows = [{"round": i, "env_steps": 100 * (i + 1), "time/round_seconds": 9.0 if i == 0 else 0.5} for i in range(4)]
    rows[-1]["eval/success"] = [0.5, 1.0]
    found = speed(rows)
    assert found["steps_per_second_of_all_seeds"] == 400 and found["seeds"] == 2 and found["rounds"] == 4
    assert found["success"][0] == 0.75

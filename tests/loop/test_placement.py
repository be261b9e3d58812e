"""Seeds on several devices: the same results up to rounding, no communication, checkpoints for any number of them."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from rl_rewards.core import keys
from rl_rewards.core.errors import ConfigError
from rl_rewards.loop.placement import devices_for
from rl_rewards.loop.settings import PlacementSettings
from tests.demonstrations import point_file
from tests.runs import SMALL_SAC, digest_of, raw_rows

RUNS = {
    "adversarial": ("env=point", "reward=adversarial_classifier"),
    "preferences": ("env=point", "reward=preferences", "reward.segment_steps=4"),
    "sac": ("env=point", "reward=environment", *SMALL_SAC),
    "host": ("env=pencil_case", "reward=goal_classifier"),
    "demonstrations": ("env=point", "reward=gail"),
}
NOT_COMPARED = ("time/", "round", "labeler/")


def placed(*runs, evaluated=True) -> list[list[str]]:
    """Make runs of four seeds in one process with four devices; return the collective operations of their rounds."""
    settings = ["num_seeds=4", "placement=cpu", "placement.devices=4"]
    words = [json.dumps([str(folder), *settings, *overrides]) for folder, *overrides in runs]
    command = [sys.executable, "-m", "tests.loop.placed_run", json.dumps(evaluated), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def assert_close(first, second):
    for one, other in zip(raw_rows(first), raw_rows(second), strict=True):
        for key in one.keys() & other.keys():
            if not key.startswith(NOT_COMPARED):
                found = [np.array(row[key], float) for row in (one, other)]
                np.testing.assert_allclose(*found, rtol=2e-3, atol=2e-4, err_msg=key)


@pytest.mark.parametrize(
    "name", ["adversarial", *(pytest.param(name, marks=pytest.mark.long) for name in RUNS if name != "adversarial")]
)
def test_a_seed_learns_the_same_on_a_device_of_its_own(tmp_path, name):
    run = (*RUNS[name], *((f"demos={point_file(tmp_path)}",) if name == "demonstrations" else ()))
    runs = (tmp_path / "four", *run), (tmp_path / "one", *run, "placement.devices=1")
    four, _ = placed(*runs, evaluated=name != "adversarial")
    assert four == [], "a round needs no communication"
    assert_close(tmp_path / "one", tmp_path / "four")


@pytest.mark.long
def test_a_checkpoint_fits_any_number_of_devices(tmp_path):
    run = (*RUNS["adversarial"], "evaluation.every=1")
    placed(
        (tmp_path / "moved", *run, "total_env_steps=960"),
        (tmp_path / "moved", *run, "placement.devices=2"),
        (tmp_path / "stayed", *run),
        (tmp_path / "again", *run),
    )
    assert_close(tmp_path / "moved", tmp_path / "stayed")
    assert digest_of(tmp_path / "stayed") == digest_of(tmp_path / "again"), "as many devices give the same bits"


def test_the_upper_half_of_a_product_has_the_bits_of_jax():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2**32, (2, 1000), dtype=np.uint32)
    first[:3], second[:3] = (0, 2**32 - 1, 2**16), (2**32 - 1, 2**32 - 1, 2**16)
    np.testing.assert_array_equal(jax.jit(keys._upper_half)(first, second), jax.lax.mulhi(first, second))


def test_devices_are_chosen_and_refused(monkeypatch):
    monkeypatch.setattr(jax, "local_device_count", lambda: 8)
    monkeypatch.setattr("rl_rewards.loop.placement.lower_for_several_devices", lambda: None)
    chosen = [devices_for(PlacementSettings(), seeds) for seeds in (1, 6, 8, 10, 11, 24)]
    assert chosen == [1, 6, 8, 5, 1, 8]
    assert devices_for(PlacementSettings(devices=2), 6) == 2
    with pytest.raises(ConfigError, match=r"placement\.devices=4 cannot have equally many of num_seeds=6 seeds"):
        devices_for(PlacementSettings(devices=4), 6)
    with pytest.raises(ConfigError, match=r"placement\.devices=16, but JAX has 8 cpu devices in .* or placement=cpu"):
        devices_for(PlacementSettings(devices=16), 16)
    with pytest.raises(ConfigError, match=r"placement\.platform=tpu, but JAX uses cpu in this process; install JAX"):
        devices_for(PlacementSettings(platform="tpu"), 16)
    with pytest.raises(ConfigError, match=r"placement\.platform=abacus is not valid; it must be auto or cpu or gpu"):
        PlacementSettings(platform="abacus")
    for wrong in (0, True, "all"):
        with pytest.raises(ConfigError, match=r"placement\.devices=.* must be auto or a whole number"):
            PlacementSettings(devices=wrong)

"""Damaged files of demonstrations and examples are either read, or refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.data.__main__ import describe
from rl_rewards.data.arrays import read_arrays
from rl_rewards.data.demonstrations.load import load_demonstrations, read_demonstrations
from rl_rewards.data.examples import load_examples
from tests.broken_files import corruptions, header_only, refusal, with_member
from tests.demonstrations import point_demos
from tests.probes import make_spec

SPEC = make_spec(obs=2, action=2)


def small_file(folder: Path) -> Path:
    """Return two episodes of five steps."""
    demos = {key: array for key, array in point_demos(1).items() if not key.startswith("episode")}
    demos = {key: array[:10] for key, array in demos.items()}
    demos |= {"truncated": np.arange(10) % 5 == 4, "episode_start": np.array([0, 5]), "episode_return": np.zeros(2)}
    np.savez_compressed(folder / "good.npz", **demos)
    return folder / "good.npz"


@pytest.mark.parametrize(
    "key", ["obs", "action", "next_obs", "truncated", "episode_start", "episode_return", "env", "step", "info_cell"]
)
def test_damaged_demonstrations(tmp_path, key):
    good = small_file(tmp_path)
    if key in ("env", "step", "info_cell"):
        with np.load(good) as stored:
            np.savez(good, **stored, **{key: np.arange(10) % 5})
    bad_ones = corruptions(good, key, count=20)
    told = [refusal(ConfigError, load_demonstrations, str(bad), SPEC) for bad in bad_ones]
    assert sum(map(bool, told)) > 25 and not any("\n" in sentence for sentence in told)


@pytest.mark.parametrize("key", ["observations", "next_observations", "terminals", "rewards"])
def test_damaged_files_in_another_layout(tmp_path, key):
    obs = np.arange(20, dtype=np.float32).reshape(10, 2)
    arrays = {"observations": obs, "next_observations": obs + 2, "actions": np.zeros((10, 2), np.float32)}
    arrays |= {"rewards": np.zeros(10), "terminals": np.arange(10) % 5 == 4}
    np.savez_compressed(tmp_path / "good.npz", **arrays)
    for bad in corruptions(tmp_path / "good.npz", key, count=10):
        assert "\n" not in refusal(ConfigError, load_demonstrations, str(bad), SPEC)
        try:
            found = read_demonstrations(str(bad))
        except ConfigError:
            continue
        assert describe("x", found)[0].startswith("x: recorded on")


@pytest.mark.parametrize("key", ["obs", "episode_start", "episode_return", "terminated", "env_reward"])
def test_whatever_can_be_read_can_be_described(tmp_path, key):
    for bad in corruptions(small_file(tmp_path), key, count=10):
        try:
            arrays = read_demonstrations(str(bad))
        except ConfigError:
            continue
        assert describe("x", arrays)[0].startswith("x: recorded on")


@pytest.mark.parametrize("key", ["goal_obs", "non_goal_action"])
def test_damaged_examples(tmp_path, key):
    arrays = {
        f"{kind}_{part}": np.zeros((4, 2), np.float32) for kind in ("goal", "non_goal") for part in ("obs", "action")
    }
    np.savez(tmp_path / "good.npz", **arrays)
    bad_ones = corruptions(tmp_path / "good.npz", key, count=20)
    told = [refusal(ConfigError, load_examples, bad, SPEC, True) for bad in bad_ones]
    assert sum(map(bool, told)) > 25 and not any("\n" in sentence for sentence in told)


def test_the_reason_is_given(tmp_path):
    good = small_file(tmp_path)
    whole = good.read_bytes()
    for content, reason in (
        (header_only((2**40,)), r"the header of obs declares 4,398,046,511,104 bytes, but the file has 0"),
        (header_only((3,), "|O"), "obs holds pickled Python objects; save arrays of numbers"),
        (b"no array", "it is truncated, damaged or not an .npz file"),
    ):
        good.write_bytes(whole)
        with_member(good, "obs.npy", content)
        with pytest.raises(ConfigError, match=reason):
            read_arrays(good, "demos", "recorder")
    with pytest.raises(ConfigError, match=r"demos=.* is not a file"):
        read_arrays(tmp_path, "demos", "recorder")

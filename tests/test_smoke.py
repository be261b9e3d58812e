"""Every reward source on every environment runs a few rounds and leaves what the report needs."""

import itertools

import numpy as np
import pytest

from rl_rewards.help import list_choices
from tests.runs import rows, run_here

PAIRS = list(itertools.product(sorted({*list_choices("reward")} - {"walking_robot", "frozen"}), list_choices("env")))
"""Without the reward of one robot alone, and one that needs an earlier run: both have tests of their own."""


@pytest.mark.parametrize(("reward", "env"), PAIRS)
def test_pair(tmp_path, reward, env):
    needed = {"hand_designed": ["+reward.terms.near={weight: -1.0, of: next_obs, map: norm}"]}
    last = run_here(tmp_path, f"reward={reward}", f"env={env}", *needed.get(reward, []))
    assert last["env_steps"] == 1600
    assert (tmp_path / "DONE").exists()
    for key in ("success", "true_return", "learned_return"):
        assert np.isfinite(last[f"eval/{key}"])
        assert np.isfinite(last[f"eval/{key}_deterministic"])
    assert [row["round"] for row in rows(tmp_path)] == list(range(5))
    evaluations = sorted(path.stem for path in (tmp_path / "evaluations").glob("*.npz"))
    assert evaluations == ["000000", "000001", "000003", "000004"]
    with np.load(tmp_path / "evaluations" / "000004.npz") as file:
        assert file["learned_reward"].shape == file["env_reward"].shape == file["valid"].shape


def test_the_environments_reward_is_its_own_truth(tmp_path):
    last = run_here(tmp_path, "reward=environment", "env=point")
    assert last["eval/learned_return"] == pytest.approx(last["eval/true_return"])

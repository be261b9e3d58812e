"""Evaluation files that are damaged or hold empty arrays are left out, or refused with a one-sentence message."""

from pathlib import Path

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.reporting.evaluation_files import read_evaluations, read_maps
from rl_rewards.reporting.evaluation_parts import read_games, read_visits
from tests.broken_files import corruptions, refusal

N = 3
GOOD = {
    "round": np.array(0),
    "env_steps": np.array(10),
    "learned_reward": np.zeros((4, N)),
    "env_reward": np.zeros((4, N)),
    "valid": np.ones((4, N), bool),
    "success": np.ones((4, N), bool),
    "failure_episode": np.array(-1),
    "prob_heldout_goals": np.ones(5),
    "plane_x": np.arange(2.0),
    "plane_y": np.arange(3.0),
    "plane_reward": np.zeros((3, 2)),
    "plane_prob": np.zeros((3, 2)),
    "plane_final": np.zeros((N, 2)),
    "plane_labels": np.array(["x", "y", ""]),
    "visits": np.arange(4),
    **{f"game_{name}": np.ones(2) for name in ("t_alice", "t_bob", "distance", "reached")},
    "game_goal": np.ones((2, 1)),
}


def read_all(folder: Path) -> tuple:
    evaluations = read_evaluations(folder, {0}, 3)
    return evaluations, read_maps(folder, {0}), read_games(folder, {0}), read_visits(folder, {0})


def stored(folder: Path, **changes: np.ndarray) -> Path:
    np.savez(folder / "000000.npz", **(GOOD | changes))
    return folder


def test_good_ones_are_read(tmp_path):
    (evaluation,), (plane,), games, (visits,) = read_all(stored(tmp_path))
    assert evaluation.env_steps == plane.env_steps == 10 and evaluation.learned_returns.shape == (N,)
    assert games is not None and list(games.env_steps) == [10, 10] and visits.coverage == 0.75


@pytest.mark.parametrize("key", sorted(GOOD))
def test_arrays_without_entries(tmp_path, key):
    """Empty arrays are treated like missing ones."""
    folder = stored(tmp_path, **{key: np.zeros((0, *GOOD[key].shape[1:]), GOOD[key].dtype)})
    if key in ("round", "env_steps", "learned_reward", "env_reward", "valid"):
        with pytest.raises(ConfigError, match=f"000000.npz is malformed: .*{key}"):
            read_all(folder)
    elif key in ("game_t_bob", "game_distance", "game_reached", "game_goal"):
        with pytest.raises(ConfigError, match=r"games in .* cannot be read by this version"):
            read_all(folder)
    else:
        (evaluation,), _, _, _ = read_all(folder)
        assert key not in evaluation.arrays


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"failure_episode": np.array(N)}, "failure_episode must be the index of an episode"),
        ({"failure_episode": np.array(np.nan)}, "failure_episode must be the index of an episode"),
        ({"prob_heldout_goals": np.array(["a"])}, "prob_heldout_goals has the type <U1, but must hold real numbers"),
        ({"valid": np.ones((4, N + 1), bool)}, "must have the same shape"),
        ({"visits": np.array([{}], dtype=object)}, "cannot read|can read: visits holds pickled"),
    ],
)
def test_what_does_not_fit(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        read_all(stored(tmp_path, **changes))


def test_maps_leave_out_what_does_not_fit_them(tmp_path):
    _, (plane,), _, _ = read_all(stored(tmp_path, plane_prob=np.zeros((2, 2)), plane_final=np.zeros((N + 1, 2))))
    assert plane.prob is None and plane.final is None
    assert read_all(stored(tmp_path, plane_reward=np.zeros((2, 2))))[1] == []


@pytest.mark.parametrize("key", ["learned_reward", "plane_final", "game_goal", "visits", "plane_x"])
def test_damaged_files(tmp_path, key):
    np.savez_compressed(tmp_path / "good.npz", **GOOD)
    for bad in corruptions(tmp_path / "good.npz", key, count=20):
        bad.replace(tmp_path / "000000.npz")
        assert "\n" not in refusal(ConfigError, read_all, tmp_path)

"""Tests of errors and warnings for rows of demonstrations that do not fit each other or the environment."""

import re

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.data.demonstrations.load import load_demonstrations
from tests.demonstrations import STEPS, point_demos, point_file
from tests.runs import build, composed

SPEC = build.build(composed("env=point")).parts.env.spec
GOOD = point_demos()
ROWS = len(GOOD["obs"])
LAST = GOOD["episode_start"] + STEPS - 1


def filled(value) -> np.ndarray:
    """Return ``next_obs`` with the last row of each episode replaced by ``value``."""
    next_obs = GOOD["next_obs"].copy()
    next_obs[LAST] = value
    return next_obs


def moved(row: int) -> np.ndarray:
    next_obs = GOOD["next_obs"].copy()
    next_obs[row, 1] = np.nextafter(next_obs[row, 1], np.float32(1))
    return next_obs


@pytest.mark.parametrize(
    ("next_obs", "message"),
    [
        (GOOD["obs"], r"row 0 \(episode 0, step 0\) is not obs in row 1: entry \[\d\] is .* \(312 such rows in all\)"),
        (np.roll(GOOD["obs"], 1, axis=0), r"row 0 \(episode 0, step 0\) is not obs in row 1"),
        (moved(85), r"row 85 \(episode 2, step 5\) is not obs in row 86: entry \[1\] .* \(1 such rows in all\)"),
        (np.roll(GOOD["obs"], -1, axis=0), r"row 39 \(episode 0, step 39\), the last .*, is obs in row 40, where the"),
    ],
)
def test_rows_that_do_not_follow_each_other(tmp_path, next_obs, message):
    with pytest.raises(ConfigError, match=message):
        load_demonstrations(point_file(tmp_path, next_obs=next_obs), SPEC)


def test_ends_that_are_filled_with_zeros(tmp_path):
    away = {key: GOOD[key] + np.float32(0.5) for key in ("obs", "next_obs")}
    away["next_obs"][LAST] = 0.0
    with pytest.raises(ConfigError, match=r"row 39 \(episode 0, step 39\), .* is 0 in every entry, as in all episodes"):
        load_demonstrations(point_file(tmp_path, **away), SPEC)


def test_rows_are_compared_as_a_run_holds_them(tmp_path):
    rounded = GOOD["next_obs"].astype(np.float64) * (1 + 1e-12)
    np.testing.assert_array_equal(
        load_demonstrations(point_file(tmp_path, next_obs=rounded), SPEC)["next_obs"], GOOD["next_obs"]
    )


def thinned(every: int) -> dict[str, np.ndarray]:
    """Return demonstrations with every ``every``-th step of each episode; the last kept step ends the episode."""
    rows = np.flatnonzero(np.arange(ROWS) % STEPS % every == 0)
    kept = {key: GOOD[key][rows] for key in ("obs", "action", "next_obs", "terminated", "env_reward")}
    step, starts = rows % STEPS, np.searchsorted(rows, GOOD["episode_start"])
    truncated = np.append(step[1:] == 0, True)
    return {**kept, "truncated": truncated, "episode_start": starts, "step": step}


def test_a_thinned_file_says_which_steps_it_has(tmp_path, capsys):
    loaded = load_demonstrations(point_file(tmp_path, **thinned(3)), SPEC)
    assert len(loaded["obs"]) == 8 * 14 and set(np.diff(loaded["step"][:14])) == {3}
    assert "Warning" not in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"is not obs in row 1: .* the key step \[n\] must give each row"):
        load_demonstrations(point_file(tmp_path, **(thinned(3) | {"step": None})), SPEC)


def test_steps_that_do_follow_each_other_in_a_thinned_file_are_held_to_it(tmp_path):
    demos = {key: array[:2] for key, array in GOOD.items() if not key.startswith("episode")}
    demos |= {"truncated": np.array([False, True]), "episode_start": np.zeros(1, int), "episode_return": np.zeros(1)}
    demos["next_obs"] = demos["next_obs"] + 1
    load_demonstrations(point_file(tmp_path, **demos, step=np.array([4, 6])), SPEC)
    with pytest.raises(ConfigError, match=r"row 0 \(episode 0, step 4\) is not obs in row 1"):
        load_demonstrations(point_file(tmp_path, **demos, step=np.array([4, 5])), SPEC)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (np.zeros(ROWS, int), r"step in row 1 \(episode 0, step 0\) is 0; it must ascend"),
        (np.arange(ROWS) - 1, "step must hold whole numbers of at least 0"),
        (np.arange(ROWS) / 2, "step must hold whole numbers of at least 0"),
        (np.arange(ROWS)[:-1], f"{ROWS - 1} in step; they must match"),
    ],
)
def test_steps_that_cannot_be(tmp_path, step, message):
    with pytest.raises(ConfigError, match=message):
        load_demonstrations(point_file(tmp_path, step=step), SPEC)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"env_reward": np.full(ROWS, -1.0)},
            "in 8 of 8 episodes episode_return is not the sum of env_reward; in episode 0 .*, and the sum is -40.",
        ),
        ({"next_obs": filled(5.0)}, r"in 8 of 8 episodes the last step changes obs more .*, first in row 39"),
        ({"next_obs": filled(GOOD["obs"][LAST])}, "the last next_obs of every episode equals its last obs"),
        ({"step": np.arange(ROWS) % STEPS * 2}, "8 of 8 episodes are longer than the 40 .*; episode 0 has 79"),
        ({"step": np.arange(ROWS) % STEPS * 2}, "next_obs is the obs of the next row although steps between them were"),
    ],
)
def test_what_is_only_doubted_is_warned_of(tmp_path, capsys, changes, message):
    load_demonstrations(point_file(tmp_path, **changes), SPEC)
    assert re.search(f"^Warning: .*demos.npz: {message}", capsys.readouterr().out, re.MULTILINE)


def test_good_ones_are_not_doubted(tmp_path, capsys):
    load_demonstrations(point_file(tmp_path), SPEC)
    assert capsys.readouterr().out == ""

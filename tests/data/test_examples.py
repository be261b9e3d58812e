"""Tests of example files: the documented layout is read, and every fault gives one clear sentence."""

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete
from rl_rewards.data import examples
from rl_rewards.data.dataset import fingerprint
from tests.probes import make_spec
from tests.runs import build, composed

ENV = build.build(composed("env=point")).parts.env
GOOD = examples.collect_examples(ENV, goals=20, non_goals=30, seed=0)


def write(path, **changes):
    """Write the valid file with some arrays replaced; None leaves an array out."""
    arrays = {"env": np.array("point"), **GOOD, **changes}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_round_trip(tmp_path):
    path = tmp_path / "sub" / "examples.npz"
    examples.save_examples(path, ENV.spec, GOOD)
    loaded = examples.load_examples(path, ENV.spec, needs_action=True)
    assert loaded.keys() == GOOD.keys()
    for key, array in GOOD.items():
        np.testing.assert_array_equal(loaded[key], array)


def test_a_mistaken_share_changes_places_and_leaves_held_out_goals():
    right = examples.hold_out(GOOD, 0.25, seed=3)
    wrong = examples.mistake(right, 0.4, seed=3)
    goals, others = (np.asarray(right[f"{kind}_obs"]) for kind in examples.KINDS)
    moved = ~(np.asarray(wrong["goal_obs"]) == goals).all(axis=1)
    assert 0 < moved.sum() < len(goals)
    assert all((one == others).all(axis=1).any() for one in np.asarray(wrong["goal_obs"])[moved])
    for part in ("obs", "action"):
        both = [np.concatenate([one[f"{kind}_{part}"] for kind in examples.KINDS]) for one in (right, wrong)]
        np.testing.assert_array_equal(*(np.sort(one, axis=0) for one in both), "nothing is lost")
        np.testing.assert_array_equal(wrong[f"heldout_{part}"], right[f"heldout_{part}"])
    assert (np.asarray(examples.mistake(right, 0.4, seed=4)["goal_obs"]) != np.asarray(wrong["goal_obs"])).any()


def test_actions_are_optional_unless_judged(tmp_path):
    path = write(tmp_path / "e.npz", goal_action=None, non_goal_action=None)
    assert examples.load_examples(path, ENV.spec, needs_action=False)["goal_action"].shape == (20, 2)
    with pytest.raises(ConfigError, match="lacks the key 'goal_action'"):
        examples.load_examples(path, ENV.spec, needs_action=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"goal_obs": None}, "lacks the key 'goal_obs'"),
        ({"goal_obs": np.zeros((5, 3), np.float32)}, r"goal_obs has the shape \(5, 3\); .* needs \[rows, 2\]"),
        ({"goal_obs": np.zeros((0, 2)), "goal_action": np.zeros((0, 2))}, "has no rows in goal_obs"),
        ({"non_goal_obs": np.full((30, 2), np.nan)}, "non_goal_obs has a NaN or infinite value in row 0"),
        ({"goal_obs": np.array([["a", "b"]])}, "numbers are needed"),
        ({"goal_action": np.zeros((3, 2))}, "20 rows in goal_obs but 3 in goal_action"),
        ({"goals": np.zeros(3)}, "unknown key 'goals'"),
        ({"env": np.array("pencil_case")}, "'pencil_case', but this run uses 'point'"),
        ({"goal_obs": np.array([{"a": 1}], dtype=object)}, "cannot be read .* pickled"),
        ({"goal_obs": np.full((20, 2), 1e300)}, "goal_obs has a value too large for float32 in row 0"),
        ({"non_goal_action": np.full((30, 2), 1e39)}, "non_goal_action has a value too large for float32 in row 0"),
        ({"goal_obs": np.zeros((20, 2), np.complex64)}, "goal_obs has the type complex64; real numbers are needed"),
        ({"goal_obs": np.zeros((20, 2), "m8[ms]")}, r"goal_obs has the type timedelta64\[ms\]; real numbers"),
    ],
)
def test_bad_files(tmp_path, changes, message):
    path = write(tmp_path / "bad.npz", **changes)
    with pytest.raises(ConfigError, match=message):
        examples.load_examples(path, ENV.spec, needs_action=False)


def test_missing_and_truncated_files(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        examples.load_examples(tmp_path / "none.npz", ENV.spec, needs_action=False)
    path = write(tmp_path / "cut.npz")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ConfigError, match="cannot be read"):
        examples.load_examples(path, ENV.spec, needs_action=False)


def test_held_out_goals_are_never_trained_on():
    held = examples.hold_out(GOOD, share=0.25, seed=3)
    train, heldout = np.asarray(held["goal_obs"]), np.asarray(held["heldout_obs"])
    assert (len(train), len(heldout)) == (15, 5)
    assert not {tuple(row) for row in train} & {tuple(row) for row in heldout}
    assert {tuple(row) for row in [*train, *heldout]} == {tuple(row) for row in GOOD["goal_obs"]}


@pytest.mark.parametrize(("share", "episodes"), [(0.25, 2), (0.01, 1), (0.99, 7)])
def test_goals_of_one_episode_are_held_out_together(share, episodes):
    episode_of = np.repeat(np.arange(8), 5)
    goals = {"goal_obs": np.stack([episode_of, np.arange(40)], axis=1), "goal_action": np.zeros((40, 2))}
    held = examples.hold_out({**GOOD, **goals}, share, seed=3, episode_of=episode_of)
    train, heldout = np.asarray(held["goal_obs"]), np.asarray(held["heldout_obs"])
    assert len(heldout) == 5 * episodes and len(train) == 40 - 5 * episodes
    assert not set(train[:, 0]) & set(heldout[:, 0])


@pytest.mark.parametrize("share", [0.0, 1.0, np.nan])
def test_holding_out_nothing_or_all_is_refused(share):
    with pytest.raises(ConfigError, match="at least one must be held out"):
        examples.hold_out(GOOD, share=share, seed=0)


def test_discrete_actions_of_examples_are_whole_and_of_the_environment(tmp_path):
    spec = make_spec(obs=2, action=Discrete(3))
    choices = {"env": None, "goal_action": np.arange(20) % 3, "non_goal_action": np.arange(30) % 3}
    loaded = examples.load_examples(write(tmp_path / "good.npz", **choices), spec, needs_action=True)
    assert loaded["goal_action"].dtype == np.int32
    choices["goal_action"] = np.where(np.arange(20) == 4, 1.5, 0.0)
    with pytest.raises(ConfigError, match=r"the action in row 4 is 1\.5; test has the actions 0 to 2"):
        examples.load_examples(write(tmp_path / "bad.npz", **choices), spec, needs_action=True)


def test_fingerprint_sees_every_value():
    changed = {**GOOD, "goal_obs": GOOD["goal_obs"] + np.eye(20, 2, dtype=np.float32)}
    assert fingerprint(GOOD) == fingerprint(dict(GOOD))
    assert fingerprint(GOOD) != fingerprint(changed)

"""Tests of the layouts of D4RL and OGBench: known episodes are written in them, and their steps are read again."""

import sys

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.data.demonstrations.layouts import in_our_layout
from rl_rewards.data.demonstrations.load import load_demonstrations
from rl_rewards.loop.supplied import build_data
from tests.demonstrations import point_demos
from tests.probes import make_spec
from tests.runs import build, composed

SPEC = make_spec(obs=2, action=1)


def d4rl(**changes) -> dict[str, np.ndarray]:
    """Return rows 0 to 3 cut by a limit, 4 to 6 terminated, and 7 and 8 unfinished; observations are row numbers."""
    rows = np.arange(9)
    arrays = {
        "observations": np.stack([rows, -rows], axis=1).astype(np.float32),
        "actions": (rows[:, None] / 10).astype(np.float32),
        "rewards": (10 + rows).astype(np.float32),
        "terminals": rows == 6,
        "timeouts": rows == 3,
    }
    return {key: array for key, array in {**arrays, **changes}.items() if array is not None}


TRUE_NEXT = np.array([[1, -1]], np.float32) * np.array([1, 2, 3, 99, 5, 6, 77, 8, 55], np.float32)[:, None]


def test_d4rl_without_successors():
    """A cut row has no successor; a terminated one keeps its reward, and its next_obs is its own obs."""
    arrays, notes, doubts = in_our_layout("x", d4rl())
    np.testing.assert_array_equal(arrays["obs"][:, 0], [0, 1, 2, 4, 5, 6, 7])
    np.testing.assert_array_equal(arrays["next_obs"][:, 0], [1, 2, 3, 5, 6, 6, 8])
    np.testing.assert_array_equal(arrays["env_reward"], [10, 11, 12, 14, 15, 16, 17])
    np.testing.assert_allclose(arrays["action"][:, 0], [0.0, 0.1, 0.2, 0.4, 0.5, 0.6, 0.7], rtol=1e-6)
    np.testing.assert_array_equal(np.flatnonzero(arrays["terminated"]), [5])
    np.testing.assert_array_equal(np.flatnonzero(arrays["truncated"]), [2, 6])
    np.testing.assert_array_equal(arrays["episode_start"], [0, 3, 6])
    assert notes == ("read in D4RL's layout", "2 of 9 rows are left out, because no observation follows them")
    assert len(doubts) == 1 and doubts[0].startswith("x: 1 of 7 steps terminate without a recorded successor")


def test_d4rl_with_successors():
    arrays, notes, doubts = in_our_layout("x", d4rl(next_observations=TRUE_NEXT))
    np.testing.assert_array_equal(arrays["next_obs"], TRUE_NEXT)
    np.testing.assert_array_equal(np.flatnonzero(arrays["terminated"]), [6])
    np.testing.assert_array_equal(np.flatnonzero(arrays["truncated"]), [3, 8])
    np.testing.assert_array_equal(arrays["episode_start"], [0, 4, 7])
    assert notes == ("read in D4RL's layout",) and not doubts


def test_successors_that_are_rounded_differently_are_those_of_the_next_row():
    rounded = TRUE_NEXT.copy()
    rounded[0] = np.nextafter(rounded[0], np.float32(9))
    arrays, _, _ = in_our_layout("x", d4rl(next_observations=rounded, timeouts=None))
    np.testing.assert_array_equal(arrays["next_obs"], TRUE_NEXT)


def test_the_beginning_of_the_next_episode_is_no_successor_of_a_termination():
    """Programs that derive successors by shifting the rows give such a one."""
    shifted = TRUE_NEXT.copy()
    shifted[6] = d4rl()["observations"][7]
    arrays, _, doubts = in_our_layout("x", d4rl(next_observations=shifted))
    np.testing.assert_array_equal(arrays["next_obs"][6], arrays["obs"][6])
    np.testing.assert_array_equal(np.delete(arrays["next_obs"], 6, axis=0), np.delete(TRUE_NEXT, 6, axis=0))
    assert "1 of 9 steps terminate without a recorded successor" in doubts[0]


def test_without_timeouts_episodes_are_cut_where_successors_do_not_lead_on():
    arrays, _, doubts = in_our_layout("x", d4rl(next_observations=TRUE_NEXT, timeouts=None))
    np.testing.assert_array_equal(arrays["episode_start"], [0, 4, 7])
    np.testing.assert_array_equal(np.flatnonzero(arrays["truncated"]), [3, 8])
    assert "no timeouts, so that episodes are taken to be cut after 1 of the rows" in doubts[0]
    arrays, _, doubts = in_our_layout("x", d4rl(timeouts=None))
    np.testing.assert_array_equal(arrays["episode_start"], [0, 7])
    assert "neither timeouts nor next_observations, so that only terminals end episodes" in doubts[0]


def ogbench(**changes) -> dict[str, np.ndarray]:
    """Return trajectories of three, two and (unfinished) two steps; observations are row numbers."""
    rows = np.arange(10)
    arrays = {"observations": np.stack([rows, -rows], axis=1).astype(np.float32), "actions": rows[:, None] / 10}
    arrays |= {"terminals": np.isin(rows, [3, 6]).astype(np.float32), "qpos": np.zeros((10, 7))}
    return {key: array for key, array in {**arrays, **changes}.items() if array is not None}


def test_ogbench():
    """The last row of a trajectory is only an observation, and nothing terminates."""
    arrays, notes, doubts = in_our_layout("x", ogbench())
    np.testing.assert_array_equal(arrays["obs"][:, 0], [0, 1, 2, 4, 5, 7, 8])
    np.testing.assert_array_equal(arrays["next_obs"][:, 0], [1, 2, 3, 5, 6, 8, 9])
    assert not arrays["terminated"].any() and "env_reward" not in arrays and "qpos" not in arrays
    np.testing.assert_array_equal(np.flatnonzero(arrays["truncated"]), [2, 4, 6])
    np.testing.assert_array_equal(arrays["episode_start"], [0, 3, 5])
    assert notes[0] == "read in OGBench's layout" and notes[1].startswith("3 of 10 rows are left out") and not doubts


def test_ogbench_with_rewards_that_were_added():
    masks = np.arange(10) != 1
    arrays, _, _ = in_our_layout("x", ogbench(rewards=-np.arange(10.0), masks=masks.astype(np.float32)))
    np.testing.assert_array_equal(np.flatnonzero(arrays["terminated"]), [1])
    np.testing.assert_array_equal(arrays["next_obs"][1], [2, -2])
    np.testing.assert_array_equal(arrays["episode_start"], [0, 2, 3, 5])
    np.testing.assert_array_equal(arrays["env_reward"], [0, -1, -2, -4, -5, -7, -8])


def test_random_episodes_come_back():
    """Episodes of random lengths and ends, with states that never repeat, are the steps that were taken."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        ends, state, steps, rows = rng.random(rng.integers(2, 7)) < 0.5, 0, [], []
        for terminates in ends:
            length = int(rng.integers(1, 5))
            states = np.arange(state, state + length + 1)
            state += length + 10
            rows += [(s, terminates and s == states[-2], not terminates and s == states[-2]) for s in states[:-1]]
            own = [(s, s + 1, terminates and s == states[-2]) for s in states[:-1]]
            own[-1] = (states[-2], states[-2], True) if terminates else own[-1]
            steps.append(own if terminates else own[:-1])
        obs, terminals, timeouts = (np.array(column) for column in zip(*rows, strict=True))
        given = {"observations": obs[:, None], "actions": obs[:, None], "rewards": obs, "terminals": terminals}
        steps = [one for one in steps if one]
        if not steps:
            continue
        arrays, _, _ = in_our_layout("x", given | {"timeouts": timeouts})
        found = zip(arrays["obs"][:, 0], arrays["next_obs"][:, 0], arrays["terminated"], strict=True)
        assert list(found) == [step for one in steps for step in one]
        lengths = [len(one) for one in steps]
        np.testing.assert_array_equal(arrays["episode_start"], np.cumsum([0, *lengths[:-1]]))
        last = np.cumsum(lengths) - 1
        np.testing.assert_array_equal(np.flatnonzero(arrays["terminated"] | arrays["truncated"]), last)


def test_infos_and_the_environments_name_are_kept():
    arrays, _, _ = in_our_layout("x", d4rl(info_success=np.arange(9) == 5, env=np.array("test")))
    np.testing.assert_array_equal(np.flatnonzero(arrays["info_success"]), [4])
    assert arrays["env"] == "test"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": None}, "has observations but lacks the key 'actions'; it has observations, rewards, terminals"),
        ({"terminals": None}, "lacks the key 'terminals'"),
        ({"rewards": np.zeros(8)}, "9 rows in observations but 8 in rewards; they must match"),
        ({"timeouts": np.arange(9)}, "timeouts must hold one boolean, or 0 or 1, for every row"),
        ({"terminals": np.full(9, np.nan)}, "terminals must hold one boolean, or 0 or 1, for every row"),
        ({"terminals": np.zeros((9, 2), bool)}, "terminals must hold one boolean, or 0 or 1, for every row"),
        ({"terminals": np.zeros(9, bool), "timeouts": np.zeros(9)}, "have no ends, because terminals and timeouts are"),
        ({"terminals": np.zeros(9, bool), "timeouts": None}, "its episodes have no ends"),
        (
            {"next_observations": np.zeros((9, 3))},
            r"has the shape \(9, 3\) and type float64, and observations \(9, 2\) and",
        ),
        ({"actions": np.float32(1)}, "actions is a single value"),
        ({"terminals": np.zeros(9), "timeouts": np.ones(9)}, "no step with a successor; every episode needs"),
    ],
)
def test_what_cannot_be_read(changes, message):
    with pytest.raises(ConfigError, match=f"^x.*{message}"):
        in_our_layout("x", d4rl(**changes))


def test_trajectories_without_ends():
    with pytest.raises(ConfigError, match="no ends, because terminals are False in every row; mark the last"):
        in_our_layout("x", ogbench(terminals=np.zeros(10)))


def test_a_loaded_file_is_checked_and_its_doubts_are_warned_of(tmp_path, capsys):
    path = tmp_path / "hopper.npz"
    np.savez(path, **d4rl())
    loaded = load_demonstrations(str(path), SPEC)
    np.testing.assert_array_equal(loaded["episode_return"], [33, 45, 17])
    assert f"Warning: {path}: 1 of 7 steps terminate without a recorded successor" in capsys.readouterr().out
    np.savez(path, **d4rl(actions=np.full((9, 1), 2.0)))
    with pytest.raises(ConfigError, match="an action in row 0 is 2, outside the bounds -1 to 1 of test"):
        load_demonstrations(str(path), SPEC)


def test_hdf5_is_read_like_npz(tmp_path):
    """Arrays in groups are left alone, and a column of rewards is a row of them."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        for key, array in d4rl(rewards=d4rl()["rewards"][:, None]).items():
            file[key] = array
        file["infos/qpos"], file["metadata/algorithm"], file["env"] = np.zeros(3), "SAC", "test"
    np.savez(tmp_path / "x.npz", **d4rl())
    one, other = (load_demonstrations(str(tmp_path / f"x.{kind}"), SPEC) for kind in ("hdf5", "npz"))
    assert one.keys() == other.keys()
    for key, array in other.items():
        np.testing.assert_array_equal(one[key], array)
    with pytest.raises(ConfigError, match="recorded on the environment 'test', but this run uses 'other'"):
        load_demonstrations(str(tmp_path / "x.hdf5"), make_spec(obs=2, action=1, name="other"))


def test_hdf5_that_cannot_be_read(tmp_path, monkeypatch):
    h5py, path = pytest.importorskip("h5py"), tmp_path / "x.hdf5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(ConfigError, match="cannot be read as an HDF5 file of plain arrays: it is truncated, damaged"):
        load_demonstrations(str(path), SPEC)
    with h5py.File(path, "w") as file:
        for key, array in d4rl(actions=None).items():
            file[key] = array
        file["actions"] = ["left"] * 9
    with pytest.raises(ConfigError, match="actions holds texts or objects; save arrays of numbers"):
        load_demonstrations(str(path), SPEC)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigError, match=r'needs h5py; install it with: pip install -e "\.\[minari\]"'):
        load_demonstrations(str(path), SPEC)


def test_a_run_can_imitate_a_file_without_rewards(tmp_path):
    """Its steps are those of the demonstrations, and its returns are unknown."""
    demos, path = point_demos(), tmp_path / "navigate.npz"
    ends = np.flatnonzero(demos["truncated"]) + 1
    obs = np.insert(demos["obs"], ends, demos["next_obs"][ends - 1], axis=0)
    actions = np.insert(demos["action"], ends, 0.0, axis=0)
    np.savez(path, observations=obs, actions=actions, terminals=np.arange(len(obs)) % 41 == 40)
    data = build_data(*build.build(composed("debug=smoke", "env=point", "reward=gail", f"demos={path}")))
    for key in ("obs", "action", "next_obs", "truncated"):
        np.testing.assert_array_equal(getattr(data["demos"].steps, key), demos[key])
    assert np.isnan(data["demo_return"]) and not data["demos"].has_env_reward

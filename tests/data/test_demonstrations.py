"""Tests of demonstration files: the documented layout is read, and every fault gives one clear sentence."""

from pathlib import Path

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete
from rl_rewards.data.arrays import array_sizes, check_size, read_arrays
from rl_rewards.data.demonstrations import load as demonstrations
from rl_rewards.data.demonstrations.choose import as_dataset, choose, last_states
from rl_rewards.data.demonstrations.fit import one_episode_warning
from rl_rewards.data.demonstrations.records import require_rewards
from tests.demonstrations import STEPS, point_demos, point_file
from tests.probes import make_rollout, make_spec
from tests.runs import build, composed

SPEC = build.build(composed("env=point")).parts.env.spec
GOOD = point_demos()
ROWS = len(GOOD["obs"])


def changed(key, row, value, dtype=None):
    array = GOOD[key].astype(dtype or GOOD[key].dtype)
    array[row] = value
    return {key: array}


def test_unsigned_starts_are_read(tmp_path):
    loaded = demonstrations.load_demonstrations(
        point_file(tmp_path, episode_start=GOOD["episode_start"].astype(np.uint64)), SPEC
    )
    np.testing.assert_array_equal(loaded["episode_start"], GOOD["episode_start"])
    assert len(choose("x", loaded, episodes=3, every=2, seed=0).rows) == 3 * STEPS / 2


def test_round_trip(tmp_path):
    loaded = demonstrations.load_demonstrations(point_file(tmp_path), SPEC)
    assert loaded.keys() == GOOD.keys()
    for key, array in GOOD.items():
        np.testing.assert_array_equal(loaded[key], array)
        assert loaded[key].dtype == array.dtype


def test_the_environments_reward_is_optional(tmp_path):
    assert "env_reward" not in demonstrations.load_demonstrations(point_file(tmp_path, env_reward=None), SPEC)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obs": None}, "lacks the key 'obs'"),
        ({"colour": np.zeros(3)}, "unknown key 'colour'"),
        ({"obs": np.zeros((ROWS, 3), np.float32)}, r"obs has the shape .* needs \[rows, 2\]"),
        ({"action": GOOD["action"][:-1]}, f"{ROWS} rows in obs but {ROWS - 1} in action"),
        (changed("next_obs", 3, np.nan), "next_obs has a NaN or infinite value in row 3"),
        (changed("action", 7, 1.5), "action in row 7 is 1.5, outside the bounds -1 to 1 of point"),
        ({"episode_start": np.zeros(0, int), "episode_return": np.zeros(0)}, "holds no episode"),
        ({"episode_return": np.zeros(3)}, "8 rows in episode_start but 3 in episode_return"),
        ({"episode_start": np.arange(8) * STEPS + 1}, "ascending order, beginning with 0"),
        (changed("truncated", 5, True), "row 5 is terminated or truncated, but .* continues"),
        (changed("truncated", ROWS - 1, False), f"row {ROWS - 1} is neither .* ends there"),
        ({"truncated": np.zeros(ROWS, bool)}, "no step is terminated or truncated, so that its episodes have no ends"),
        ({"action": np.zeros(ROWS, np.int64)}, r"int64, as discrete actions have, but point has .* \[rows, 2\]"),
        ({"action": np.zeros((ROWS, 2), np.int8)}, "type int8, as discrete actions have, but point has real actions"),
        ({"info_success": np.zeros(ROWS - 1, bool)}, f"{ROWS} rows in obs but {ROWS - 1} in info_success"),
        ({"info_success": np.zeros((ROWS, 2), bool)}, r"info_success has the shape .* needs \[rows\]"),
        ({"info_scene": np.zeros((ROWS, 3))}, r"info_scene has the shape .* needs \[rows, 2\]"),
        ({"info_own": np.full(ROWS, np.nan)}, "info_own has a NaN or infinite value in row 0"),
        ({"info_own": np.array(["a"] * ROWS)}, "info_own has the type <U1; real numbers are needed"),
        ({"info_own": np.float32(1)}, "info_own is a single value"),
        ({"terminated": np.zeros(ROWS)}, "terminated must be an array of booleans"),
        ({"obs": np.array([{"a": 1}], dtype=object)}, "cannot be read .* obs holds pickled Python objects"),
        ({"next_obs": None}, r"lacks the key 'next_obs'; .* T steps have T \+ 1 observations"),
        ({"next_obs": GOOD["next_obs"][:-8]}, rf"{ROWS - 8} in next_obs; .* T steps have T \+ 1 observations"),
        (changed("obs", 3, 1.0, np.complex128), "obs has the type complex128; real numbers are needed"),
        ({"obs": GOOD["obs"].astype("m8[s]")}, r"obs has the type timedelta64\[s\]; real numbers are needed"),
        (changed("obs", 3, 1e300, np.float64), "obs has a value too large for float32 in row 3"),
        (changed("next_obs", 3, -1e39, np.float64), "next_obs has a value too large for float32 in row 3"),
        (changed("env_reward", 5, 1e39, np.float64), "env_reward has a value too large for float32 in row 5"),
        ({"episode_return": np.full(8, 1e39)}, "episode_return has a value too large for float32 in row 0"),
        ({"episode_start": np.array([0, 80, 40, 120, 160, 200, 240, 280], np.uint64)}, "ascending order"),
        ({"episode_start": np.array([0, *[2**63] * 7], np.uint64)}, "starts at row 9223372036854775808, but there are"),
        ({"episode_start": np.arange(8) * 40.0}, "episode_start must hold whole numbers"),
    ],
)
def test_bad_files(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        demonstrations.load_demonstrations(point_file(tmp_path, **changes), SPEC)


def test_returns_that_are_not_recorded_are_sums_of_the_rewards(tmp_path):
    loaded = demonstrations.load_demonstrations(point_file(tmp_path, episode_return=None), SPEC)
    np.testing.assert_allclose(loaded["episode_return"], GOOD["episode_return"], rtol=1e-6)
    loaded = demonstrations.load_demonstrations(point_file(tmp_path, episode_return=None, env_reward=None), SPEC)
    assert np.isnan(loaded["episode_return"]).all()


def test_info_is_kept_as_booleans_or_numbers(tmp_path):
    infos = {"info_success": np.arange(ROWS) % 2 == 0, "info_cell": np.arange(ROWS), "info_own": np.ones((ROWS, 2, 2))}
    loaded = demonstrations.load_demonstrations(point_file(tmp_path, **infos), SPEC)
    assert [loaded[key].dtype for key in infos] == [bool, np.float32, np.float32]
    for key, array in infos.items():
        np.testing.assert_array_equal(loaded[key], array)


def test_what_offline_learners_need(tmp_path):
    require_rewards("x", GOOD, "reward=environment")
    lacking = {key: array for key, array in GOOD.items() if key != "env_reward"}
    with pytest.raises(ConfigError, match=r"^x lacks env_reward .*, which reward=environment needs; record it"):
        require_rewards("x", lacking, "reward=environment")
    assert one_episode_warning("x", GOOD) is None
    assert (one_episode_warning("x", point_demos(1)) or "").startswith("x holds one episode only: single steps can")


def test_a_file_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = point_file(tmp_path)
    sizes = array_sizes(Path(path), "demos", "recorder")
    assert sizes == {key: array.nbytes for key, array in GOOD.items()} | {"env": 4 * len("point")}
    assert len(demonstrations.load_demonstrations(path, SPEC, free=sum(sizes.values()))["obs"]) == ROWS
    monkeypatch.setattr(demonstrations, "read_arrays", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ConfigError, match=r"arrays of .*demos\.npz take 0\.0 GB of memory"):
        demonstrations.load_demonstrations(path, SPEC, free=sum(sizes.values()) - 1)
    with pytest.raises(ConfigError, match=r"x take 40\.0 GB of memory \(obs alone 30\.0 GB\), but 20\.5 GB are"):
        check_size("x", {"action": 10**10, "obs": 3 * 10**10}, free=20_500_000_000)
    check_size("x", {"obs": 10**15}, free=None)


def test_arrays_that_are_not_used_take_no_memory(tmp_path):
    used = {"observations": np.zeros((4, 2)), "actions": np.zeros((4, 2)), "terminals": np.arange(4) == 3}
    np.savez_compressed(tmp_path / "x.npz", **used, qpos=np.zeros((4, 10_000)))
    found = demonstrations.read_demonstrations(str(tmp_path / "x.npz"), free=sum(x.nbytes for x in used.values()))
    assert found.keys() == used.keys()


def test_missing_truncated_pickled_and_foreign_files(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        demonstrations.load_demonstrations(str(tmp_path / "none.npz"), SPEC)
    path = tmp_path / "demos.npz"
    point_file(tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ConfigError, match="cannot be read"):
        demonstrations.load_demonstrations(str(path), SPEC)
    pickled = tmp_path / "demos.pkl"
    np.save(pickled.open("wb"), np.array([GOOD], dtype=object), allow_pickle=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        demonstrations.load_demonstrations(str(pickled), SPEC)
    np.save(tmp_path / "one.npy", GOOD["obs"])
    with pytest.raises(ConfigError, match="of plain arrays"):
        demonstrations.load_demonstrations(str(tmp_path / "one.npy"), SPEC)
    elsewhere = build.build(composed("env=point")).parts.env.spec
    demonstrations.save_demonstrations(path, make_spec(name="Hopper-v5"), GOOD)
    with pytest.raises(ConfigError, match="recorded on the environment 'Hopper-v5', but this run uses 'point'"):
        demonstrations.load_demonstrations(str(path), elsewhere)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_with_one_wrong_byte_is_read_or_refused(tmp_path, compressed):
    """The byte may belong to a name, a length, a checksum, the type of compression or the data."""
    (np.savez_compressed if compressed else np.savez)(tmp_path / "good.npz", obs=np.linspace(0, 1, 6).reshape(3, 2))
    good, bad = (tmp_path / "good.npz").read_bytes(), tmp_path / "bad.npz"
    refused = 0
    for at in range(len(good)):
        bad.write_bytes(good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :])
        try:
            read_arrays(bad, "demos", "recorder")
        except ConfigError:
            refused += 1
    assert refused > len(good) / 2


def test_discrete_actions_are_counted(tmp_path):
    spec = make_spec(obs=2, action=Discrete(3))
    demos = GOOD | {"action": np.zeros(ROWS, np.int64)}
    path = tmp_path / "demos.npz"
    demonstrations.save_demonstrations(path, spec, demos)
    assert demonstrations.load_demonstrations(str(path), spec)["action"].dtype == np.int32
    demos["action"][4] = 3
    demonstrations.save_demonstrations(path, spec, demos)
    with pytest.raises(ConfigError, match=r"action in row 4 is 3; test has the actions 0 to 2 \(in files"):
        demonstrations.load_demonstrations(str(path), spec)
    demonstrations.save_demonstrations(path, spec, GOOD)
    with pytest.raises(ConfigError, match=r"type float32 and shape \(320, 2\), but test has discrete .* 0 to 2"):
        demonstrations.load_demonstrations(str(path), spec)


def test_rounding_at_a_bound_is_forgiven(tmp_path):
    path = point_file(tmp_path, **changed("action", 0, np.float32(1.000001)))
    assert demonstrations.load_demonstrations(path, SPEC)["action"].max() == 1.0


def test_choosing_keeps_whole_episodes_and_every_so_many_steps():
    episodes, rows = choose("x", GOOD, episodes=3, every=10, seed=1)
    assert len(episodes) == 3 and len(rows) == 3 * STEPS / 10
    np.testing.assert_array_equal(np.repeat(episodes, 4), rows // STEPS)
    assert set(np.diff(rows[:4])) == {10}, "the steps of one episode are ten apart"
    np.testing.assert_array_equal(rows, choose("x", GOOD, episodes=3, every=10, seed=1).rows)
    assert not np.array_equal(rows, choose("x", GOOD, episodes=3, every=10, seed=2).rows)
    np.testing.assert_array_equal(choose("x", GOOD, None, 1, 0).rows, np.arange(ROWS))


def test_a_termination_is_always_kept():
    last = GOOD["truncated"]
    ended = GOOD | {"terminated": last, "truncated": np.zeros_like(last)}
    rows = choose("x", ended, episodes=None, every=25, seed=0).rows
    assert set(np.flatnonzero(last)) <= set(rows) and len(rows) < 8 * 4


@pytest.mark.parametrize("episodes", [0, 9])
def test_more_episodes_than_there_are(episodes):
    with pytest.raises(ConfigError, match=f"demonstrations.episodes={episodes}, but x has 8; ask for 1 to 8"):
        choose("x", GOOD, episodes, every=1, seed=0)


def test_last_states_are_what_an_episode_ended_in():
    obs, action, episode = last_states(GOOD, np.array([1, 5]), steps=2)
    rows = [start + STEPS - 2 + i for start in GOOD["episode_start"][[1, 5]] for i in range(2)]
    np.testing.assert_array_equal(obs, GOOD["next_obs"][rows])
    np.testing.assert_array_equal(action, GOOD["action"][rows])
    assert list(episode) == [0, 0, 1, 1]


def test_a_recording_gives_the_first_episode_of_every_copy():
    spec = make_spec()
    rollout = make_rollout(spec, 6, 2)
    ended = np.zeros((6, 2), bool)
    ended[[2, 5], 0] = ended[5, 1] = True
    demos = demonstrations.first_episodes(rollout.replace(terminated=ended, truncated=np.zeros_like(ended)), spec)
    assert list(demos["episode_start"]) == [0, 3]
    np.testing.assert_array_equal(demos["obs"][:3], rollout.obs[:3, 0])
    np.testing.assert_array_equal(demos["obs"][3:], rollout.obs[:, 1])
    np.testing.assert_allclose(demos["episode_return"][1], np.sum(rollout.env_reward[:, 1]), rtol=1e-6)
    assert np.abs(demos["action"]).max() <= 1.0, "actions are clipped as in the environment"


def test_a_recording_keeps_its_info(tmp_path):
    spec = make_spec(action=1, info={"success": (), "scene": (2,)})
    info = {"success": np.arange(8).reshape(4, 2) % 3 == 0, "scene": np.arange(16, dtype=np.float32).reshape(4, 2, 2)}
    obs = np.arange(20, dtype=np.float32).reshape(5, 2, 2)
    ended = np.array([[False, False], [True, False], [False, False], [True, True]])
    rollout = make_rollout(spec, 4, 2, obs=obs[:-1], next_obs=obs[1:], truncated=ended, info=info)
    demonstrations.save_demonstrations(tmp_path / "x.npz", spec, demonstrations.first_episodes(rollout, spec))
    demos = demonstrations.load_demonstrations(str(tmp_path / "x.npz"), spec)
    steps = as_dataset(demos, [None], info=("scene", "success")).steps
    np.testing.assert_array_equal(steps.info["success"], [True, False, False, True, False, False])
    np.testing.assert_array_equal(steps.info["scene"][:, 0], [0, 4, 2, 6, 10, 14])


def test_a_recording_follows_itself_to_the_last_bit():
    spec = make_spec()
    rollout = make_rollout(spec, 6, 1)
    ended = np.arange(6)[:, None] == 5
    next_obs = np.concatenate([np.asarray(rollout.obs)[1:], np.asarray(rollout.next_obs)[-1:]])
    next_obs[2] = np.nextafter(next_obs[2], np.float32(1e9))  # a rounding difference, which is removed
    next_obs[3] += 0.5  # a real difference, which is kept
    demos = demonstrations.first_episodes(
        rollout.replace(next_obs=next_obs, terminated=ended, truncated=np.zeros_like(ended)), spec
    )
    np.testing.assert_array_equal(demos["next_obs"][:3], demos["obs"][1:4])
    np.testing.assert_allclose(demos["next_obs"][3], demos["obs"][4] + 0.5, rtol=1e-6)

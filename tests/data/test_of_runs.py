"""Recorded data of runs, several sets as one, streams of steps as episodes, and normalised scores."""

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.data.__main__ import main
from rl_rewards.data.demonstrations import of_runs
from rl_rewards.data.demonstrations.join import join
from rl_rewards.data.demonstrations.load import (
    all_episodes,
    load_demonstrations,
    read_demonstrations,
    read_recorded,
)
from rl_rewards.data.reference_returns import D4RL, normalized_score
from rl_rewards.loop.provenance import digests
from tests.demonstrations import point_demos, point_file
from tests.probes import make_rollout, make_spec
from tests.runs import build, composed

SPEC = build.build(composed("env=point")).parts.env.spec


def run_folder(folder, *names, config=True):
    """Return a folder with a file of two episodes for each of ``names``, numbered by their seeds."""
    folder.mkdir()
    if config:
        (folder / "config.yaml").write_text("seed: 0\n", encoding="utf-8")
    for seed, name in enumerate(names):
        point_file(folder, **point_demos(2, seed))
        (folder / "demos.npz").rename(folder / name)
    return folder


def test_a_run_is_its_replay_and_then_its_episodes(tmp_path):
    run = run_folder(tmp_path / "run", "replay.npz", "episodes.npz")
    found = load_demonstrations(f"run:{run}", SPEC)
    for key in ("obs", "action", "env_reward", "episode_return"):
        np.testing.assert_array_equal(found[key], np.concatenate([point_demos(2, seed)[key] for seed in (0, 1)]))
    np.testing.assert_array_equal(found["episode_start"], [0, 40, 80, 120])
    assert set(digests([f"run:{run}"])) == {str(run / "replay.npz"), str(run / "episodes.npz")}
    (run / "replay.npz").unlink()
    np.testing.assert_array_equal(read_demonstrations(f"run:{run}")["obs"], point_demos(2, 1)["obs"])


def test_a_seed_of_a_run_is_named_after_an_at_sign(tmp_path):
    """Hydra reads such a name in a list without quotes; a folder whose own name ends like that is that folder."""
    run = run_folder(tmp_path / "run", "replay_4.npz", "replay_5.npz")
    np.testing.assert_array_equal(read_demonstrations(f"run:{run}@5")["obs"], point_demos(2, 1)["obs"])
    own = run_folder(tmp_path / "run@5", "replay.npz")
    np.testing.assert_array_equal(read_demonstrations(f"run:{own}")["obs"], point_demos(2, 0)["obs"])
    names = composed("env=point", "+data=[run:outputs/2026-12-01/10-00-00@5,a.npz]").data
    assert list(names) == ["run:outputs/2026-12-01/10-00-00@5", "a.npz"]


@pytest.mark.parametrize(
    ("files", "config", "name", "message"),
    [
        (None, True, "run:{}", r"^run:{}: the folder {} does not exist; name the folder of a run\.$"),
        ((), False, "run:{}", r"^run:{}: {} is not a run folder; it has no config\.yaml\.$"),
        ((), True, "run:{}", r"neither replay\.npz nor episodes\.npz, .*; start the run with keep_replay=true or reco"),
        (("replay_4.npz", "episodes_5.npz"), True, "run:{}", r"recorded separately; .* from run:{}@4 to run:{}@5\.$"),
        (("replay_4.npz",), True, "run:{}@6", r"it has no recording of seed 6; name one of them, from run:{}@4"),
        (("replay.npz",), True, "run:{}@6", r"the run has only one seed; name it without @6\.$"),
    ],
)
def test_what_is_not_there_is_one_sentence(tmp_path, files, config, name, message):
    run = tmp_path / "run"
    if files is not None:
        run_folder(run, *files, config=config)
    with pytest.raises(ConfigError, match=message.replace("{}", str(run))):
        read_demonstrations(name.format(run))


def test_a_run_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    run = run_folder(tmp_path / "run", "replay.npz", "episodes.npz")
    sizes = {key: array.nbytes for key, array in point_demos(2).items()} | {"env": 4 * len("point")}
    need = 2 * 2 * sum(sizes.values())  # two files, whose arrays exist until they are joined
    assert len(read_demonstrations(f"run:{run}", free=need)["obs"]) == 160
    monkeypatch.setattr(of_runs, "read_arrays", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ConfigError, match=rf"^The arrays of run:{run} take 0\.0 GB of memory .* are free; use data"):
        read_demonstrations(f"run:{run}", free=need - 1)
    (run / "episodes.npz").unlink()
    with pytest.raises(ConfigError, match=r"take 0\.0 GB of memory"):
        read_demonstrations(f"run:{run}", free=need // 4 - 1)


def test_files_of_two_environments_are_no_run(tmp_path):
    run = run_folder(tmp_path / "run", "replay.npz")
    np.savez(run / "episodes.npz", env=np.array("driver"), **point_demos(2))
    with pytest.raises(ConfigError, match="its files were recorded on two environments, point and driver"):
        read_demonstrations(f"run:{run}")


def test_several_sets_are_one_after_another(tmp_path):
    run = run_folder(tmp_path / "run", "replay.npz")
    bare = point_file(tmp_path, **point_demos(3, 7) | {"env_reward": None})
    found = read_recorded([bare, f"run:{run}"], SPEC, [0]).arrays
    np.testing.assert_array_equal(found["episode_start"], 40 * np.arange(5))
    np.testing.assert_array_equal(found["obs"][120:], point_demos(2, 0)["obs"])
    assert "env_reward" not in found, "an array that only one set has is left out"
    with pytest.raises(ConfigError, match="No recorded data is named"):
        read_recorded([], SPEC, [0])


def test_each_seed_takes_its_own_recording_of_a_run(tmp_path):
    run = run_folder(tmp_path / "run", "episodes_4.npz", "episodes_5.npz")
    shared = point_file(tmp_path, **point_demos(3, 7))
    found = read_recorded([shared, f"run:{run}"], SPEC, [5, 4])
    own = {seed: np.load(run / f"episodes_{seed}.npz")["obs"] for seed in (4, 5)}
    for rows, seed in zip(found.rows, (5, 4), strict=True):
        np.testing.assert_array_equal(found.arrays["obs"][rows], np.concatenate([point_demos(3, 7)["obs"], own[seed]]))
    assert read_recorded([shared], SPEC, [5, 4]).rows == [None, None], "what all seeds use is not listed"


def test_a_thinned_set_keeps_the_numbers_of_its_steps():
    whole, thinned = point_demos(1), {key: point_demos(1)[key] for key in ("episode_start", "episode_return")}
    thinned |= {key: whole[key][3::4] for key in whole if key not in thinned} | {"step": np.arange(3, 40, 4)}
    joined = join([("thinned", thinned), ("whole", whole)])
    np.testing.assert_array_equal(joined["step"], [*range(3, 40, 4), *range(40)])
    np.testing.assert_array_equal(joined["episode_start"], [0, 10])
    other = whole | {"obs": np.zeros((40, 3), np.float32)}
    with pytest.raises(ConfigError, match=r"^other: obs has rows of the shape \[3\], but in whole .* \[2\]; only reco"):
        join([("whole", whole), ("other", other)])


def test_sets_without_corrections_have_no_corrected_step():
    corrections = point_demos(1) | {"info_corrected": np.arange(40) >= 30, "info_cell": np.ones(40, np.float32)}
    joined = join([("demos", point_demos(1)), ("corrected", corrections)])
    np.testing.assert_array_equal(joined["info_corrected"], np.arange(80) >= 70)
    assert "info_cell" not in joined, "nothing is known about other keys"
    assert "info_corrected" not in join([("demos", point_demos(1)), ("more", point_demos(1))])


def test_a_stream_is_cut_where_an_episode_was_given_up():
    """The two streams [B=2, C=4] follow from the dynamics s' = s + 1, except that the first begins anew at its third
    step, as after resuming an environment that cannot save its state."""
    begin = np.array([[0.0, 1.0, 7.0, 8.0], [3.0, 4.0, 5.0, 6.0]], np.float32)[..., None]
    terminated = np.array([[0, 0, 0, 0], [0, 1, 0, 0]], bool)
    streams = make_rollout(make_spec(obs=1), 4, 2, obs=begin, next_obs=begin + 1.0, terminated=np.zeros((4, 2), bool))
    streams = streams.replace(
        terminated=terminated,
        truncated=np.zeros((2, 4), bool),
        action=np.full((2, 4, 2), 1.5, np.float32),
        env_reward=np.arange(8, dtype=np.float32).reshape(2, 4),
        info={"success": terminated.astype(np.float32)},
        valid=np.ones((2, 4), bool),
        is_demo=np.zeros((2, 4), bool),
    )
    found = all_episodes(streams, make_spec(obs=1, restores=False))
    np.testing.assert_array_equal(found["episode_start"], [0, 2, 4, 6])
    np.testing.assert_array_equal(np.flatnonzero(found["truncated"]), [1, 3, 7])
    np.testing.assert_array_equal(found["episode_return"], [1.0, 5.0, 9.0, 13.0])
    np.testing.assert_array_equal(np.flatnonzero(found["info_success"]), [5])
    np.testing.assert_array_equal(found["action"], np.ones((8, 2)))
    assert found["info_success"].dtype == bool
    kept = all_episodes(streams, make_spec(obs=1, restores=True))
    np.testing.assert_array_equal(kept["episode_start"], [0, 4, 6])


def test_scores_are_those_of_d4rl():
    assert normalized_score(3234.3, *D4RL["hopper"]) == pytest.approx(100.0)
    assert normalized_score(-280.178953, *D4RL["halfcheetah"]) == pytest.approx(0.0)
    np.testing.assert_allclose(normalized_score(np.array([10.0, 15.0]), 5.0, 25.0), [25.0, 50.0])
    with pytest.raises(ConfigError, match="two references that differ, but both returns are 3"):
        normalized_score(1.0, 3.0, 3.0)


def test_info_describes_a_run(tmp_path, capsys):
    main(["info", f"run:{run_folder(tmp_path / 'run', 'replay.npz', 'episodes.npz')}", "env=point"])
    told = capsys.readouterr().out
    assert "recorded on point" in told and "4 episodes of 40 steps, 160 in all" in told

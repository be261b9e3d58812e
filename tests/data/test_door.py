"""Tests of ``python -m rl_rewards.data``: descriptions of valid and invalid files, and recording of examples."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from rl_rewards.core.types import Discrete
from rl_rewards.data.__main__ import main
from rl_rewards.data.demonstrations.coverage import actions_in_words, states_in_words
from rl_rewards.data.examples import collect_examples, load_examples
from rl_rewards.loop import ram
from rl_rewards.loop.provenance import digests
from tests.demonstrations import point_demos, point_file
from tests.probes import make_spec
from tests.runs import build, composed


def test_info_tells_episodes_returns_ranges_and_nan(tmp_path, capsys):
    action = np.linspace(-1.0, 1.0, 640, dtype=np.float32).reshape(320, 2)
    action[3, 0] = np.nan
    main(["info", point_file(tmp_path, action=action)])
    told = capsys.readouterr().out
    assert "recorded on point" in told
    assert "8 episodes of 40 steps, 320 in all" in told
    assert "0 of the episodes terminate" in told and "true return" in told
    assert "action           float32 [320, 2], -1 to 1, 1 NaN or infinite" in told
    assert "refused: " in told and "action has a NaN or infinite value in row 3" in told


def test_info_tells_what_a_run_would_refuse_and_warn_of(tmp_path, capsys):
    obs = np.full((320, 2), 1e39)
    main(["info", point_file(tmp_path, obs=obs)])
    told = capsys.readouterr().out
    assert "obs              float64 [320, 2], 1e+39 to 1e+39, 640 too large for float32" in told
    assert "refused: " in told and "obs has a value too large for float32 in row 0" in told
    main(["info", point_file(tmp_path, next_obs=point_demos()["obs"], env_reward=np.zeros(320))])
    told = capsys.readouterr().out
    assert "next_obs in row 0 (episode 0, step 0) is not obs in row 1" in told
    assert "in 8 of 8 episodes episode_return is not the sum of env_reward" in told
    main(["info", point_file(tmp_path)])
    told = capsys.readouterr().out
    assert "no faults were found" in told and "add for example env=point" in told


def test_info_holds_a_set_against_an_environment_that_is_named(tmp_path, capsys):
    path = point_file(tmp_path)
    main(["info", path, "env=point", "env.max_episode_steps=30"])
    assert "8 of 8 episodes are longer than the 30 steps after which point ends one" in capsys.readouterr().out
    main(["info", path, "env=driver"])
    assert "recorded on the environment 'point', but this run uses 'driver'" in capsys.readouterr().out
    examples = tmp_path / "goals.npz"
    np.savez(examples, goal_obs=np.zeros((3, 2)), non_goal_obs=np.zeros((3, 5)))
    main(["info", str(examples), "env=point"])
    assert "refused: " in (told := capsys.readouterr().out) and "non_goal_obs has the shape (3, 5)" in told


def test_info_tells_returns_successes_and_the_spread_of_actions(tmp_path, capsys):
    action = np.where(np.arange(320)[:, None] % 4 == 0, 1.0, np.array([0.25, -0.5])).astype(np.float32)
    returns = {"env_reward": None, "episode_return": np.arange(8.0)}
    success = np.isin(np.arange(320), [3, 4, 45, 319])
    main(["info", point_file(tmp_path, action=action, info_success=success, **returns), "env=point"])
    told = capsys.readouterr().out
    assert "  true return      3.5 on average, undiscounted; 2.29 standard deviation\n" in told
    assert "                   least 0, quartiles 1.75, 3.5 and 5.25, most 7\n" in told
    assert "  success          3 of 8 episodes (37.5%) succeed at some step, 1.25% of all steps\n" in told
    assert "  action spread    0.325, 0.650: standard deviation of each entry\n" in told
    assert "  action bounds    25%, 25% of the steps are at a bound\n" in told
    main(["info", point_file(tmp_path, episode_return=None, env_reward=None)])
    told = capsys.readouterr().out
    assert "true return      not recorded" in told and "success  " not in told
    assert "of the steps have the least or the largest value in the data" in told


def test_info_tells_how_many_states_were_visited():
    rows = np.arange(320)
    demos = point_demos() | {"info_cell": (rows % 30).astype(np.float32)}
    spec = make_spec(cells=40)
    assert states_in_words(demos, spec) == ["  states           30 of the 40 cells of test are visited (75%)"]
    corners = np.stack([rows % 2, rows // 2 % 2, np.zeros(320)], axis=1) * np.float32(7)
    told = states_in_words({"obs": corners}, None)
    assert told[0] == "  states           4 places in 320 steps (1.25%)"
    assert told[1].endswith("side 0.5 standard deviations over the 3 entries of obs")
    pictures = np.zeros((320, 4, 4, 3), np.uint8)
    pictures[::3] = np.random.default_rng(0).integers(0, 255, (4, 4, 3))
    told = states_in_words({"obs": pictures}, make_spec(obs=(4, 4, 3)))
    assert "2 places in 320 steps" in told[0] and told[1].endswith("over 4 random directions of obs")


def test_info_of_discrete_actions():
    demos = {"action": np.array([0, 2, 2, 2])}
    assert actions_in_words(demos, make_spec(action=Discrete(3))) == ["  action shares    2: 75%, 0: 25%"]
    many = {"action": np.arange(12).repeat(2)}
    assert actions_in_words(many, None)[0].endswith("7: 8.33%, and 4 others")
    wide = {"action": np.linspace(-1, 1, 40).reshape(4, 10)}
    assert "in 10 entries: standard deviation" in actions_in_words(wide, make_spec(action=10))[0]


def test_info_of_another_layout(tmp_path, capsys):
    demos, path = point_demos(), tmp_path / "d4rl.npz"
    names = {"observations": "obs", "actions": "action", "rewards": "env_reward", "timeouts": "truncated"}
    arrays = {theirs: demos[ours] for theirs, ours in names.items()} | {"terminals": demos["terminated"]}
    np.savez(path, **arrays)
    main(["info", str(path), "env=point"])
    told = capsys.readouterr().out
    assert "  read in D4RL's layout\n  8 of 320 rows are left out, because no observation follows them\n" in told
    assert "8 episodes of 39 steps, 312 in all" in told and "no faults were found" in told
    np.savez(path, **arrays | {"timeouts": np.zeros(320)})
    main(["info", str(path)])
    assert "refused: " in (told := capsys.readouterr().out) and "its episodes have no ends" in told


def test_info_of_a_file_larger_than_memory(tmp_path, capsys, monkeypatch):
    path = point_file(tmp_path)
    monkeypatch.setattr(ram, "free_bytes", lambda: 1000)
    with pytest.raises(SystemExit):
        main(["info", path])
    assert "0.0 GB are free; use data with fewer episodes" in capsys.readouterr().err


def test_info_of_a_thinned_file(tmp_path, capsys):
    kept = {key: point_demos(1)[key][:8:4] for key in ("obs", "action", "next_obs", "terminated")}
    one = {"truncated": np.array([False, True]), "episode_start": np.zeros(1, int), "episode_return": np.ones(1)}
    main(["info", point_file(tmp_path, **kept, **one, env_reward=None, step=np.array([0, 4]))])
    assert "1 episode of 5 steps, 2 of 5 kept" in capsys.readouterr().out


def test_info_says_what_cannot_be_read(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["info", str(tmp_path / "none.npz")])
    assert left.value.code == 2
    told = capsys.readouterr().err
    assert told == f"Error: {tmp_path}/none.npz does not exist; name an .npz file of recorded data or examples, " + (
        "minari:ID or run:RUN_DIR.\n"
    )


def test_examples_are_those_of_a_run(tmp_path, capsys):
    path = tmp_path / "examples.npz"
    main(["examples", str(path), "env=point", "examples.goals=12", "seed=3"])
    assert "12 goals and 500 non-goals of point" in capsys.readouterr().out
    cfg = composed("env=point", "examples.goals=12", "seed=3")
    env = build.build(cfg).parts.env
    loaded = load_examples(path, env.spec, needs_action=True)
    np.testing.assert_array_equal(loaded["goal_obs"], collect_examples(env, 12, 500, 3)["goal_obs"])


def test_a_run_records_what_it_was_given(tmp_path):
    path = point_file(tmp_path)
    assert digests([str(path), "minari:any", None]) == {str(path): hashlib.sha256(Path(path).read_bytes()).hexdigest()}

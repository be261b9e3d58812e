"""The door to data: what it tells of good and of broken sets, and examples recorded to a file."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from rl_rewards.data import main
from rl_rewards.loop.examples import load_examples
from rl_rewards.provenance import digests
from tests.demonstrations import point_file
from tests.runs import build, composed


def test_info_tells_episodes_returns_ranges_and_nan(tmp_path, capsys):
    action = np.linspace(-1.0, 1.0, 640, dtype=np.float32).reshape(320, 2)
    action[3, 0] = np.nan
    main(["info", point_file(tmp_path, action=action)])
    told = capsys.readouterr().out
    assert "recorded on point" in told
    assert "8 episodes of 40 steps, 320 in all" in told
    assert "0 of them end early" in told and "true return" in told
    assert "action           float32 [320, 2], -1 to 1, 1 NaN or infinite" in told


def test_info_says_what_cannot_be_read(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["info", str(tmp_path / "none.npz")])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("Error: demos=")


def test_examples_are_those_of_a_run(tmp_path, capsys):
    path = tmp_path / "examples.npz"
    main(["examples", str(path), "env=point", "examples.goals=12", "seed=3"])
    assert "12 goals and 500 non-goals of point" in capsys.readouterr().out
    cfg = composed("env=point", "examples.goals=12", "seed=3")
    env = build.build(cfg).env
    loaded = load_examples(path, env.spec, needs_action=True)
    np.testing.assert_array_equal(loaded["goal_obs"], build.examples.collect_examples(env, 12, 500, 3)["goal_obs"])


def test_a_run_records_what_it_was_given(tmp_path):
    path = point_file(tmp_path)
    assert digests([str(path), "minari:any", None]) == {str(path): hashlib.sha256(Path(path).read_bytes()).hexdigest()}

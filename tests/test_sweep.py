"""Sweeps: folders by overrides, done jobs skipped, failures recorded and passed over."""

import json

from rl_rewards.sweep import override_hash
from tests.runs import command

SWEEP = ("--multirun", "debug=smoke", "env=point", "video=false", "report=false", "total_env_steps=640")


def test_a_failed_job_ends_nothing_and_a_second_start_repeats_nothing(tmp_path):
    arguments = (*SWEEP, f"hydra.sweep.dir={tmp_path}", "algorithm.learning_rate=1e-3,1e30,-1.0")
    first = command(*arguments, timeout=600)
    assert first.returncode == 0, first.stderr
    folders = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert len(folders) == 3
    done = [path for path in folders if (path / "DONE").exists()]
    failed = [json.loads((path / "FAILED.json").read_text()) for path in folders if (path / "FAILED.json").exists()]
    assert len(done) == 1
    scores = {one["kind"]: one["score"] for one in failed}
    assert scores == {"TrainingFailed": 0.0, "ConfigError": -1e9}, "refused before it was known what success is"

    written = (done[0] / "metrics.jsonl").stat().st_mtime_ns
    second = command(*arguments, timeout=600)
    assert f"Done already: {done[0]}" in second.stdout
    assert (done[0] / "metrics.jsonl").stat().st_mtime_ns == written


def test_the_order_of_overrides_does_not_matter():
    assert override_hash("b=2,a=1") == override_hash("a=1,b=2") != override_hash("a=1,b=3")

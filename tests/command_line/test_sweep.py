"""Sweeps name folders by overrides, skip finished jobs, and record failed jobs and continue."""

import hashlib
import json
from importlib.util import find_spec

import pytest
from omegaconf import OmegaConf

from rl_rewards.command_line import sweep
from rl_rewards.command_line.sweep import check_launcher, override_hash
from rl_rewards.core.errors import ConfigError
from tests.runs import command

SWEEP = ("--multirun", "debug=smoke", "env=point", "reward=environment", "total_env_steps=320")
SWEEP += ("video=false", "report=false")


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
    assert scores == {"TrainingFailed": 0.0, "ConfigError": -1e9}, (
        "the score of a job that is refused before it can measure success"
    )

    written = (done[0] / "metrics.jsonl").stat().st_mtime_ns
    second = command(*arguments, timeout=600)
    assert f"Done already: {done[0]}" in second.stdout
    assert (done[0] / "metrics.jsonl").stat().st_mtime_ns == written


def test_the_order_of_overrides_does_not_matter_unless_one_changes_a_part_of_another():
    assert override_hash(["b=2", "a=1"]) == override_hash(["a=1", "b=2"]) != override_hash(["a=1", "b=3"])
    assert override_hash(["reward=gail", "reward.history=1"]) == override_hash(["reward.history=1", "reward=gail"])
    assert override_hash(["a={x: 1}", "a.x=2"]) != override_hash(["a.x=2", "a={x: 1}"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a=[1,2]", "b=[3,4]"], ["a=[1,4]", "b=[3,2]"]),  # the same pieces between commas
        (["algorithm.model.hidden=[64,32]"], ["algorithm.model.hidden=[32,64]"]),
        (["a=1"], ["a='1'"]),
        (["a=x"], ["+a=x"]),
        (["reward@reward.parts.a=gail"], ["reward@reward.parts.b=gail"]),
        (["a={x: [1,2], y: 3}"], ["a={x: [1], y: [2,3]}"]),
    ],
)
def test_jobs_that_differ_have_folders_of_their_own(one, other):
    assert override_hash(one) != override_hash(other)


def test_the_same_value_is_the_same_job():
    assert override_hash(["a=1e-3", "b='x'"]) == override_hash(["b=x", "a=0.001"])


def test_a_job_that_an_earlier_version_finished_is_found_by_its_configuration(tmp_path):
    """Its folder was named by pieces of the overrides, so that another job could have the same name."""
    overrides = ["a=[1,2]", "b=[3,4]"]
    cfg = OmegaConf.create({"a": [1, 2], "b": [3, 4], "added_later": None})
    old = tmp_path / hashlib.sha256(b"2],4],a=[1,b=[3").hexdigest()[:10]
    new = tmp_path / "new"
    old.mkdir()
    OmegaConf.save(OmegaConf.create({"a": [1, 2], "b": [3, 4]}), old / "config.yaml")
    assert sweep.folders(cfg, new, overrides) == [new, old]
    swapped = OmegaConf.create({"a": [1, 4], "b": [3, 2], "added_later": None})
    assert sweep.folders(swapped, new, ["a=[1,4]", "b=[3,2]"]) == [new], "the first job's score is not the second's"


def test_a_study_is_no_job_of_a_sweep(tmp_path):
    done = command(
        "--multirun", "experiment=lecture/classifiers/gan", "seed=0,1", f"hydra.sweep.dir={tmp_path / 'sweep'}"
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("Error: This experiment is a study") and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "package"),
    [("processes", "hydra"), pytest.param("joblib", "joblib", marks=pytest.mark.long)],
)
def test_launchers_keep_the_same_folders_and_repeat_nothing(tmp_path, launcher, package):
    pytest.importorskip(package)
    rates = "algorithm.learning_rate=1e-3,-1.0"
    arguments = (*SWEEP, f"hydra/launcher={launcher}", f"hydra.sweep.dir={tmp_path}", rates)
    first = command(*arguments, timeout=600)
    assert first.returncode == 0, first.stderr
    folders = [path for path in tmp_path.iterdir() if path.is_dir() and path.name != ".jobs"]
    done = [path for path in folders if (path / "DONE").exists()]
    failed = [path for path in folders if (path / "FAILED.json").exists()]
    assert (len(done), len(failed)) == (1, 1) and not set(done) & set(failed)
    assert json.loads((failed[0] / "FAILED.json").read_text())["kind"] == "ConfigError"
    for path in done:
        hydra = OmegaConf.load(path / ".hydra" / "hydra.yaml").hydra
        assert path.name == override_hash(hydra.overrides.task)
        assert json.loads((path / "run.json").read_text())["command"].startswith("python -m rl_rewards.run debug=smoke")
    written = [(path / "metrics.jsonl").stat().st_mtime_ns for path in done]
    second = command(*arguments, timeout=600)
    assert second.returncode == 0, second.stderr
    assert [(path / "metrics.jsonl").stat().st_mtime_ns for path in done] == written


@pytest.mark.parametrize(
    ("launcher", "package", "extra"),
    [
        ("joblib", "hydra-joblib-launcher", "joblib"),
        ("slurm", "submitit", "submitit"),
        ("ray", "ray", "ray"),
    ],
)
def test_a_missing_launcher_names_its_extra(monkeypatch, launcher, package, extra):
    monkeypatch.setattr(sweep, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"^hydra/launcher={launcher} needs .* {package}, .*'rl_rewards\[{extra}\]'"):
        check_launcher(["--multirun", f"hydra/launcher={launcher}", "seed=0,1"])
    check_launcher(["--multirun", "hydra/launcher=basic", "seed=0,1"])


def test_installed_launchers_pass():
    for launcher, (module, _) in sweep.LAUNCHERS.items():
        if find_spec(module) is not None:
            check_launcher([f"hydra/launcher={launcher}"])

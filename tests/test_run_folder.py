"""A run folder is used by one process at a time, and has complete files, a row per round, and no untrusted code."""

import json
import os
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import rl_rewards
from rl_rewards.command_line import sweep
from rl_rewards.core.errors import ConfigError, FolderInUse
from rl_rewards.loop import experiment
from rl_rewards.loop.build import build
from rl_rewards.loop.checkpoint import one_item
from rl_rewards.loop.log import MetricsFile, stored_rows
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.pretrain import load_pretrained
from rl_rewards.loop.run_folder import only_process, own_config, plain_values, save_config
from rl_rewards.run import resume_run, start_run, start_study, sweep_job
from tests.finished import SMALL, finished_run
from tests.processes import Command
from tests.runs import command, composed, digest_of, rows

RUN = ("env=point", "checkpoint.every=2")
REWARD = "rl_rewards.rewards.classifier.adversarial.AdversarialClassifier"
CHOICES = {"env": "point", "reward": "adversarial_classifier", "algorithm": "ppo"}


@pytest.fixture
def copy(kept_run, tmp_path) -> Path:
    """Return a copy of the finished run of five rounds, which a test may change."""
    return Path(shutil.copytree(kept_run, tmp_path / "run"))


def start_again(folder: Path) -> float:
    return start_run(composed(*SMALL, *RUN), folder, CHOICES)


# One process at a time


def listing(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "run.lock"}


def test_a_second_process_is_refused_and_changes_nothing(copy):
    before = listing(copy)
    told = f"{copy} is in use: process {os.getpid()} on {socket.gethostname()} runs there"
    with only_process(copy):
        for start in (lambda: start_again(copy), lambda: resume_run(copy, ["total_env_steps=6400"])):
            with pytest.raises(FolderInUse) as error:
                start()
            assert str(error.value).startswith(told)
    assert listing(copy) == before
    start_again(copy)


def test_a_job_of_a_sweep_that_runs_elsewhere_is_no_failed_job(copy, capsys):
    (copy / "DONE").unlink()
    with only_process(copy), pytest.raises(SystemExit) as end:
        sweep_job(composed(*SMALL, *RUN), copy, CHOICES, [])
    assert end.value.code == 2 and "is in use: process" in capsys.readouterr().err
    assert not (copy / "FAILED.json").exists()


def test_a_study_is_run_by_one_process(tmp_path):
    cfg = OmegaConf.create({"study": {}, "report": False})
    with only_process(tmp_path), pytest.raises(FolderInUse):
        start_study(cfg, tmp_path, [])


@pytest.mark.long
@pytest.mark.slow
def test_the_same_command_twice_loses_no_row_and_no_alarm(tmp_path):
    """This once failed: the second process was killed after two rounds and left two rows, so that the first lost its
    alarm."""
    arguments = (*SMALL, "env=point", "reward=environment", "total_env_steps=9600", f"hydra.run.dir={tmp_path}")
    first = Command(*arguments, evaluated=False)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run.lock").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    second = command(*arguments, evaluated=False)
    assert second.returncode == 2
    assert second.stderr.startswith(f"Error: {tmp_path} is in use: process {first.pid} on ")
    assert first.wait() == 0
    assert [row["round"] for row in rows(tmp_path)] == list(range(30))


# Rows of all rounds


def cut_rows(folder: Path, count: int) -> None:
    path = folder / "metrics.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:count]))


def test_rows_that_are_lost_are_made_again_from_an_earlier_checkpoint(copy, kept_run, capsys):
    cut_rows(copy, 3)
    start_again(copy)
    assert (
        "is ahead of metrics.jsonl, which has the rows of 3 rounds; it was moved to damaged_5"
        in capsys.readouterr().out
    )
    assert rows(copy) == rows(kept_run) and digest_of(copy) == digest_of(kept_run)


def test_a_checkpoint_whose_bits_have_changed_is_moved_away(copy, kept_run, capsys):
    """Its policy is that of another checkpoint: readable, and of the right shapes."""
    newest = copy / "checkpoints" / "5"
    shutil.rmtree(newest / "agent")
    shutil.copytree(copy / "checkpoints" / "4" / "agent", newest / "agent")
    start_again(copy)
    said = capsys.readouterr().out
    assert (
        "The checkpoint after round 5 is damaged (its digest is not the saved one); it was moved to damaged_5" in said
    )
    assert rows(copy) == rows(kept_run) and digest_of(copy) == digest_of(kept_run)


@pytest.mark.parametrize("count", [0, 1])
def test_rows_that_no_checkpoint_comes_before_are_refused(copy, count):
    cut_rows(copy, count)
    for start in (lambda: start_again(copy), lambda: resume_run(copy, [])):
        with pytest.raises(ConfigError, match=rf"has the rows of {count} rounds, but the checkpoints are of 5, 4, 2 "):
            start()
    assert (copy / "DONE").exists() and (copy / "checkpoints" / "5").is_dir()


def test_rows_count_up_to_the_first_gap(tmp_path, capsys):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"round": number, "env_steps": 10, "loss": 0.5}) for number in (0, 1, 1, 2, 4)]
    lines[1] = lines[1].replace("0.5", "null")
    broken = ['{"round": 3, "env_st', "3", "{}", '{"round": 3, "env_steps": 1, "loss": [1, 2]}']
    path.write_text("\n".join([*lines, *broken]))
    assert [(row["round"], row["loss"]) for row in stored_rows(path, 1)] == [(0, 0.5), (1, None), (2, 0.5)]
    assert capsys.readouterr().err.count("which is not a valid row") == len(broken)


def test_a_metrics_file_that_was_replaced_meanwhile_is_written_anew(tmp_path, capsys):
    path = tmp_path / "metrics.jsonl"
    file = MetricsFile(path, [], 0)
    for number in range(3):
        file.append({"round": number, "env_steps": number})
        if number == 1:
            path.unlink()
    file.sync()
    assert "was removed or replaced" in capsys.readouterr().out
    file.append({"round": 3, "env_steps": 3})
    file.close()
    assert [row["round"] for row in stored_rows(path, 1)] == [0, 1, 2, 3]


# Whole files


def test_an_equal_configuration_is_not_rewritten_and_is_the_owners_alone(copy):
    path = copy / "config.yaml"
    before = path.stat()
    assert before.st_mode & 0o777 == 0o600
    start_again(copy)
    assert path.stat().st_ino == before.st_ino and path.stat().st_mtime_ns == before.st_mtime_ns
    for file in (copy / "checkpoints" / "5" / "meta").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, "a copy exists"


@pytest.mark.parametrize("content", [b"", b"\x80", b"env:\n  _target_: rl_rewards.envs.point.Point\n", None])
def test_a_broken_configuration_is_mended_from_the_checkpoint(copy, content, capsys):
    path = copy / "config.yaml"
    text = path.read_text()
    for start in (lambda: resume_run(copy, []), lambda: start_again(copy)):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        start()
        told = capsys.readouterr().out
        assert f"Warning: {path}" in told and "It is restored from the newest checkpoint." in told
        assert path.read_text() == text
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="holds a run with another configuration"):
        start_run(composed(*SMALL, *RUN, "seed=7"), copy, CHOICES)


def test_an_arm_goes_on_however_its_study_writes_its_arms(copy):
    """Each arm stores the study's configuration, but other arms' settings do not affect its run, nor what is shared."""
    start_run(composed(*SMALL, *RUN, "size=small", "arms={a: [{extends: _b}], _b: []}", "shared=[a]"), copy, CHOICES)


def test_without_a_copy_only_the_first_command_goes_on(copy, outer_patch, capsys):
    """This is a folder of an earlier version, whose checkpoints store no configuration."""
    outer_patch.setattr(one_item, "stored_config", lambda folder: None)
    (copy / "config.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"config\.yaml is empty\. No checkpoint has a copy; restore"):
        resume_run(copy, [])
    with pytest.raises(ConfigError, match=r"repeat the command that started the run: python -m "):
        own_config(copy, "python -m rl_rewards.run seed=7")
    assert own_config(copy, json.loads((copy / "run.json").read_text())["command"]) is None
    assert "It is written again from the command line." in capsys.readouterr().out


def test_a_resumed_folder_sends_no_key_to_a_stranger(tmp_path):
    judge = ("labeler.base_url=https://evil.example.org/v1", "labeler.key_variable=AWS_SECRET_ACCESS_KEY")
    save_config(plain_values(composed("reward=ai_feedback", "env=point", *judge)), tmp_path)
    for changes in ([], ["trust=rl_rewards"]):
        with pytest.raises(ConfigError) as error:
            resume_run(tmp_path, changes)
        assert str(error.value) == (
            f"{tmp_path / 'config.yaml'}: labeler would send the environment variable AWS_SECRET_ACCESS_KEY to "
            "https://evil.example.org/v1; if you trust that, name its host: trust=evil.example.org."
        )


def test_a_broken_run_json_is_written_anew(copy, capsys):
    (copy / "run.json").write_text("")
    resume_run(copy, [])
    assert "run.json is empty" in capsys.readouterr().out
    assert json.loads((copy / "run.json").read_text())["reward_choice"] == "AdversarialClassifier"


def test_a_broken_done_or_failed_file_starts_a_job_again(tmp_path, capsys):
    (tmp_path / "DONE").write_text("")
    assert sweep.finished_score(tmp_path) is None
    (tmp_path / "FAILED.json").write_text("")
    assert sweep.record_failure(tmp_path, ConfigError("It is wrong.")) == -1e9
    assert json.loads((tmp_path / "FAILED.json").read_text())["error"] == "It is wrong."


# The bits that were saved


def test_load_reward_refuses_other_bits_than_were_saved(copy):
    (best,) = [path for path in (copy / "checkpoints" / "best").iterdir() if path.name.isdigit()]
    for run, folder in ((copy, copy / "checkpoints" / "5"), (f"{copy}@best", best)):
        rl_rewards.load_reward(run)
        shutil.rmtree(folder / "reward")
        shutil.copytree(copy / "checkpoints" / "2" / "reward", folder / "reward")  # complete, but of another checkpoint
        with pytest.raises(ConfigError, match=r"The reward in .* is damaged: its digest is not the saved one"):
            rl_rewards.load_reward(run)


def test_a_checkpoint_of_an_earlier_version_has_no_digest_to_check(copy):
    file = copy / "checkpoints" / "5" / "meta" / "metadata"
    meta = json.loads(file.read_text())
    del meta["item_digests"], meta["config"]
    file.write_text(json.dumps(meta))
    rl_rewards.load_reward(copy)
    resume_run(copy, [])


# Someone else's folder


@pytest.fixture
def package(tmp_path, outer_patch) -> str:
    """Create a user's package with its own reward and algorithm."""
    code = (
        "from rl_rewards.algorithms import ppo\nfrom rl_rewards.rewards.classifier import adversarial\n"
        "class Mine(adversarial.AdversarialClassifier):\n    pass\nclass Learner(ppo.PPO):\n    pass\n"
    )
    (tmp_path / "package_of_mine.py").write_text(code)
    outer_patch.syspath_prepend(tmp_path)
    yield "package_of_mine"
    sys.modules.pop("package_of_mine", None)


def test_whoever_reads_a_folder_builds_only_what_is_trusted(copy, package):
    path = copy / "config.yaml"
    text = path.read_text().replace(REWARD, f"{package}.Mine")
    path.write_text(text.replace("rl_rewards.algorithms.ppo.PPO", f"{package}.Learner"))
    frozen = ("debug=smoke", "env=point", "reward=frozen", f"reward.run={copy}")
    pretrain = ("debug=smoke", *RUN, f"pretrain.run={copy}")
    trust = f"trust={package}"
    readers = [
        (lambda: rl_rewards.load_reward(copy), lambda: rl_rewards.load_reward(copy, trust=package)),
        (lambda: resume_run(copy, []), lambda: resume_run(copy, [trust])),
        (lambda: build(composed(*frozen)), lambda: build(composed(*frozen, trust))),
        (lambda: restore_policy(copy), lambda: restore_policy(copy, trust=[package])),
        (lambda: pretrained(*pretrain), lambda: pretrained(*pretrain, trust)),
    ]
    for refused, _ in readers:
        with pytest.raises(ConfigError, match=rf"_target_={package}\.\w+ is not a class of rl_rewards, .*: {trust}\.$"):
            refused()
    assert package not in sys.modules, "its code did not run"
    for _, made in readers[:-1]:
        made()
    with pytest.raises(ConfigError, match="this run uses PPO"):
        readers[-1][1]()


def pretrained(*overrides: str) -> None:
    cfg = composed(*overrides)
    parts, settings = build(cfg)
    load_pretrained(settings, parts)


def test_the_folders_own_trust_counts_for_nothing(copy):
    text = (copy / "config.yaml").read_text().replace(REWARD, "os.system")
    (copy / "config.yaml").write_text(text + "trust: [os]\n")
    with pytest.raises(ConfigError, match=r"reward\._target_=os\.system is not a class of rl_rewards"):
        resume_run(copy, [])


def test_a_run_that_is_composed_needs_no_trust(tmp_path, package, outer_patch):
    """Users may use their own classes, and start their own run again by the same command."""

    class WouldTrain(Exception):
        pass

    def would_train(*_):
        raise WouldTrain

    outer_patch.setattr(experiment, "Rounds", would_train)
    for _ in range(2):
        with pytest.raises(WouldTrain):
            finished_run(tmp_path / "own", *RUN, f"reward._target_={package}.Mine")

"""The command line answers fast, has a one-sentence message for every mistake, and leaves a complete run folder."""

import json
import shutil
import subprocess
from importlib.metadata import version
from textwrap import dedent

import pytest

from tests.runs import command, start_command


def test_a_whole_run(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    tmp_path = tmp_path / "a folder, (1)=ö"
    arguments = start_command(
        "debug=smoke", "env=point", "reward=environment", "total_env_steps=640", f"hydra.run.dir={tmp_path}"
    )
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "true success" in done.stdout
    for name in ("config.yaml", "run.json", "spec.json", "metrics.jsonl", "checkpoints", "report.html", "DONE"):
        assert (tmp_path / name).exists(), name
    assert (tmp_path / "videos" / "final.mp4").stat().st_size > 1000
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert record["command"].startswith("python -m rl_rewards.run debug=smoke env=point")
    assert record["reward_choice"] == "environment"
    assert record["data_sha256"] == {}, "the run reads neither demonstrations nor examples"


ANSWERED = ["--help", "--version"]
NO_NAME = ["reward=nonsense", "algorithm.nonsense=1", "hydra/launcher=nonsense", "env=2"]
NO_NUMBER = ["total_env_steps=1e30", "seed=1.5", "seed=-1", "algorithm.clip=nan", "num_seeds=true", "~seed"]
HEAVY = ("jax", "flax", "gymnax", "gymnasium", "mujoco", "wandb", "matplotlib")


@pytest.mark.parametrize("arguments", [ANSWERED, NO_NAME, NO_NUMBER], ids=["answered", "no name", "no number"])
def test_help_and_mistyped_options_import_no_heavy_library(arguments, tmp_path):
    """This keeps answers within a second; measuring the time itself would depend on the machine's other work."""
    code = f"""
        import runpy, sys
        from hydra.core.global_hydra import GlobalHydra
        for argument in {arguments}:
            sys.argv = ["run", argument, "hydra.run.dir={tmp_path}/run"]
            GlobalHydra.instance().clear()
            try:
                runpy.run_module("rl_rewards.run", run_name="__main__")
                ended = 0
            except SystemExit as end:
                ended = end.code
            print(argument, ended, *(name for name in {HEAVY} if name in sys.modules), sep=" | ", file=sys.stderr)
    """
    done = subprocess.run([start_command()[0], "-c", dedent(code)], capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()
    if arguments is not ANSWERED:
        assert all(line.startswith("Error: ") for line in said[::2]), done.stderr
        said = said[1::2]
    assert said == [f"{argument} | {0 if arguments is ANSWERED else 2}" for argument in arguments], done.stderr
    assert not (tmp_path / "run").exists()


def test_nothing_is_said_of_a_reader_who_leaves():
    help_text = subprocess.Popen(start_command("--help"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    help_text.stdout.close()
    assert help_text.stderr.read() == ""
    help_text.wait()


def test_version_is_this_programs():
    assert command("--version").stdout == f"rl_rewards {version('rl_rewards')}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["algorithm.minibatches=7"], "algorithm.minibatches=7 must divide"),
        (["algorithm.learning_rate=fast"], "algorithm.learning_rate=fast is not valid; it must be a number"),
        (["reward.judges=pixels"], "reward.judges=pixels is not valid"),
        (["reward.visited=1.5"], "must be a number above 0 and of at most 1 or all or final"),
        (
            ["reward.classifier.goal_prior=0.3", "reward.classifier.negative_weighting=focal"],
            "negative_weighting=focal weights negatives",
        ),
        (["env.terminate_on_success=true"], "can end early"),
        (["total_env_steps=10"], "less than one round"),
        (["examples.path=/none.npz"], "/none.npz does not exist"),
        (["evaluation.every=0"], "evaluation.every=0"),
        (["checkpoint.keep=0"], "checkpoint.keep=0"),
        (["num_seeds=0"], "num_seeds=0 is not valid; it must be a whole number"),
    ],
)
def test_mistakes_end_in_one_sentence(tmp_path, arguments, sentence):
    done = command("debug=smoke", "env=point", f"hydra.run.dir={tmp_path / 'new' / 'run'}", *arguments)
    assert done.returncode == 2
    assert not (tmp_path / "new").exists(), "a refused run leaves nothing behind"
    lines = done.stderr.strip().splitlines()
    assert sentence in lines[-1]
    assert len(lines) == 1 and lines[0].startswith("Error: "), done.stderr


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("algorithm.speed=3", "Could not override 'algorithm.speed': there is no such option"),
        ("env=Hopper-v5", "env=gymnasium env.id=Hopper-v5 takes the environment"),
        ("labeler.ask=a=b", """text with such characters in its own quotes: 'labeler.ask="a=b"'."""),
        ("labeler.ask=a,b", """text with such characters in its own quotes: 'labeler.ask="a,b"'."""),
        (
            "reward=magic",
            "Could not find 'reward/magic'. Available options in 'reward': adversarial_classifier, ai_feedback",
        ),
        ("seed=[1", "seed=[1 cannot be read as KEY=VALUE"),
        ("+seed=2", "An item is already at 'seed'"),
    ],
)
def test_a_command_line_that_does_not_compose(argument, sentence):
    done = command(argument)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: ") and sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_resume_refuses_what_would_change_the_run(tmp_path):
    assert "is not a run's folder" in command(f"resume={tmp_path}").stderr
    (tmp_path / "study" / "arms").mkdir(parents=True)
    assert "is a study's folder; the command that" in command(f"resume={tmp_path / 'study'}").stderr
    (tmp_path / "config.yaml").write_text("seed: 0\n", encoding="utf-8")
    assert "seed=1 cannot be changed" in command(f"resume={tmp_path}", "seed=1").stderr


def test_a_folder_of_another_run_is_refused(tmp_path, kept_run):
    shutil.copytree(kept_run, tmp_path / "run")
    same = ("debug=smoke", "env=point", "video=false", "report=false", "checkpoint.every=2")
    done = command(*same, "seed=5", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert "another configuration" in done.stderr

"""The command line: quick answers, one clear sentence for a mistake, a whole run folder at the end."""

import json
import subprocess

import pytest

from tests.runs import command, start_command


def test_a_whole_run(tmp_path):
    done = command("debug=smoke", "env=point", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "true success" in done.stdout
    for name in ("config.yaml", "run.json", "spec.json", "metrics.jsonl", "checkpoints", "report.html", "DONE"):
        assert (tmp_path / name).exists(), name
    assert (tmp_path / "videos" / "final.mp4").stat().st_size > 1000
    record = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert record["command"].startswith("python -m rl_rewards.run debug=smoke env=point")
    assert record["reward_choice"] == "adversarial_classifier"
    assert record["data_sha256"] == {}, "it was given neither demonstrations nor examples"


def test_help_lists_every_choice():
    done = command("--help")
    for choice in ("adversarial_classifier", "goal_classifier", "environment", "pencil_case", "point", "ppo"):
        assert choice in done.stdout


@pytest.mark.parametrize("argument", ["--help", "reward=nonsense", "algorithm.nonsense=1", "hydra/launcher=nonsense"])
def test_help_and_a_mistyped_option_import_no_heavy_library(argument):
    """What keeps their answers within two seconds; a clock would measure the machine's other work."""
    heavy = ("jax", "flax", "gymnax", "gymnasium", "mujoco", "wandb", "matplotlib")
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['run', {argument!r}]\n"
        "try:\n    runpy.run_module('rl_rewards.run', run_name='__main__')\n"
        "except SystemExit as end:\n    ended = end.code\nelse:\n    ended = 0\n"
        f"sys.exit(f'{{ended}} ' + ' '.join(name for name in {heavy} if name in sys.modules))"
    )
    done = subprocess.run([start_command()[0], "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].strip() == ("0" if argument == "--help" else "2"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["algorithm.minibatches=7"], "algorithm.minibatches=7 must divide"),
        (["algorithm.learning_rate=fast"], "algorithm.learning_rate=fast is not valid; it must be a number"),
        (["reward.judges=pixels"], "reward.judges=pixels is not valid"),
        (["reward.visited=1.5"], "reward.visited=1.5 must be all, final or a share"),
        (
            ["reward.classifier.goal_prior=0.3", "reward.classifier.negative_weighting=focal"],
            "negative_weighting=focal weights negatives",
        ),
        (["env.terminate_on_success=true"], "can end early"),
        (["total_env_steps=10"], "less than one round"),
        (["examples.path=/none.npz"], "/none.npz does not exist"),
        (["evaluation.every=0"], "evaluation.every=0"),
        (["checkpoint.keep=0"], "checkpoint.keep=0"),
        (["num_seeds=0"], "num_seeds=0 must be a whole number"),
    ],
)
def test_mistakes_end_in_one_sentence(tmp_path, arguments, sentence):
    done = command("debug=smoke", "env=point", f"hydra.run.dir={tmp_path}", *arguments)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert sentence in lines[-1]
    assert len(lines) == 1 and lines[0].startswith("Error: "), done.stderr


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("algorithm.speed=3", "Could not override 'algorithm.speed': there is no such option"),
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
    (tmp_path / "config.yaml").write_text("seed: 0\n", encoding="utf-8")
    assert "seed=1 cannot be changed" in command(f"resume={tmp_path}", "seed=1").stderr


def test_a_folder_of_another_run_is_refused(tmp_path):
    run = ("debug=smoke", "env=point", "video=false", "report=false", f"hydra.run.dir={tmp_path}")
    assert command(*run).returncode == 0
    done = command(*run, "seed=5")
    assert done.returncode == 2
    assert "another configuration" in done.stderr

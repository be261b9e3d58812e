"""Runs from Python: the same words, checks, folders and sentences as on the command line, and what comes back."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import hydra
import jax
import numpy as np
import pandas
import pytest
from hydra.core.global_hydra import GlobalHydra

import rl_rewards
from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.command_line.spelled import spelled
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.seed_rows import tidy
from rl_rewards.loop.run_folder import only_process
from rl_rewards.loop.trust import named_packages
from tests.runs import raw_rows
from tests.unevaluated import evaluations

SMALL = ["debug=smoke", "env=point", "reward=environment", "checkpoint.every=1000", "video=false", "report=false"]


def test_every_public_name_is_listed_and_found():
    assert dir(rl_rewards) == sorted([*rl_rewards.__all__, "__version__"])
    assert all(callable(getattr(rl_rewards, name)) for name in rl_rewards.__all__)


def test_run_is_the_function_after_the_module_of_that_name_was_imported():
    """``rl_rewards.run`` is also what ``python -m`` starts; here it is imported before the function is first used."""
    code = """
        import sys
        import rl_rewards.run
        assert rl_rewards.run.__module__ == "rl_rewards.from_python", rl_rewards.run
        from rl_rewards.run import main
        assert main.__module__ == "rl_rewards.run" and rl_rewards.run is not main
        try:
            rl_rewards.run(env="pont")
        except rl_rewards.ConfigError as error:
            print(error)
        assert "jax" not in sys.modules, "a mistake is answered before JAX is imported"
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("Could not find 'env/pont'; did you mean env=point"), done.stderr
    assert import_module("rl_rewards.run").main is not rl_rewards.run  # the other order, in this process
    assert rl_rewards.run.__module__ == "rl_rewards.from_python"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"env": "point", "video": False, "demos": None}, ["env=point", "video=false", "demos=null"]),
        ({"algorithm.learning_rate": 1e-5, "seed": np.int64(4)}, ["algorithm.learning_rate=1e-05", "seed=4"]),
        ({"algorithm": {"clip": np.float32(0.5), "model": {"hidden": (8, 8)}}},
         ["algorithm.clip=0.5", "algorithm.model={hidden:[8,8]}"]),
        ({"logger": ["csv", "tensorboard"]}, ["logger=[csv,tensorboard]"]),
        ({"labeler.ask": "Which, a=b?", "demos": "1"}, ['labeler.ask="Which, a=b?"', 'demos="1"']),
        ({"folder": Path("a b")}, ["hydra.run.dir=a b"]),
    ],
)  # fmt: skip
def test_values_of_python_become_words_of_the_command_line(settings, words):
    assert spelled(settings, {}) == spelled([], settings) == words


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("env=point", "The overrides must be a list of texts"),
        (["--multirun", "seed=0"], "--multirun is an option of the command line; in Python"),
        ([3], "The override 3 must be a text"),
        ({"seed": object()}, "seed=<object"),
        (["seed=0,1"], "it has several values"),
        (["algorithm.clip=-1"], "algorithm.clip=-1 is not valid; it must be a number above 0"),
        (["algorithm.speed=3"], "there is no such option"),
        ({"trust": "a b"}, "trust=a b is not valid"),
        (["experiment=lecture/classifiers/adversarial_classifier"], "This experiment is a study"),
        (["resume=nowhere"], "resume=nowhere is not a run's folder"),
        (["env=point", "algorithm.minibatches=7"], "algorithm.minibatches=7 must divide"),  # found after the folder is
    ],
)
def test_a_mistake_raises_the_sentence_of_the_command_line(tmp_path, overrides, sentence):
    folder = {} if "resume=nowhere" in overrides else {"folder": tmp_path / "new" / "run"}
    with pytest.raises(ConfigError, match=r"^[^\n]+$") as error, jax.debug_key_reuse(False):
        rl_rewards.run(overrides, **folder)
    assert sentence in str(error.value)
    assert not (tmp_path / "new").exists(), "a refused run leaves nothing behind"


def test_runs_of_one_process_leave_the_folders_of_the_command_line(tmp_path, outer_patch, capsys):
    """Two runs while another program in this process uses Hydra; then the first goes on."""
    outer_patch.chdir(tmp_path)
    with hydra.initialize_config_dir(str(CONFIGS / "env"), version_base="1.3"), jax.debug_key_reuse(False):
        theirs = GlobalHydra.instance().hydra
        with evaluations(False):
            first = rl_rewards.run([*SMALL, "hydra.run.dir=first"])
            second = rl_rewards.run(SMALL, seed=3)
            again = rl_rewards.run(resume=first.folder, total_env_steps=1920)
        assert GlobalHydra.instance().hydra is theirs
    assert second.folder.parts[0] == "outputs" and (second.folder / "DONE").is_file()
    assert first.report is None and again.outcome == "Nothing was evaluated."
    (first.folder / "report.html").touch()
    assert first.report == first.folder / "report.html"
    assert '<a href="first/report.html"' in first._repr_html_()
    command = json.loads((first.folder / "run.json").read_text(encoding="utf-8"))["command"]
    assert command == f"python -m rl_rewards.run {' '.join(SMALL)} hydra.run.dir=first"
    assert list(second.metrics["seed"]) == [3] * 5
    assert len(again.metrics) == 6 and len(first.metrics) == 5, "a Run has what its folder had when it was opened"
    assert "environment on point with ppo, seed 0" in capsys.readouterr().out


def test_a_run_trusts_the_packages_of_its_own_parts():
    parts = {"a": {"_target_": "mine.rewards.A"}, "b": {"_target_": "rl_rewards.rewards.null.Zero"}}
    config = {"env": {"_target_": "own_env.Cart"}, "reward": {"_target_": "rl_rewards.x.Y", "parts": parts}, "seed": 0}
    assert named_packages(config) == ("own_env", "mine")


def test_metrics_have_one_row_for_each_round_and_seed():
    rows = [{"round": 0, "eval/success": [0.5, None]}, {"round": 1, "reward/loss": [1.0, 2.0]}]
    assert tidy(rows, first_seed=3) == [
        {"round": 0, "seed": 3, "eval/success": 0.5},
        {"round": 0, "seed": 4, "eval/success": None},
        {"round": 1, "seed": 3, "reward/loss": 1.0},
        {"round": 1, "seed": 4, "reward/loss": 2.0},
    ]


def test_an_opened_folder(kept_run, outer_patch):
    run = rl_rewards.Run(kept_run)
    assert (run.folder, run.status, run.config["env"]["speed"]) == (kept_run, "finished", 0.1)
    with only_process(kept_run):
        assert run.status == "running"
    frame = run.metrics
    assert isinstance(frame, pandas.DataFrame)
    logged = [row.get("eval/success", np.nan) for row in raw_rows(kept_run)]
    np.testing.assert_array_equal(frame["eval/success"], logged)
    outer_patch.setitem(sys.modules, "pandas", None)
    assert run.metrics == [{"seed": 0, **row} for row in raw_rows(kept_run)]
    obs = np.zeros((3, 2), np.float32)
    expected = rl_rewards.load_policy(kept_run).predict(obs, deterministic=True)
    np.testing.assert_array_equal(run.policy.predict(obs, deterministic=True), expected)
    assert run.reward(obs, next_obs=obs).shape == (3,)
    assert run.outcome in repr(run) and run.outcome.startswith("Success ")


def test_the_card_of_a_notebook(kept_run, tmp_path):
    page = rl_rewards.Run(kept_run)._repr_html_()
    assert "adversarial_classifier on point with ppo, seed 0" in page and str(kept_run) in page
    assert page.count("<svg") == 2 and page.count("true success") == 2 and "<a " not in page, "it has no report"
    assert "script" not in page and "http" not in page, "a card needs no network"
    with pytest.raises(ConfigError, match="is not a run folder"):
        rl_rewards.Run(tmp_path)

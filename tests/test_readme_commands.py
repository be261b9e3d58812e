"""The commands of the READMEs, run: few small rounds of every printed run, and the other programs on its files."""

import re
import shlex
import shutil

import numpy as np
import pytest

from rl_rewards import calibrate, label, report
from rl_rewards.data import __main__ as data
from rl_rewards.labelers.store import STORE_NAME
from tests.demonstrations import point_file, recorded
from tests.finished import finished_run
from tests.readmes import ROOT, RUN, all_commands, python_blocks
from tests.runs import run_here
from tests.test_readmes import HERE, RUN_BY

ASKS = (
    "env=point", "reward=preferences", "reward.segment_steps=20", "reward.budget=20", "labeler.store=true",
    "reward.updates_per_round=2", "reward.candidates=2", "reward.reward_model.model.hidden=[8]", "reward.sessions=3",
)  # fmt: skip
SMALL = ("total_env_steps=1600", "checkpoint.every=1000")
FILES = r"\b(FILE|cartpole|goals)\.npz\b"
PROGRAM = r"python -m rl_rewards\.(data (?!make\b|info run:)|report |calibrate |label (?!FOLDER))"
"""The printed commands that this file runs; data sets, recordings and shared label stores have tests of their own."""
RUNS = r"\boutputs/2026-11-21/(12-00-00|\*)"


def _runs():
    """The printed runs that this file runs; the quickstart in ``make test``, the others in the long tier."""
    for command in all_commands():
        by = next((test for start, test in RUN_BY.items() if re.match(start, command)), None)
        match = RUN.fullmatch(command)
        if by == HERE and match and not re.search("--cfg|--config-dir", command):
            yield pytest.param(match[1], marks=[] if "=quickstart" in command else pytest.mark.long, id=match[1])


@pytest.mark.parametrize("line", list(_runs()))
def test_a_printed_run_runs(tmp_path, kept_run, line):
    line = re.sub(r"\bRUN_DIR\b", f"{kept_run}", line)
    words = [re.sub("^pretrain=", "pretrain.run=", word) for word in shlex.split(line)]
    words = [word for word in words if not word.startswith(("hydra.", "total_env_steps="))]
    env = [word for word in words if word.startswith("env")]
    if str(kept_run) in line:
        env = ["env=point"]
        words += env
    if "pretrain=outputs/played" in line:
        game = "reward=self_play env=key_door reward.horizon=80 reward.alice_moves=40 algorithm.rollout_length=128"
        finished_run(tmp_path / "played", *game.split(), *SMALL, evaluated=False)
        words = [word.replace("outputs/played", str(tmp_path / "played")) for word in words]
    if "examples.path=" in line:
        sizes = ["examples.goals=60", "examples.non_goals=60"]
        data.main(["examples", str(tmp_path / "goals.npz"), *env, *sizes])
    elif re.search(FILES, line):
        path = recorded(tmp_path, *env)
        words = [re.sub(FILES, path, word) for word in words]
    words = [re.sub(r"\bgoals\.npz", str(tmp_path / "goals.npz"), word) for word in words]
    if "reward=self_play" in words and not any(word.startswith("algorithm.rollout_length=") for word in words):
        words.append("algorithm.rollout_length=80")  # as without the smoke settings: a rollout holds a whole game
    last = run_here(tmp_path / "run", *words, *SMALL, evaluated=False)
    assert np.isfinite(last["env_steps"]) and (tmp_path / "run" / "DONE").exists()


def test_the_reward_that_a_page_shows_runs(tmp_path, outer_patch):
    code = next(one for one in python_blocks(ROOT / "rl_rewards" / "rewards" / "README.md") if "class Near" in one)
    (tmp_path / "my_rewards.py").write_text(code, encoding="utf-8")
    (tmp_path / "my_configs" / "reward").mkdir(parents=True)
    yaml = "_target_: my_rewards.Near\nweight: 1.0\n"
    (tmp_path / "my_configs" / "reward" / "near.yaml").write_text(yaml, encoding="utf-8")
    outer_patch.syspath_prepend(str(tmp_path))
    words = f"hydra.searchpath=[file://{tmp_path / 'my_configs'}] reward=near env=point".split()
    last = run_here(tmp_path / "run", *words, *SMALL)
    assert last["eval/learned_return"] < 0.0


@pytest.fixture(scope="module")
def labelled_run(tmp_path_factory):
    """A finished run whose teacher's answers are in its label store."""
    return finished_run(tmp_path_factory.mktemp("labelled") / "run", *ASKS, evaluated=False)


@pytest.mark.parametrize("command", [one for one in all_commands() if re.match(PROGRAM, one)])
def test_a_printed_program_runs(tmp_path, outer_patch, request, command, capsys):
    outer_patch.chdir(tmp_path)
    words = shlex.split(command)[2:]
    if "RUN_DIR" in words:
        labelled_run = request.getfixturevalue("labelled_run")
        words = [word.replace("RUN_DIR", str(labelled_run)) for word in words]
    elif "rl_rewards.report" in words:
        kept_run = request.getfixturevalue("kept_run")
        shutil.copytree(kept_run, tmp_path / "other_run")
        words = [re.sub(RUNS, str(kept_run), word).replace("outputs/multirun", "other_run") for word in words]
    program, *rest = [word.replace("labeler=ai_judge", "labeler=oracle") for word in words]  # of no network
    if program == "rl_rewards.report":
        assert report.main([*rest, "--out", "page.html"]) == 0
        assert (tmp_path / "page.html").stat().st_size > 10_000
    elif program == "rl_rewards.calibrate":
        calibrate.main(rest)
        assert "agreement" in capsys.readouterr().out
    elif program == "rl_rewards.label":
        served = []
        outer_patch.setattr(label, "serve", lambda path, *_, **__: served.append(path))  # which ends with the process
        if "texts" in rest:  # this run's labels are about clips; tests/labelers/test_store.py exports texts
            with pytest.raises(SystemExit):
                label.main(rest)
            assert "has no preference between two texts" in capsys.readouterr().err
            return
        label.main(rest)
        assert served == [labelled_run / STORE_NAME] or (tmp_path / "labels.jsonl").stat().st_size > 100
    elif rest[0] == "info":
        file = point_file(tmp_path)
        data.main([file if word == "FILE.npz" else word for word in rest])
        assert "no faults were found" in capsys.readouterr().out
    else:
        data.main([*rest, "examples.goals=20", "examples.non_goals=20"])
        assert (tmp_path / rest[1]).is_file()

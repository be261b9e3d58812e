"""``python -m rl_rewards.runs``: what it says about folders, what it chooses, and what it deletes and keeps."""

import builtins
import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rl_rewards import runs
from rl_rewards.command_line.listing.listed import ListedRun, listed
from rl_rewards.command_line.listing.table import age, bytes_in_words
from rl_rewards.loop.run_folder import only_process
from tests.reporting.fake_run import write_fake_run

SMALL = {"rounds": 12, "video": False}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Return a folder with a run of each status, in folders of different depths; change only copies."""
    folder = tmp_path_factory.mktemp("listed") / "outputs"
    write_fake_run(folder / "day" / "good", **SMALL)
    write_fake_run(folder / "day" / "fooled", exploited=True, seed=3, learning_rate=0.001, **SMALL)
    write_fake_run(folder / "failed", status="FAILED", classifier=False, **SMALL)
    write_fake_run(folder / "study" / "arms" / "stopped", status="unfinished", env="point", **SMALL)
    started(folder / "failed", "2026-11-01T12:00:00+00:00")
    (folder / "day" / "good" / ".hydra").mkdir()
    (folder / "day" / "good" / ".hydra" / "config.yaml").touch()
    return folder


def started(run_dir: Path, time: str) -> None:
    record = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    command = f"{record['command']} hydra.run.dir=x logger=none reward.updates=5"
    (run_dir / "run.json").write_text(json.dumps(record | {"started": time, "command": command}), encoding="utf-8")


def names(capsys, *arguments) -> list[str]:
    """Return the names of the runs that the command lists."""
    assert runs.main([*map(str, arguments), "--json"]) == 0
    return [Path(one["path"]).name for one in json.loads(capsys.readouterr().out)]


def test_a_table_with_every_run_at_any_depth(outputs, capsys, outer_patch):
    outer_patch.chdir(outputs.parent)
    with only_process(outputs / "day" / "fooled"):
        assert runs.main([]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: line.split() for line in said.splitlines()}
    assert lines["outputs/day/good"][1:5] == ["finished", "pencil_case", "adversarial_classifier", "ppo"]
    assert lines["outputs/day/fooled"][1] == "running"
    assert "seed=3" in lines["outputs/day/fooled"] and "0.00" in lines["outputs/day/fooled"]
    assert lines["outputs/study/arms/stopped"][1:3] == ["interrupted", "point"]
    assert lines["outputs/failed"][1] == "failed" and "reward.updates=5" in lines["outputs/failed"]
    assert "logger" not in said and "hydra" not in said
    assert signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN, "this process still sees errors of its own pipes"
    assert "4 runs (1 finished, 1 running, 1 interrupted, 1 failed), " in said


def test_what_is_known_about_a_run(outputs):
    good = listed(outputs / "day" / "good")
    assert (good.measure, good.steps, good.seeds) == ("success", 12 * 8192, (7,))
    assert good.last is not None and good.best is not None and good.best >= good.last > 0.5
    assert good.size > 10_000 and good.problem is None
    assert good.overrides == ("seed=7",)


def test_a_damaged_folder_is_listed_with_its_problem(tmp_path, capsys):
    write_fake_run(tmp_path / "run", **SMALL)
    (tmp_path / "run" / "config.yaml").write_text("[", encoding="utf-8")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "config.yaml").touch()
    assert runs.main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "2 runs (1 finished, 1 interrupted)" in said and "config.yaml is not valid YAML" in said


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--status", "failed,interrupted", "--sort", "name"], ["failed", "stopped"]),
        (["--where", "reward=*classifier", "--where", "env=pencil_case", "--sort", "success"], ["good", "fooled"]),
        (["--where", "algorithm.learning_rate=1e-3"], ["fooled"]),
        (["--where", "seed=7", "--where", "total_env_steps=491_520", "--status", "finished"], ["good"]),
        (["--since", "2026-10-31"], ["failed"]),
        (["--before", "2026-10-31", "--sort", "name", "--reverse"], ["stopped", "good", "fooled"]),
        (["--since", "1m"], []),
    ],
)
def test_filters_and_orders(outputs, capsys, arguments, found):
    assert names(capsys, outputs, *arguments) == found


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--status", "done"], "--status done is not valid; choose from finished, running, interrupted, failed."),
        (["--where", "gail"], "--where gail must be KEY=VALUE"),
        (["--where", "algorithm.speed=1"], "no run has the key algorithm.speed"),
        (["--since", "yesterday"], "--since yesterday is not a time; write 30m, 12h"),
        (["--yes"], "--yes answers the question of --delete"),
    ],
)
def test_a_mistake_is_one_sentence(outputs, capsys, arguments, sentence):
    with pytest.raises(SystemExit, match="2"):
        runs.main([str(outputs), *arguments])
    said = capsys.readouterr()
    assert said.err.startswith("Error: ") and sentence in said.err and said.err.count("\n") == 1


def answering(outer_patch, answer: str) -> list[str]:
    asked: list[str] = []
    outer_patch.setattr(builtins, "input", lambda question: (asked.append(question), answer)[1])
    return asked


def test_it_deletes_only_after_a_yes_and_never_what_is_running(tmp_path, capsys, outer_patch):
    for name in ("a", "b"):
        write_fake_run(tmp_path / "day" / name, **SMALL)
    real_input, asked = builtins.input, answering(outer_patch, "y")
    assert runs.main([str(tmp_path), "--delete"]) == 0
    assert (
        len(asked) == 1 and asked[0].startswith("Delete 2 runs, ") and "Nothing was deleted." in capsys.readouterr().out
    )
    outer_patch.setattr("sys.stdin", io.StringIO())
    outer_patch.setattr(builtins, "input", real_input)
    assert runs.main([str(tmp_path), "--delete"]) == 0
    assert "Nothing was deleted." in capsys.readouterr().out, "nobody is at the terminal"
    with only_process(tmp_path / "day" / "a"):
        assert runs.main([str(tmp_path), "--delete", "--yes"]) == 0
    said = capsys.readouterr().out
    assert f"Kept: {tmp_path / 'day' / 'a'} is running." in said and "Deleted 1 run, " in said
    assert [path.name for path in (tmp_path / "day").iterdir()] == ["a"]
    answering(outer_patch, "yes")
    assert runs.main([str(tmp_path), "--delete"]) == 0
    assert tmp_path.is_dir() and not (tmp_path / "day").exists(), "the folder that is empty now goes, too"


def test_everything_is_not_deleted_without_a_question(tmp_path, capsys, outer_patch):
    outer_patch.chdir(tmp_path)
    write_fake_run(tmp_path / "outputs" / "a", **SMALL)
    with pytest.raises(SystemExit, match="2"):
        runs.main(["--delete", "--yes"])
    assert "name a folder or a filter" in capsys.readouterr().err and (tmp_path / "outputs" / "a").is_dir()


def test_what_others_need_is_kept_unless_it_is_asked_for(tmp_path, capsys):
    """A stage that studies share, and the run whose reward another has; but not if the other goes, too."""
    stage = write_fake_run(tmp_path / "lecture" / "shared" / "sft-0123456789", **SMALL)
    judged = write_fake_run(tmp_path / "lecture" / "shared" / "judge-0123456789", **SMALL)
    arm = write_fake_run(tmp_path / "lecture" / "rlhf" / "arms" / "rl", **SMALL)
    with (arm / "config.yaml").open("a", encoding="utf-8") as file:
        file.write(f"pretrain: {{run: {stage}@best}}\n")
    (tmp_path / "lecture" / "rlhf" / "verdict.json").write_text('{"arms": {"judge": {}}}', encoding="utf-8")
    shared = str(stage.parent)
    assert runs.main([shared, "--delete", "--yes"]) == 0
    said = capsys.readouterr().out
    assert f"Kept: {stage} is needed by {arm}; --needed deletes it, too." in said
    assert f"Kept: {judged} is needed by the study rlhf" in said and "Nothing is left to delete." in said
    assert runs.main([shared, str(arm), "--where", "seed=7", "--delete", "--yes"]) == 0
    assert not stage.exists() and not arm.exists() and judged.exists()
    assert runs.main([shared, "--delete", "--yes", "--needed"]) == 0
    assert f"Note: {judged} is needed by the study rlhf." in capsys.readouterr().out and not judged.exists()


def test_words_for_sizes_and_times():
    assert [age(seconds) for seconds in (5, 200, 7_300, 200_000)] == ["5 s", "3 min", "2 h", "2 d"]
    assert [bytes_in_words(size) for size in (10, 1_500, 25_000_000)] == ["10 B", "1.5 kB", "25 MB"]
    assert ListedRun(path=Path("x"), status="failed").record()["path"] == "x"


def test_it_imports_no_heavy_library(outputs):
    code = "import sys; from rl_rewards import runs; runs.main(sys.argv[1:]); print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(outputs)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "False", done.stderr

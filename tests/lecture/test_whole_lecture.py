"""The whole lecture: every study has its place, finished ones are not run again, and one page shows all claims."""

import json
import subprocess
from types import SimpleNamespace

import pytest

from rl_rewards.command_line.choices import list_choices
from rl_rewards.command_line.exits import REQUEUE
from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture import __main__ as door
from rl_rewards.lecture.chapters import CHAPTERS, commands_before
from rl_rewards.lecture.page import of_runs, of_stored, write_lecture


def verdict(outcome="supported", **more):
    one = {"claim": "It is so.", "measured": "5 of 5.", "outcome": outcome, "method": "exact", "interval_of": "share"}
    return {"verdicts": [one], "seeds": [0, 1], "size": "small", "counts": False, "command": "python x", **more}


def test_every_study_has_one_place():
    placed = [one for chapter in CHAPTERS for one in chapter.experiments]
    studies = [one.removeprefix("lecture/") for one in list_choices("experiment") if one.startswith("lecture/")]
    assert sorted(placed) == sorted(studies)


def test_commands_with_words_to_replace_are_not_run():
    assert commands_before("language/pareto")[0] == [
        "python -m rl_rewards.data make assistant/mixed",
        "python -m rl_rewards.data make assistant/mixed env=weighted",
    ]
    commands, others = commands_before("offline/methods/pendulum")
    assert not commands and "QUALITY" in others[0]
    assert commands_before("language/judge_calibration")[0] == ["make judge-local language-data"]
    assert commands_before("curiosity/noisy_tv") == ([], [])


def test_the_page_shows_what_was_run_and_how_to_run_the_rest(tmp_path):
    for name, record in (("noisy_tv", verdict()), ("pareto", verdict("refuted", superseded="the data were wrong"))):
        (tmp_path / f"{name}-small").mkdir()
        (tmp_path / f"{name}-small" / "verdict.json").write_text(json.dumps(record))
    write_lecture(tmp_path / "page.html", of_runs(tmp_path, "small"), "small", ["A note."])
    page = (tmp_path / "page.html").read_text()
    assert "The lecture: 1 of 2 claims supported, 1 refuted" in page and "A note." in page
    assert "SUPPORTED: It is so." in page and "the data were wrong" in page and "indicative only" in page
    assert "python -m rl_rewards.run experiment=lecture/games/curriculum size=small" in page
    assert page.index("self-play") < page.index('id="curiosity-noisy_tv"') < page.index("Offline data</h2>")


def test_the_published_results_are_all_on_the_page(tmp_path):
    write_lecture(tmp_path / "page.html", of_stored(door.STORED), "full")
    page = (tmp_path / "page.html").read_text()
    records = [json.loads(path.read_text()) for path in door.STORED.glob("*.json")]
    claims = sum(len(one["verdicts"]) for one in records if isinstance(one, dict) and "verdicts" in one)
    assert f" of {claims} claims supported" in page, "a stored result without a study would be missing"


def test_damaged_and_missing_results(tmp_path):
    (tmp_path / "noisy_tv-small").mkdir()
    (tmp_path / "noisy_tv-small" / "verdict.json").write_text("{")
    with pytest.raises(ConfigError, match=r"verdict.json is damaged .*; delete it, and start its study again"):
        write_lecture(tmp_path / "page.html", of_runs(tmp_path, "small"), "small")
    with pytest.raises(ConfigError, match="only a checkout of the repository has the published results"):
        of_stored(tmp_path / "nowhere")


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Record the commands instead of running them; a study then has a verdict, unless its name is in ``codes``."""
    monkeypatch.chdir(tmp_path)
    found = SimpleNamespace(commands=[], codes={})

    def run(words, check):
        words = [str(one) for one in words][1:]
        found.commands.append(" ".join(words))
        experiment = next((one for one in words if one.startswith("experiment=")), "")
        code = next((code for name, code in found.codes.items() if experiment.endswith(name)), 0)
        if experiment and not code:
            name = experiment.removeprefix("experiment=lecture/").split("/", 1)[1].replace("/", "_")
            folder = tmp_path / "outputs" / "lecture" / f"{name}-small"
            folder.mkdir(parents=True)
            (folder / "verdict.json").write_text(json.dumps(verdict()))
        return SimpleNamespace(returncode=code)

    monkeypatch.setattr(subprocess, "run", run)
    return found


def test_studies_run_once_and_what_they_need_first(asked, capsys, tmp_path):
    assert door.main(["--only", "language/[bc]*s"]) == 0  # best_of_n is left out, comparisons is not
    assert asked.commands == [
        "-m rl_rewards.data make assistant/mixed",
        "-m rl_rewards.run experiment=lecture/language/comparisons size=small",
    ]
    assert (tmp_path / "outputs" / "lecture" / "lecture.html").is_file()
    assert door.main(["--only", "language/comparisons"]) == 0
    assert len(asked.commands) == 2, "it is finished"
    assert "done already" in capsys.readouterr().out


def test_a_study_that_fails_does_not_stop_the_others_and_a_stopped_one_does(asked, tmp_path):
    asked.codes = {"curriculum": 1}
    assert door.main(["--only", "games/[sc][eu]*[lm]"]) == 1
    runs = [one for one in asked.commands if "experiment" in one]
    assert [one.split()[2] for one in runs] == [
        "experiment=lecture/games/self_play_hall", "experiment=lecture/games/curriculum",
    ]  # fmt: skip
    page = (tmp_path / "outputs" / "lecture" / "lecture.html").read_text()
    assert "The study games/curriculum ended with the exit code 1" in page
    asked.codes = {"noisy_tv": REQUEUE}
    assert door.main(["--only", "curiosity/*"]) == REQUEUE


def test_in_few_hours_the_shortest_studies_run_and_later_the_next_ones(asked, capsys, outer_patch):
    times = {"games/curriculum": "30 min", "games/self_play_hall": "45 s", "games/degenerate_equilibria": "1 h"}
    outer_patch.setattr(door, "time_of", lambda name: times.get(name.removeprefix("lecture/"), ""))
    chosen = ["--only", "games/*", "--hours"]
    assert door.main([*chosen, "1"]) == 0
    games = [name for name in asked.commands if "experiment=lecture/games" in name]
    assert [name.split()[2].rpartition("/")[2] for name in games] == ["self_play_hall", "curriculum"]
    assert door.main([*chosen, "1"]) == 0
    assert "degenerate_equilibria" in asked.commands[-1], "what is finished needs no time"
    assert door.main([*chosen, "1"]) == 2
    assert "--hours 1 is too short for any study that is left" in capsys.readouterr().err
    assert door.main(["--hours", "2", "--size", "full"]) == 2


def test_lists_and_refusals(asked, capsys):
    assert door.main(["--list", "--only", "curiosity/*"]) == 0
    assert "curiosity/noisy_tv" in capsys.readouterr().out
    assert door.main(["--only", "nothing/*"]) == 2
    assert "--only nothing/* matches no study" in capsys.readouterr().err
    assert not asked.commands

"""A search with a tape of replies: all candidates are trained, hacks are flagged, and the good one is chosen."""

import json

import pytest

from rl_rewards import search_reward as door
from rl_rewards.command_line import child_run
from rl_rewards.core.errors import ConfigError
from rl_rewards.loop.build import build_env
from rl_rewards.reward_search import fitness, search
from rl_rewards.reward_search.fitness import Trained
from rl_rewards.reward_search.prompts import first_question, next_question
from tests.finished import finished_run
from tests.labelers.judge_server import JudgeServer
from tests.runs import composed

GOOD, CALM, HASTY = "near = -norm(next_obs)", "calm = -norm(action)", "fast = norm(action)"
TAPE = [f"```\n{CALM}\n```", f"```\n{HASTY}\n```", "```\nlost = log(-1 - norm(obs))\n```", "```\nimport os\n```"]
REACHED = {GOOD: 0.9, CALM: 0.2, HASTY: 0.1, "lost = log(-1 - norm(obs))": 0.0}


def answer(body):
    """The tape: four first replies; once a reward is shown, the good one."""
    if len(body["messages"]) > 3 and "was trained with this reward" in body["messages"][3]["content"]:
        return f"```\n{GOOD}\n```"
    return TAPE[body["seed"] % 4]


@pytest.fixture
def started(monkeypatch):
    """The arguments of the runs that a search starts; each writes what a run of these rewards would have reached."""
    runs = []

    def run(arguments, name):
        del name
        given = dict(one.split("=", 1) for one in arguments)
        runs.append(given)
        folder = search.Path(given["hydra.run.dir"])
        folder.mkdir(parents=True)
        (folder / "DONE").touch()

    def lint(command, arguments, name):
        del name
        assert command == "lint"
        given = dict(one.split("=", 1) for one in arguments if "=" in one)
        told = json.loads(given["reward.file"])
        texts = [
            search.Path(one).read_text(encoding="utf-8").strip() for one in ([told] if isinstance(told, str) else told)
        ]
        found = [{"warnings": [{"message": "A loop pays."}] if text == HASTY else []} for text in texts]
        search.Path(arguments[-1]).write_text(json.dumps(found), encoding="utf-8")

    def trained(text, run, index, measure, warnings=()):
        del run, index
        value = REACHED[text.strip()]
        alarm = "The learned return rose and success did not." if text.strip() == HASTY else None
        return Trained(text, value, {measure: [0.0, value], text.split(" ")[0]: [0.1, 0.2]}, alarm, tuple(warnings))

    monkeypatch.setattr(search, "child_run", run)
    monkeypatch.setattr(search, "child_command", lint)
    monkeypatch.setattr(search, "trained", trained)
    monkeypatch.setattr(search, "read_run", lambda folder: Run())
    return runs


class Run:
    num_seeds = 2
    seeds = (100, 101)


def searched(server, folder, *more):
    at = (f"labeler.base_url={server.base_url}", "labeler.key_variable=null", "labeler.model=tape")
    few = ("--candidates", "4", "--iterations", "2", "--report-seeds", "2", "--folder", str(folder))
    door.main(["env=point", "total_env_steps=20_000", *at, *few, *more])


def test_the_good_reward_is_found_and_a_hack_is_flagged(started, tmp_path, capsys):
    with JudgeServer(answer) as server:
        searched(server, tmp_path)
        asked = len(server.asked)
        searched(server, tmp_path)
        assert len(server.asked) == asked, "a search that is finished asks nothing"
    first, second, report = started
    files = json.loads(first["reward.file"])
    assert [search.Path(one).read_text(encoding="utf-8").strip() for one in files] == [CALM, HASTY, *list(REACHED)[3:]]
    assert (first["num_seeds"], first["seed"], first["total_env_steps"]) == ("3", "0", "20_000")
    assert second["num_seeds"] == "1", "four equal replies are one candidate"
    assert (report["seed"], report["num_seeds"]) == ("100", "2"), "seeds that selected nothing"
    assert (tmp_path / "best.txt").read_text(encoding="utf-8").strip() == GOOD
    told = capsys.readouterr().out
    assert "candidate 2: success 0.100  EXPLOITED  WARNED OF  fast = norm(action)" in told and "refused: " in told
    assert "success 0.9 [0.9, 0.9] on seeds 100-101; exploited in 0 of 2" in told
    stored = json.loads((tmp_path / "search.json").read_text(encoding="utf-8"))
    assert [len(one["replies"]) for one in stored["iterations"]] == [4, 4]


def test_a_folder_with_another_search_is_refused(started, tmp_path, capsys):
    with JudgeServer(answer) as server:
        searched(server, tmp_path)
        with pytest.raises(SystemExit) as ended:
            searched(server, tmp_path, "--seed", "3")
    assert ended.value.code == 2 and len(started) == 3
    assert "has a search with another value of seed; choose another --folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["env=point", "reward=gail"], "reward=gail is set by the search itself"),
        (["env=point", "labeler=oracle"], "choose labeler=ai_judge"),
        (["env=point", "--candidates", "0"], "--candidates 0 must be at least 1"),
        (["env=point", "total_env_steps=-1"], "total_env_steps=-1"),
    ],
)
def test_mistakes_end_in_one_sentence_before_anything_is_asked(given, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        door.main([*given, "--folder", str(tmp_path)])
    assert ended.value.code == 2 and told in capsys.readouterr().err


def test_the_model_is_shown_the_best_reward_its_terms_and_what_was_refused():
    best = Trained(
        f"{GOOD}\n", 0.5, {"success": [0.0, 0.5], "near": [-0.9, -0.2]}, "It only moves fast.", ("A loop pays.",)
    )
    *_, reply, told = next_question(
        first_question("Rest.", build_env(composed("env=point")).spec), best, ["no such name"], "the share of success"
    )
    assert GOOD in reply["content"]
    for words in (
        "success: 0, 0.500",
        "near: -0.900, -0.200; mean -0.550",
        "It only moves fast.",
        "says: A loop pays.",
        "no such name",
    ):
        assert words in told["content"]


def test_fitness_terms_and_alarm_are_read_from_a_run(tmp_path):
    (tmp_path / "a.txt").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.txt").write_text(CALM, encoding="utf-8")
    files = f"reward.file=[{tmp_path / 'a.txt'},{tmp_path / 'b.txt'}]"
    run = search.read_run(finished_run(tmp_path / "run", "reward=written", files, "num_seeds=2"))
    near, calm = (fitness.trained(text, run, i, "success") for i, text in enumerate((GOOD, CALM)))
    assert set(near.evaluations) >= {"success", "near"} and "calm" not in near.evaluations
    assert set(calm.evaluations) >= {"success", "calm"} and "near" not in calm.evaluations
    assert 0.0 <= near.fitness <= 1.0 and near.alarm is None
    assert all(value <= 0.0 for value in near.evaluations["near"])


def test_a_run_that_is_refused_fails_or_stops_ends_the_command(monkeypatch):
    for code, error in ((2, ConfigError), (75, child_run.Stopped), (1, child_run.TrainingFailed)):
        monkeypatch.setattr(child_run.subprocess, "run", lambda *_, code=code, **__: Ended(code))
        with pytest.raises(error, match=r"(The|in the) arm visits"):
            child_run.child_run(["env=point"], "the arm visits")


class Ended:
    def __init__(self, returncode):
        self.returncode = returncode

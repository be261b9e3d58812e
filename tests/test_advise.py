"""Advice: every leaf of the lecture's flowchart and every row of its tables has commands, an amount and a study."""

import re
import shlex
import subprocess
import sys

import pytest

from rl_rewards import advise
from rl_rewards.command_line import advice
from rl_rewards.command_line.advice import METHODS, QUESTIONS, RESULTS, in_words
from tests.readmes import ROOT
from tests.runs import composed

# The rows of chapters 2 and 11 of the lecture's guide, and the leaves of its flowchart.
SPECIFICATIONS = (
    "Hand-designed reward", "Imitation learning", "Goal examples", "Human preferences", "Language instructions",
    "AI feedback",
)  # fmt: skip
SUMMARY = (
    "Hand-designed", "Goal classifier", "Adversarial classifier", "Human preferences", "RLHF (LLMs)", "RLAIF",
    "Self-play",
)  # fmt: skip
LEAVES = {
    "write": "hand-designed reward",
    "photograph": "goal classifier with adversarial updates",
    "compare": "RLHF",
    "expensive": "AI feedback, checked on a small set",
    "unsupervised": "self-play before the task",
}


@pytest.mark.parametrize("row", [*SPECIFICATIONS, *SUMMARY])
def test_every_row_of_the_two_tables_is_one_method(row):
    assert sum(row in one.rows for one in METHODS.values()) == 1


@pytest.mark.parametrize("flag", LEAVES)
def test_every_question_leads_to_its_leaf(flag, capsys):
    assert advise.main([f"--{flag}"]) == 0
    said = capsys.readouterr().out
    steps = [step for name in QUESTIONS[flag].methods for step in METHODS[name].steps]
    assert LEAVES[flag] in said and all(step in said for step in steps)
    assert list(LEAVES) == list(QUESTIONS), "in the lecture's order"


@pytest.mark.parametrize("name", METHODS)
def test_the_commands_exist_and_the_study_is_stored(name):
    one = METHODS[name]
    for step in one.steps:
        words = [word for word in shlex.split(step) if not re.match(r"OPENAI_API_KEY=|hydra\.", word)]
        if words[1:3] == ["-m", "rl_rewards.run"]:
            composed(*(re.sub("^pretrain=", "pretrain.run=", word) for word in words[3:]))
        else:
            program = words[2].replace(".", "/") if words[1] == "-m" else words[1].removesuffix(".py")
            assert any((ROOT / f"{program}{end}").is_file() for end in (".py", "/__main__.py")), step
    assert (RESULTS / f"{one.study}.json").is_file()
    assert re.search(r"measured in  scripts/results/\w+\.json: \d+ of \d+ claims? ", in_words(name))


def test_amounts_are_the_defaults_of_the_rewards():
    for name, overrides in {"preferences": ["env=point"], "rlhf": ["env=text", "algorithm=rloo"]}.items():
        reward = METHODS[name].budget_of
        expected = composed(f"reward={reward}", *overrides).reward.budget
        assert f"{expected:,} comparisons by default" in in_words(name)


def answered(monkeypatch, *answers):
    given = iter(answers)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: print(prompt) or next(given))


def test_a_terminal_asks_one_question_after_the_other(monkeypatch, capsys):
    answered(monkeypatch, "2", "", "maybe", "yes")
    assert advise.main([]) == 0
    said = capsys.readouterr().out
    assert said.count("Can you photograph success?") == 3 and "cannot say in a formula" in said
    assert "Can people compare" not in said and METHODS["adversarial_classifier"].steps[1] in said
    answered(monkeypatch, *["no"] * 5)
    assert advise.main([]) == 0
    said = capsys.readouterr().out
    assert "None of the five questions fits" in said and all(name in said for name in METHODS)


def test_an_interrupted_dialogue(monkeypatch):
    answered(monkeypatch)
    monkeypatch.setattr("builtins.input", lambda prompt: (_ for _ in ()).throw(EOFError))
    assert advise.main([]) == 130


def test_without_a_terminal_it_names_the_flags_and_imports_no_jax():
    code = "import sys; from rl_rewards import advise; sys.exit(advise.main([]) + 50 * ('jax' in sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no terminal to ask in; give one of --write, --photograph, --compare" in done.stderr


def test_an_installed_package_has_no_results(monkeypatch, tmp_path):
    monkeypatch.setattr(advice, "RESULTS", tmp_path)
    assert "noisy_tv, whose result is only in a checkout" in in_words("curiosity")

"""The advice: every command composes, every study is stored, every leaf is reached by its flag."""

import shlex

import pytest

from rl_rewards import advise
from rl_rewards.command_line.advice import ADVICE, QUESTIONS, RESULTS, TABLES
from tests.runs import composed


@pytest.mark.parametrize("name", ADVICE)
def test_a_command_composes_and_its_study_is_stored(name, capsys):
    composed(*shlex.split(ADVICE[name].command))
    assert (RESULTS / f"{ADVICE[name].study}.json").is_file()
    advise.main(["--method", name])
    assert "claim" in capsys.readouterr().out


@pytest.mark.parametrize("flag", QUESTIONS)
def test_a_flag_leads_to_its_leaf(flag, capsys):
    advise.main([f"--{flag}"])
    assert ADVICE[QUESTIONS[flag][1]].command in capsys.readouterr().out


@pytest.mark.parametrize("row", [(table, row) for table in TABLES for row in TABLES[table]], ids=str)
def test_a_row_of_a_table_has_advice(row):
    assert ADVICE[TABLES[row[0]][row[1]]].needs

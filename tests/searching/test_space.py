"""A search's file is refused in one sentence, before anything is trained; its configurations are words of a run."""

import subprocess
import sys

import pytest
import yaml

from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.command_line.exits import as_config_errors
from rl_rewards.core.errors import ConfigError
from rl_rewards.searching.plan import SeedRange, find_space, read_plan
from rl_rewards.searching.space import corners, read_space, size, words

GOOD = {
    "overrides": ["env=point", "reward=environment"],
    "space": {"algorithm.learning_rate": {"log_uniform": ["1e-4", 1.0e-2]}},
    "seeds": "0-1",
}


@pytest.fixture
def file(tmp_path):
    def write(**changes):
        path = tmp_path / "space.yaml"
        path.write_text(yaml.safe_dump(GOOD | changes), encoding="utf-8")
        return path

    return write


def space_of(**dimension):
    return {"space": {"algorithm.clip": dimension}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trails": 4}, r"trails is not a key of a search; did you mean trials\?"),
        ({"trials": 0}, r"trials=0 must be a whole number of at least 1"),
        ({"sampler": "tpee"}, r"sampler=tpee does not exist; did you mean tpe\?"),
        ({"measure": "eval/sucess"}, r"measure=eval/sucess is no measure; did you mean eval/success\?"),
        ({"seeds": "4-0"}, "seeds=4-0 must have the smaller seed first"),
        ({"seeds": [0, 1]}, "must be a seed, such as 0, or seeds one after another"),
        ({"report_seeds": "1-3"}, "seeds=0-1 and report_seeds=1-3 overlap"),
        ({"pruning": {"facter": 2}}, r"pruning\.facter does not exist; did you mean factor\?"),
        ({"pruning": {"factor": 1}}, r"pruning\.factor=1 must be at least 2"),
        ({"overrides": "env=point"}, "must be a list of KEY=VALUE"),
        ({"overrides": ["seed=3"]}, "seed is set by the search itself"),
        ({"overrides": ["hydra.run.dir=x"]}, r"hydra\.run\.dir is set by the search itself"),
        ({"space": {}}, "must have a space"),
        (
            space_of(logunifrom=[1, 2]),
            r"space\.algorithm\.clip\.logunifrom is not a kind of values; did you mean log_unif",
        ),
        (space_of(uniform=[0.4, 0.1]), "must have its smaller end first"),
        (space_of(uniform=[0.1]), r"must be two numbers, \[LOW, HIGH\]"),
        (space_of(log_uniform=[0, 0.1]), "it must begin above 0"),
        (space_of(integers=[0.5, 3]), "must have whole numbers as ends"),
        (space_of(choices=[0.1, 0.1]), "has the choice 0.1 twice"),
        (space_of(choices=[0.1]), "at least two choices"),
        ({"space": {"reward": ["environment", "gail"]}}, "reward is in the overrides and in the space"),
        ({"space": {"algorithm.lerning_rate": [0.1, 0.2]}}, r"did you mean algorithm\.learning_rate"),
        ({"space": {"algorithm.discount": {"uniform": [0.9, 1.5]}}}, r"algorithm\.discount=1\.5"),
        ({"space": {"algorithm": ["ppo", "pppo"]}}, "did you mean algorithm=ppo"),
    ],
)
def test_a_mistake_is_named(file, changes, told):
    with pytest.raises(ConfigError, match=told), as_config_errors():
        read_plan(file(**changes))


def test_the_words_of_a_configuration_are_those_of_a_run(file):
    rates = {"uniform": [0.1, 1.0]}
    plan = read_plan(file(space={"algorithm.learning_rate": rates, "algorithm.model.hidden": [[8], [8, 8]]}))
    assert plan.of_trial({"algorithm.learning_rate": 0.25, "algorithm.model.hidden": "[8,8]"}) == [
        "video=false", "report=false", "logger=none", "env=point", "reward=environment",
        "algorithm.learning_rate=0.25", "algorithm.model.hidden=[8,8]", "seed=0", "num_seeds=2",
    ]  # fmt: skip
    assert plan.seeds == SeedRange(0, 2) and plan.seeds.words == "0-1"


def test_an_override_replaces_that_of_the_file(file):
    assert read_plan(file(), ["env=grid", "video=true"]).overrides == ("reward=environment", "env=grid", "video=true")


def test_every_choice_and_both_ends_are_composed():
    space = read_space({"a": ["x", "y", "z"], "b": {"integers": [2, 5]}}, "test")
    assert [words(space, one) for one in corners(space)] == [["a=x", "b=2"], ["a=y", "b=5"], ["a=z", "b=2"]]
    assert size(space) == 12
    assert size(read_space({"a": {"uniform": [0, 1]}}, "test")) is None


@pytest.mark.parametrize("path", sorted((CONFIGS / "search").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples_are_valid(path):
    assert read_plan(find_space(path.stem)).trials > 0


def test_a_file_that_does_not_exist_names_the_examples():
    with pytest.raises(ConfigError, match=r"There is no file poin; .* point"):
        find_space("poin")


def test_a_mistake_is_answered_without_heavy_libraries(file):
    code = (
        "import sys; from rl_rewards import search\n"
        f"try: search.main([{str(file(trails=1))!r}])\n"
        "except SystemExit as end: print(end.code, sorted({'jax', 'optuna', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 []\n" and "did you mean trials?" in done.stderr


def test_a_missing_extra_is_one_sentence(outer_patch, capsys):
    from rl_rewards import search

    outer_patch.setattr(search, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as end:
        search.main(["point"])
    assert end.value.code == 2
    assert "pip install 'rl_rewards[search]'" in capsys.readouterr().err

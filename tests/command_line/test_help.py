"""``--help`` lists every choice in 80 columns, experiments by chapter with their duration, and no shared parts."""

import re

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from rl_rewards.command_line.help import CHAPTERS, CONFIGS, WIDTH, chapter_of, list_choices, print_help, study_name


@pytest.fixture
def lines(capsys):
    print_help()
    return capsys.readouterr().out.splitlines()


def test_lines_are_no_wider_than_a_terminal(lines):
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize("group", ["reward", "env", "algorithm", "labeler", "debug"])
def test_every_choice_of_a_part_is_listed(lines, group):
    start = next(i for i, line in enumerate(lines) if line.endswith(f"({group}=...)"))
    names = {line.split()[0] for line in lines[start + 1 : lines.index("", start)] if line[2] != " "}
    assert names == set(list_choices(group))


def test_every_experiment_has_a_line_with_its_time_below_its_chapter(lines):
    for name in list_choices("experiment"):
        assert chapter_of(name) in CHAPTERS, "each chapter has its heading"
        chapter = next((i for i, line in enumerate(lines) if line.startswith(f"{chapter_of(name)}/...")), 0)
        last = name.removeprefix(f"{chapter_of(name)}/")
        line = next(line for line in lines[chapter:] if line.startswith(f"  {last} "))
        assert re.match(rf"  {last} +\d+ (s|min|h)  \S.*[.?]$", line), (
            "its YAML needs the line # About N minutes on two cores."
        )


def test_parts_that_others_share_are_no_choices(lines):
    shared = [path.stem for path in CONFIGS.rglob("_*.yaml")]
    assert shared and not any(re.search(rf"\b{name}\b", line) for name in shared for line in lines)
    assert not any(part.startswith("_") for name in list_choices("experiment") for part in name.split("/"))


@pytest.mark.parametrize(
    ("experiment", "name"),
    [
        ("lecture/classifiers/main_job", "main_job"),
        ("lecture/games/self_play_transfer/key_door", "self_play_transfer_key_door"),
        ("mine", "mine"),
    ],
)
def test_a_study_keeps_its_name_without_its_chapter(experiment, name):
    assert study_name(experiment) == name


def test_a_studys_folder_has_its_name_and_size():
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        chosen = ["experiment=lecture/classifiers/stability/point", "size=full"]
        cfg = compose("config", chosen, return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    assert cfg.hydra.run.dir == "outputs/lecture/stability_point-full"

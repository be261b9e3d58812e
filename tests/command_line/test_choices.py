"""The choices of every group, and the names of studies."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig

from rl_rewards.command_line.choices import CONFIGS, list_choices, study_name


def test_parts_that_others_share_are_no_choices():
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

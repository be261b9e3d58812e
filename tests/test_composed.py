"""The configurations of tests are those that Hydra composes for a command line."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from rl_rewards.command_line.choices import CONFIGS
from tests.runs import composed

WEIGHT = "+reward.weights.third=0.5"
LINES = (
    ("seed=3", "debug=smoke", "env=gymnasium", "env.id=Pendulum-v1", "env.ends_early=false"),
    ("model@algorithm.model=gru", "algorithm.model.units=8", "algorithm=ppo_control", "checkpoint.best=null"),
    ("reward=mixture", "+reward@reward.parts.third=gail", "demos=x.npz", WEIGHT, "reward.parts.third.batch_size=7"),
    ("reward=mixture", "~reward.parts.bonus", "~reward.weights.bonus", "reward.weights={task: 2.0}"),
    ("experiment=lecture/classifiers/gan", "size=full", "study.batch=4"),
    ("reward=hand_designed", "+reward.terms.near={weight: -1.0, of: next_obs, map: norm}"),
)  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_configuration_is_the_one_that_hydra_composes(line):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        wanted = compose("config", list(line))
    assert OmegaConf.to_yaml(composed(*line)) == OmegaConf.to_yaml(wanted)


@pytest.mark.parametrize("override", ["reward.nothing=1", "nothing=1", "reward=nothing", "+seed=1"])
def test_what_does_not_exist_is_refused(override):
    with pytest.raises(ConfigCompositionException):
        composed(override)

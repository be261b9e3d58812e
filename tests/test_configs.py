"""Every YAML composes, and its keys are exactly the arguments of its class."""

import inspect

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

from rl_rewards.command_line.choices import CONFIGS, list_choices
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec
from tests.runs import ADDED_LATER, composed, usable_envs

WIRED = {"spec", "source", "learned", "learned_spec", "per_seed", "run_env_steps", "inputs", "num_seeds"}
"""Arguments that build.py or a reward supplies, not the user."""
NODES = [(group, name) for group in ("env", "reward", "algorithm", "labeler") for name in list_choices(group)]


@pytest.mark.parametrize(("group", "name"), NODES)
def test_keys_are_the_constructors_arguments(group, name):
    node = OmegaConf.to_container(composed(f"{group}={name}")[group])
    _check(node)


def _check(node):
    parameters = inspect.signature(get_class(node["_target_"])).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters), "a YAML names every argument"
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in WIRED}
    assert defaults.items() <= ADDED_LATER.items(), "defaults are only in the YAML"
    assert {p.name for p in parameters} - WIRED == set(node) - {"_target_"}
    for value in node.values():
        if isinstance(value, dict) and "_target_" in value:
            _check(value)


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda p: str(p.relative_to(CONFIGS)))
def test_every_yaml_says_what_it_is(path):
    assert path.read_text(encoding="utf-8").startswith("# "), "--help shows the first line"


OF_ARMS = ("lecture/", "expert/")
"""Experiments that other tests cover."""
PRESETS = [f"debug={name}" for name in list_choices("debug")]
PRESETS += [f"experiment={name}" for name in list_choices("experiment") if not name.startswith(OF_ARMS)]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_compose(preset):
    composed(preset)


@pytest.mark.parametrize("name", [name for name in list_choices("experiment") if name.startswith("classic/")])
def test_settings_of_classic_control_fit_their_task(name):
    """Minibatches that divide the rollouts, noise for real actions alone: whatever a part refuses by itself."""
    from rl_rewards.loop import build

    if name == "classic/lunar_lander":
        pytest.importorskip("Box2D")
    settings = build.build(composed(f"experiment={name}")).settings
    assert settings.total_env_steps > 0


def test_a_key_that_was_meant_for_another_choice_is_named():
    """An experiment's settings of its reward are merged into the reward that is chosen instead."""
    from rl_rewards.loop import build

    told = r"reward\.negatives=visits is not a setting of EnvironmentReward, .* remove it with ~reward\.negatives"
    swapped = ("experiment=lecture/classifiers/sac_adversarial", "reward=environment")
    with pytest.raises(ConfigError, match=told):
        build.build(composed(*swapped))
    rest = ("visited_per_round", "keep_visited", "updates_per_round", "negatives", "classifier")
    build.build(composed(*swapped, *(f"~reward.{key}" for key in rest)))


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["env._target_=nowhere.Env"], r"env\._target_=nowhere\.Env cannot be imported: .*No module named 'nowhere'"),
        (["env._target_=rl_rewards.envs.point.Pont"], r"_target_=rl_rewards\.envs\.point\.Pont cannot be imported: "),
        (["~env._target_"], r"env has no _target_; it must name the class to make"),
    ],
)
def test_a_class_that_is_not_there_is_named(overrides, told):
    from rl_rewards.loop import build

    with pytest.raises(ConfigError, match=told):
        build.build(composed("env=point", *overrides))


def test_spec_survives_its_file(tmp_path):
    from rl_rewards.loop import build

    for env in usable_envs():
        spec = build.build_env(composed(f"env={env}")).spec
        spec.save(tmp_path / "spec.json")
        assert EnvSpec.load(tmp_path / "spec.json") == spec

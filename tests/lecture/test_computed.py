"""Studies without arms: their YAMLs hold exactly their constructors' arguments, and each runs up to its figure."""

import inspect
import json

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

from rl_rewards.command_line.choices import list_choices, study_name
from rl_rewards.loop.build import build_study
from rl_rewards.run import start_study
from tests.runs import ADDED_LATER, composed

FEW = ["heldout=6", "batch_segments=4"]
REWARD = ["reward.updates_per_round=2", "reward.reward_model.model.hidden=[4]"]
CLASSIFIER = "reward.classifier.model.hidden=[4]"
TINY = {
    "balanced_bound": ["ratios=[1,2]", "gradient_steps=2", "batch_goals=4", "heldout=8", "classifier.model.hidden=[4]"],
    "order_statistics": ["reward.pretrain_steps=2", "pool=500", "draws=20", "goals=20", CLASSIFIER],
    "irl": ["grid.episodes=[1,2]", "grid.env.size=4", "grid.env.rewards=[[0,0,1]]", "grid.reward.updates_per_round=2"],
    "driver": ["pool=40", "questions=3", "judged_at=2", "sampler.samples=5", "sampler.burn_in=10", "sampler.thin=2"],
    "bradley_terry": ["comparisons=[4,6]", "identity_pairs=4", *FEW, *REWARD],
    "ranking_efficiency": ["k=4", "rankings=[1,2]", "judged_at=2", "counted=[4]", "sorts=2", "rounds=2", *FEW, *REWARD],
    "ratings_vs_pairs": ["judgments=[4,8]", "judged_at=8", "asked_twice=20", "rounds=2", *FEW, *REWARD],
    "gan": ["updates=6", "evaluations=3", "batch=4", "draws=50", "model.hidden=[4]", "classifier.model.hidden=[4]"],
}
LIKE_OTHERS = ("balanced_bound", "driver", "gan", "ranking_efficiency", "ratings_vs_pairs")
"""Studies as the others are; their computation has tests of its own."""
WIRED = {"spec", "inputs"}  # supplied by the study or the reward, not by the user


def named(study):
    """Return the experiment that runs a study."""
    return next(one for one in list_choices("experiment") if study_name(one) == study)


def tiny(name):
    return composed(f"experiment={named(name)}", *(f"study.{change}" for change in TINY[name]))


@pytest.mark.parametrize("name", TINY)
def test_keys_are_the_constructors_arguments(name):
    cfg = composed(f"experiment={named(name)}")
    assert not cfg.arms
    assert OmegaConf.to_container(cfg.sizes) == {
        "small": ["seed=0", "num_seeds=3"],
        "full": ["seed=100", "num_seeds=10"],
    }
    _check(OmegaConf.to_container(cfg.study, resolve=True))


def _check(node):
    if not node["_target_"].endswith(".mixture"):
        parameters = inspect.signature(get_class(node["_target_"])).parameters.values()
        defaults = {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in WIRED}
        assert defaults.items() <= ADDED_LATER.items(), "defaults are only in the YAML"
        assert {p.name for p in parameters} - WIRED == {key for key in node if not key.startswith("_")}
    for value in node.values():
        if isinstance(value, dict) and "_target_" in value:
            _check(value)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in LIKE_OTHERS)) for name in TINY]
)
def test_a_study_runs_from_its_configuration_to_its_figure(name, tmp_path):
    start_study(tiny(name), tmp_path, ["size=small"])
    assert (tmp_path / "report.html").is_file()
    record = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))
    assert record["seeds"] == [0, 1, 2] and record["arms"] == {}
    for verdict in record["verdicts"]:
        assert all(len(found) == 3 for found in verdict["per_seed"].values()), verdict["claim"]
        assert verdict["outcome"] in ("supported", "refuted", "undecided")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_finds_the_same():
    study = build_study(tiny("gan"))[0]
    one, two = (study.play("reward_alone", [5, 6]) for _ in range(2))
    assert (one["made"] == two["made"]).all() and (one["made"][0] != one["made"][1]).any()

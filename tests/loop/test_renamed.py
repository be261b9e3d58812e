"""Configurations of runs from before models became a group keep their meaning."""

import pytest
from omegaconf import OmegaConf

from rl_rewards.loop.renamed import with_new_names
from tests.runs import composed


def as_it_was(node):
    """Return ``node`` with the keys of networks among those of the algorithm or the reward."""
    if not isinstance(node, dict):
        return node
    flat = {"model" if key == "reward_model" else key: as_it_was(one) for key, one in node.items() if key != "model"}
    if "model" not in node:
        return flat
    model = {key: one for key, one in node["model"].items() if key not in ("_target_", "layer_norm")}
    only_classifiers = () if "Classifier" in node["_target_"] else ("spectral_norm",)
    return flat | {key: one for key, one in model.items() if key not in only_classifiers}


@pytest.mark.parametrize("group", ["algorithm", "reward"])
@pytest.mark.parametrize(
    "choices",
    [("algorithm=bc", "reward=gail"), ("algorithm=sac", "reward=preferences"), ("algorithm=ppo", "reward=curiosity")],
    ids="-".join,
)
def test_keys_of_networks_find_their_model(group, choices):
    cfg = composed("env=point", "demos=FILE.npz", *choices)
    now = OmegaConf.to_container(cfg[group], resolve=True)
    before = as_it_was(now)
    assert before != now
    assert with_new_names(before) == now
    assert with_new_names(now) == now, "a newer configuration is unchanged"


def test_an_old_random_reward_was_made_with_tanh():
    old = {"_target_": "rl_rewards.rewards.null.RandomReward", "value": 1.0, "hidden": [8]}
    model = with_new_names(old)["model"]
    assert model["activation"] == "tanh" and model["hidden"] == [8] and model["dropout"] == 0.0


def test_a_class_of_somebody_else_keeps_its_keys():
    node = {"_target_": "mine.PPO", "hidden": [8], "activation": "tanh"}
    assert with_new_names(node) == node

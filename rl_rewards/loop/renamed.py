"""The new names of classes and keys that have moved, so that configurations of older runs remain valid."""

from typing import Any

ADAPTERS = ("envpool", "gymnasium", "gymnax")
ROOMS = ("hall", "key_door", "light_switch", "tv_grid")
IMITATION = ("airl", "gail", "maxent_irl", "sqil")
MOVED = {
    **{f"envs.{name}": f"envs.adapters.{name}" for name in ADAPTERS},
    **{f"envs.{name}": f"envs.rooms.{name}" for name in ROOMS},
    "envs.driver": "envs.driver.env",
    "envs.pencil_case": "envs.pencil_case.env",
    **{f"rewards.{name}": f"rewards.imitation.{name}" for name in IMITATION},
    "rewards.adversarial_classifier": "rewards.classifier.adversarial",
    "rewards.classifier": "rewards.classifier.classifier",
    "rewards.curiosity": "rewards.intrinsic.curiosity",
    "rewards.goal_classifier": "rewards.classifier.goal",
    "rewards.linear_preferences": "rewards.preferences.linear",
    "rewards.places": "rewards.classifier.places",
    "rewards.preferences": "rewards.preferences.preferences",
    "rewards.reward_model": "rewards.preferences.reward_model",
    "rewards.self_play": "games.reward",
    "core.linear_preferences": "rewards.preferences.linear_posterior",
}
"""Former modules of parts in rl_rewards -> their modules now."""


MLP = "rl_rewards.models.mlp.MLPModel"
"""A string, because ``--help`` imports this module and must not import JAX."""
NETWORK = {"activation": "tanh", "layer_norm": False, "dropout": 0.0, "spectral_norm": False}
"""The settings of networks in configurations that do not give them. The keys of networks used to be those of the
algorithm or the reward, before models became a group."""
HAVE_A_MODEL = (
    "algorithms.bc.BehaviorCloning",
    "algorithms.ppo.PPO",
    "algorithms.sac.SAC",
    "rewards.classifier.classifier.Classifier",
    "rewards.intrinsic.curiosity.Curiosity",
    "rewards.null.RandomReward",
    "rewards.preferences.reward_model.RewardModel",
)
"""Classes of rl_rewards whose networks are configured by their key ``model``."""


PREFERENCES = "rl_rewards.rewards.preferences.preferences.Preferences"
"""The class whose key ``model`` is now ``reward_model``."""


def with_new_names(node: Any) -> Any:
    """Return a copy of the plain configuration ``node`` with the current names of classes and keys."""
    if isinstance(node, list):
        return [with_new_names(one) for one in node]
    if not isinstance(node, dict):
        return node
    renamed = {key: _new_name(one) if key == "_target_" else with_new_names(one) for key, one in node.items()}
    if renamed.get("_target_") == PREFERENCES:
        renamed = {"reward_model" if key == "model" else key: one for key, one in renamed.items()}
    return _with_model(renamed)


def _with_model(node: dict) -> dict:
    """Return ``node`` with the keys of its networks moved into a key ``model``, if its class has one."""
    if "model" in node or node.get("_target_") not in {f"rl_rewards.{name}" for name in HAVE_A_MODEL}:
        return node
    moved = {key: node[key] for key in ("hidden", *NETWORK) if key in node}
    rest = {key: one for key, one in node.items() if key not in moved}
    return rest | {"model": {"_target_": MLP, **NETWORK, **moved}}


def _new_name(target: Any) -> Any:
    """Return the current name of a class; values other than strings are returned unchanged."""
    if not isinstance(target, str) or not target.startswith("rl_rewards."):
        return target
    module, _, name = target.removeprefix("rl_rewards.").rpartition(".")
    return f"rl_rewards.{MOVED.get(module, module)}.{name}"

"""The classes of parts that have moved, so that the configuration of an older run still names what it was made with."""

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
"""Modules of rl_rewards that held a part, and where that part is now."""


def with_new_names(node: Any) -> Any:
    """A copy of the plain configuration ``node`` in which every ``_target_`` names the place where its class is now."""
    if isinstance(node, list):
        return [with_new_names(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {key: _new_name(one) if key == "_target_" else with_new_names(one) for key, one in node.items()}


def _new_name(target: Any) -> Any:
    """The name of a class as it is now; whatever is no text is left for others to refuse."""
    if not isinstance(target, str) or not target.startswith("rl_rewards."):
        return target
    module, _, name = target.removeprefix("rl_rewards.").rpartition(".")
    return f"rl_rewards.{MOVED.get(module, module)}.{name}"

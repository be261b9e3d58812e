"""Reinforcement learning with learned rewards: environments, reward sources and algorithms that combine freely.

``load_policy``, ``load_reward`` and ``LearnedReward`` use what a run learned elsewhere; their first use imports them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rl_rewards.api import LearnedReward, load_policy, load_reward

__version__ = "0.1.0"
__all__ = ["LearnedReward", "load_policy", "load_reward"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'rl_rewards' has no attribute '{name}'")
    from rl_rewards import api

    return getattr(api, name)

"""Rewards that are learned instead of written down: environments, reward sources and RL algorithms, composed.

``load_reward`` and ``LearnedReward`` take a learned reward elsewhere; they are imported when first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rl_rewards.api import LearnedReward, load_reward

__version__ = "0.1.0"
__all__ = ["LearnedReward", "load_reward"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'rl_rewards' has no attribute '{name}'")
    from rl_rewards import api

    return getattr(api, name)

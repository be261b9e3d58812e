"""Reinforcement learning with learned rewards: environments, reward sources and algorithms that combine freely.

``run`` starts a run from Python, and ``Run`` opens the folder of one. ``load_policy``, ``load_reward`` and
``LearnedReward`` use what a run learned elsewhere. The first use of a name imports what it needs.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rl_rewards.api import LearnedReward, load_policy, load_reward
    from rl_rewards.core.errors import ConfigError
    from rl_rewards.from_python import Run, run

__version__ = "0.1.0"
__all__ = ["ConfigError", "LearnedReward", "Run", "load_policy", "load_reward", "run"]

_HOMES = {"ConfigError": "core.errors", "Run": "from_python", "run": "from_python"}
"""The modules of public names; all others are in ``api``."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'rl_rewards' has no attribute '{name}'")
    return getattr(import_module(f"rl_rewards.{_HOMES.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


class _Package(ModuleType):
    """The class of this package, in which the attribute ``run`` is the function in any order of imports.

    ``rl_rewards.run`` is also the name of the module that ``python -m rl_rewards.run`` starts. Importing a module
    stores it in its package, where it would take the place of the function, so that ``rl_rewards.run(...)`` would fail
    afterwards. A property is stronger than what is stored. ``from rl_rewards.run import main`` still finds the module.
    """

    @property
    def run(self) -> Any:
        return __getattr__("run")

    @run.setter
    def run(self, module: ModuleType) -> None:
        """Keep the function; importlib stores the module here after its first import."""


sys.modules[__name__].__class__ = _Package

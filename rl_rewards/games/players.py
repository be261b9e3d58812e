"""Who acts and learns in a run: one algorithm, or, where the reward is a game, two of them, on the game."""

from typing import Any

from omegaconf import DictConfig

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.base import Environment, JaxEnv
from rl_rewards.games.algorithm import TwoPlayer
from rl_rewards.games.env import TwoPlayerJax
from rl_rewards.games.host_env import TwoPlayerHost
from rl_rewards.games.reward import SelfPlay
from rl_rewards.games.rules import Rules
from rl_rewards.loop.own_parts import check_algorithm
from rl_rewards.loop.sources import instantiate_part, place_of
from rl_rewards.rewards.base import RewardSource


def as_game(env: Environment, rules: Rules) -> TwoPlayerJax | TwoPlayerHost:
    """The game on ``env``, of whichever kind that is.

    Raises:
        ConfigError: when ``env`` cannot carry a game.
    """
    return TwoPlayerJax(env, rules) if isinstance(env, JaxEnv) else TwoPlayerHost(env, rules)


def build_algorithm(
    node: DictConfig, spec: EnvSpec, source: RewardSource | None, budget: int | None = None
) -> Algorithm:
    """The algorithm of a config node, for environments of ``spec``; two of them where ``source`` makes a game of it.

    Args:
        budget: env steps of the run in which it learns; None where it only acts.
    """

    def make(spec: EnvSpec) -> Algorithm:
        algorithm: Any = instantiate_part(node, spec=spec)
        check_algorithm(algorithm, spec, place_of(node))
        return algorithm if budget is None else algorithm.with_budget(budget)

    if not isinstance(source, SelfPlay):
        return make(spec)
    return TwoPlayer(spec=spec, make=make, opponents=source)

"""The reward of asymmetric self-play: Alice sets goals for Bob, and each player's reward depends on the other.

time:  R_B = -gamma t_B,  R_A = gamma max(0, t_B - t_A),  t_B = t_max - t_A if Bob fails
win:   R_A = 1 if Bob fails and -1 if he succeeds,  R_B = -R_A                  (the lecture's guide)
(Sukhbaatar et al. 2018, arXiv:1703.05407, equations 1 and 2.) In task episodes Bob gets the environment's reward.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
from flax import struct
from jax import Array
from jaxtyping import Float

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.checks import check_share, require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import EnvSpec, Examples, Experience, Key, Metrics, Transition
from rl_rewards.envs.base import JaxEnv
from rl_rewards.games.algorithm import TwoPlayer
from rl_rewards.games.env import Game, JaxGame
from rl_rewards.games.host_env import HostGame
from rl_rewards.games.rules import ALICE, BOB, GAME_INFO, TASK, Opponents, Rules, outcome
from rl_rewards.rewards.base import RewardSource


class SelfPlayState(struct.PyTreeNode):
    """Counts over the whole run."""

    games: Float[Array, ""]  # whole games
    task_episodes: Float[Array, ""]  # finished task episodes, which use the true reward


@dataclass(frozen=True, kw_only=True)
class SelfPlay(Opponents, RewardSource):
    """The reward of self-play, which also turns the run's environment and algorithm into those of a game.

    configs/reward/self_play.yaml explains its arguments.

    Raises:
        ConfigError: if an argument is invalid, or arguments contradict each other.
    """

    spec: EnvSpec  # spec of the environment, or of the game around it
    form: Literal["time", "win"]
    mode: Literal["repeat", "reverse"]
    time_scale: float
    horizon: int
    goal_threshold: float | None
    target_fraction: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.time_scale > 0.0, f"reward.time_scale={self.time_scale} must be positive.")
        require(
            self.goal_threshold is None or self.goal_threshold > 0.0,
            f"reward.goal_threshold={self.goal_threshold} must be positive, because no goal is reached exactly.",
        )
        require(
            self.horizon > self.alice_moves,
            f"reward.horizon={self.horizon}, the moves of both players together, leaves Bob no move after Alice's "
            f"reward.alice_moves={self.alice_moves}; choose a longer horizon or fewer moves for Alice.",
        )
        check_share("reward.target_fraction", self.target_fraction)
        require(
            self.cloning_weight == 0.0 or self.mode == "repeat",
            "reward.cloning_weight makes Bob clone Alice's actions, which only helps if he repeats them; choose "
            "reward.mode=repeat or reward.cloning_weight=0.",
        )

    @property
    def requirements(self) -> Requirements:
        reads = ("env_reward", *(f"info.{name}" for name in GAME_INFO))
        return Requirements(reads=reads, scope="trajectory", needs_rollouts=True)

    @property
    def rules(self) -> Rules:
        return Rules(
            horizon=self.horizon,
            alice_moves=self.alice_moves,
            threshold=self.goal_threshold,
            mode=self.mode,
            target_fraction=float(self.target_fraction),
            past_share=float(self.past_share),
            past_versions=self.past_versions,
        )

    def wrap_env(self, env: Any) -> Game:
        """Return the game on ``env``.

        Raises:
            ConfigError: if self-play is not possible on ``env``; see :class:`~rl_rewards.games.env.Game`.
        """
        return JaxGame(env, self.rules) if isinstance(env, JaxEnv) else HostGame(env, self.rules)

    def make_algorithm(self, spec: EnvSpec, make: Callable[[EnvSpec], Algorithm]) -> TwoPlayer:
        """Return both players as one algorithm.

        Raises:
            ConfigError: if a rollout is shorter than a game or a task episode.
        """
        players = TwoPlayer(spec=spec, make=make, opponents=self)
        length = players.rollout_length
        require(
            self.target_fraction == 1.0 or length > self.horizon,
            f"algorithm.rollout_length={length} is too short for a whole game of reward.horizon={self.horizon} moves "
            f"and one more step; make it at least {self.horizon + 1}, or choose a shorter horizon.",
        )
        require(
            length >= spec.max_episode_steps,
            f"algorithm.rollout_length={length} is too short for a whole episode of the task, which may have "
            f"{spec.max_episode_steps} steps; make it at least as long, or choose reward.target_fraction=0.",
        )
        return players

    def init(self, key: Key) -> SelfPlayState:
        del key
        return SelfPlayState(games=jnp.zeros(()), task_episodes=jnp.zeros(()))

    def reward(self, state: SelfPlayState, transitions: Transition) -> Float[Array, "T B"]:
        """Return the rewards of a rollout of whole games.

        Alice's reward is given at the end of her turn and depends on Bob's following turn.
        """
        del state
        info, role = transitions.info, transitions.info["role"]
        t_bob, reached = outcome(transitions)
        alice_ends = (role == ALICE) & transitions.terminated
        if self.form == "time":
            alices = self.time_scale * jnp.maximum(0.0, t_bob - info["t_alice"])
            bobs = jnp.full_like(role, -self.time_scale)  # for each of his t_B moves
        else:
            alices = jnp.where(reached, -1.0, 1.0)
            bobs = jnp.where(info["over"] > 0.0, -alices, 0.0)
        game = jnp.where(role == BOB, bobs, jnp.where(alice_ends, alices, 0.0))
        return jnp.where(role == TASK, transitions.env_reward, game)

    def update(
        self, state: SelfPlayState, data: Examples, experience: Experience, round: Array, key: Key
    ) -> tuple[SelfPlayState, Metrics]:
        """Count games and task episodes, and return metrics of the round's games; nothing is learned."""
        del data, round, key
        rollout = experience.rollout
        assert rollout is not None, "a game needs an algorithm that learns from rollouts"
        metrics, games, task_episodes = game_metrics(rollout)
        state = SelfPlayState(games=state.games + games, task_episodes=state.task_episodes + task_episodes)
        return state, {**metrics, "reward/games": state.games, "reward/task_episodes": state.task_episodes}


def game_metrics(rollout: Transition) -> tuple[Metrics, Array, Array]:
    """Return metrics of the whole games in a rollout, the number of those games, and the number of task episodes.

    A metric is NaN if there is nothing to average.
    """
    info, valid = rollout.info, rollout.valid
    is_game, over = info["role"] != TASK, (info["over"] > 0.0) & valid
    games, task_ends = over & is_game, over & ~is_game
    goals = (info["role"] == ALICE) & rollout.terminated & valid

    def mean(values: Array, where: Array) -> Array:
        return jnp.where(jnp.any(where), masked_mean(values, where), jnp.nan)

    metrics = {
        "reward/valid_share": jnp.mean(valid.astype(jnp.float32)),
        "reward/bob_success": mean(info["reached"], games),
        "reward/t_alice": mean(info["t_alice"], games),
        "reward/t_bob": mean(info["t_bob"], games),
        "reward/goal_distance": mean(info["distance"], goals),
        "reward/task_success": mean(info["success"].astype(jnp.float32), task_ends),
    }
    if "touched" in info:
        metrics["reward/touched"] = mean(info["touched"], goals)
    return metrics, jnp.sum(games), jnp.sum(task_ends)

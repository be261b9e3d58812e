"""The rules of asymmetric self-play: whose turn it is, when it ends, and what a game pays.

Alice acts from s_0 until she stops, in s*; then Bob is put back to s_0 and must reach s* (repeat), or goes on from s*
and must get back to s_0 (reverse). A game has ``horizon`` moves for both together (Sukhbaatar et al. 2018,
arXiv:1703.05407, algorithm 1). In a task episode Bob plays the environment's own task instead, without a goal.

The functions hold for JAX and for numpy alike, of one game or of a batch of them.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.checks import check_fields, check_share, require
from rl_rewards.core.types import Transition

Either = Array | np.ndarray

ALICE, BOB, TASK = 0, 1, 2
"""Roles: Bob plays in ``BOB`` and in ``TASK``. Recorded games hold these numbers; ``reporting.video`` draws them."""
FLAGS = ("Alice's turn", "task", "opponent of another time")
"""What ends every observation. The last says who acts, and is shown to no network: 0 both of today; k > 0, Alice is her
k-th past version; k < 0, Bob is his."""

GAME_INFO = ("role", "t_alice", "t_bob", "over", "reached", "distance")
"""What every step's info tells of the game, f32: who acted; moves so far; whether the game, or the task's episode,
ended; whether Bob's goal was reached; and, in games, how far in goal features the goal is from where Bob started."""


class Turn(NamedTuple):
    """Where a game stands; int32, of one game [] or of a batch [B]."""

    role: Int[Either, "*batch"]
    t_alice: Int[Either, "*batch"]  # her moves; to stop is none
    t_bob: Int[Either, "*batch"]
    opponent: Int[Either, "*batch"]  # see ``FLAGS``


class After(NamedTuple):
    """What one step means for the game."""

    turn: Turn
    switches: Bool[Either, "*batch"]  # Alice's turn is over, whether or not Bob has anything left to do
    over: Bool[Either, "*batch"]  # the game is; never of a task episode


@dataclass(frozen=True)
class Rules:
    """What the players have agreed on."""

    horizon: int
    alice_moves: int  # the most that Alice has
    threshold: float | None  # a goal is reached within this distance of its features; None: the environment's own
    mode: Literal["repeat", "reverse"]
    target_fraction: float  # share of episodes that are the task's
    past_share: float = 0.0  # share of games in which one of the two, either alike, is a past version
    past_versions: int = 1  # how many of them there are

    def after(self, turn: Turn, stops: Any, reached: Any, goal_is_start: Any) -> After:
        """One step on.

        Args:
            stops: whether Alice chose to stop; ignored when it is not her turn.
            reached: whether the state reached is within Bob's goal; ignored unless it is his turn.
            goal_is_start: whether, should Alice's turn end here, Bob has nothing to do.
        """
        alices = turn.role == ALICE
        bobs = turn.role == BOB
        stops = stops & alices
        t_alice = turn.t_alice + (alices & ~stops)
        t_bob = turn.t_bob + ~alices
        switches = stops | (alices & (t_alice >= self.alice_moves))
        over = (switches & goal_is_start) | (bobs & (reached | (t_alice + t_bob >= self.horizon)))
        role = turn.role + switches  # Bob follows Alice
        return After(Turn(role, t_alice, t_bob, turn.opponent), switches, over)


@dataclass(frozen=True, kw_only=True)
class Opponents:
    """How Alice plays, whom the two play against, and how Bob copies her: keys of configs/reward/self_play.yaml."""

    alice: Literal["learned", "random"]  # random: she moves at random and never learns
    alice_moves: int
    past_share: float
    past_versions: int
    past_every: int
    cloning_weight: float
    cloning_steps: int
    cloning_learning_rate: float

    def __post_init__(self) -> None:
        check_fields(self, "reward")
        for name in ("alice_moves", "past_versions", "past_every", "cloning_steps"):
            require(getattr(self, name) >= 1, f"reward.{name}={getattr(self, name)} must be at least 1.")
        check_share("reward.past_share", self.past_share)
        require(self.cloning_weight >= 0.0, f"reward.cloning_weight={self.cloning_weight} must be 0 or more.")
        require(
            self.cloning_learning_rate > 0.0,
            f"reward.cloning_learning_rate={self.cloning_learning_rate} must be positive.",
        )


def distance(features: Float[Either, "*batch g"], goal: Float[Either, "*batch g"]) -> Float[Either, "*batch"]:
    """Euclidean, in goal features."""
    return ((features - goal) ** 2).sum(axis=-1) ** 0.5


def whole_games(rollout: Transition, horizon: int) -> Transition:
    """A rollout [T, B, ...] that begins with new games, in which only those count that end in it whatever happens.

    Nobody knows what Alice's last goal was worth when Bob's turn was cut. To drop the games that were cut would keep
    the short ones of those that begin late, and short games are easy: Bob would seem to fail too seldom. So a game is
    ``valid`` if it begins early enough for ``horizon`` moves and the step in which Alice stops, however long it turns
    out to be. The next rollout begins anew: whatever is going on at the end is ``truncated``.
    """
    over = rollout.info["over"] > 0.0
    length = over.shape[0]
    step = jnp.arange(length)[:, None]
    begins = jnp.concatenate([jnp.ones_like(over[:1]), over[:-1]])
    began = jax.lax.cummax(jnp.where(begins, step, 0), axis=0)
    task = rollout.info["role"] == TASK
    return rollout.replace(
        valid=rollout.valid & ((began <= length - (horizon + 1)) | task),
        truncated=rollout.truncated | ((step == length - 1) & ~rollout.terminated),
    )


def outcome(rollout: Transition) -> tuple[Float[Array, "T B"], Bool[Array, "T B"]]:
    """How many moves Bob needed, and whether he reached the goal, told to every step [T, B] of a game: from its end."""
    info = rollout.info

    def step(carry, row):
        over, *ended = row
        carry = tuple(jnp.where(over, now, later) for now, later in zip(ended, carry, strict=True))
        return carry, carry

    over = info["over"] > 0.0
    nothing = (jnp.zeros_like(info["t_bob"][0]), jnp.zeros_like(over[0]))
    _, (t_bob, reached) = jax.lax.scan(step, nothing, (over, info["t_bob"], info["reached"] > 0.0), reverse=True)
    return t_bob, reached

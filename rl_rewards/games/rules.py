"""The rules of asymmetric self-play: whose turn it is, when a turn or a game ends, and which games count.

Alice acts from s_0 until she stops in s*. Then Bob starts from s_0 and must reach s* (repeat), or continues from s* and
must return to s_0 (reverse). Both together have ``horizon`` moves in a game (Sukhbaatar et al. 2018,
arXiv:1703.05407, algorithm 1). In a task episode, Bob performs the environment's own task instead, without a goal.

``Rules.after`` and ``distance`` work with JAX and numpy arrays, for one game or a batch of games.
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
"""The roles; Bob acts in ``BOB`` and in ``TASK``. Recorded games contain these numbers, and ``reporting.video`` uses
them."""
FLAGS = ("Alice's turn", "task", "past opponent")
"""The last entries of every observation. The third is hidden from the networks: 0 if both players are current; k > 0 if
Alice is her k-th past version; k < 0 if Bob is his -k-th past version."""

GAME_INFO = ("role", "t_alice", "t_bob", "over", "reached", "distance")
"""The entries of every step's info about the game, f32: the role that acted; the moves of Alice and of Bob so far;
whether the game or the task episode ended; whether Bob reached his goal; and, in games, the distance of the goal from
Bob's start in goal features."""


class Turn(NamedTuple):
    """The progress of one game [] or of a batch of games [B], int32."""

    role: Int[Either, "*batch"]
    t_alice: Int[Either, "*batch"]  # Alice's moves so far; stopping is not a move
    t_bob: Int[Either, "*batch"]  # Bob's moves so far
    opponent: Int[Either, "*batch"]  # see ``FLAGS``


class After(NamedTuple):
    """The effect of one step on the game."""

    turn: Turn
    switches: Bool[Either, "*batch"]  # Alice's turn is over, even if nothing is left for Bob to do
    over: Bool[Either, "*batch"]  # the game is over; always False in task episodes


@dataclass(frozen=True)
class Rules:
    """The settings of the game."""

    horizon: int  # moves of both players together
    alice_moves: int  # the largest number of Alice's moves
    threshold: float | None  # a goal is reached within this distance in goal features; None: the environment's own
    mode: Literal["repeat", "reverse"]
    target_fraction: float  # fraction of task episodes, 0 .. 1
    past_share: float = 0.0  # fraction of games, 0 .. 1, in which Alice or Bob, equally often, is a past version
    past_versions: int = 1  # number of past versions of each player

    def after(self, turn: Turn, stops: Any, reached: Any, goal_is_start: Any) -> After:
        """Return the turn after one step, and whether it ended Alice's turn or the game.

        Args:
            turn: the turn before the step.
            stops: whether Alice chose to stop; ignored if it is not her turn.
            reached: whether the state after the step meets Bob's goal; ignored if it is not his turn.
            goal_is_start: whether that state meets a goal at Alice's start, so that Bob would have nothing to do.
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
    """The settings of Alice, of past opponents, and of Bob's cloning; configs/reward/self_play.yaml explains them.

    Raises:
        ConfigError: if a value is invalid.
    """

    alice: Literal["learned", "random"]  # a random Alice moves at random and never learns
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
    """Return the Euclidean distance in goal features."""
    root = jnp.sqrt if isinstance(features, jax.Array) else np.sqrt  # XLA compiles ``** 0.5`` to a general power
    return root(((features - goal) ** 2).sum(axis=-1))


def whole_games(rollout: Transition, horizon: int) -> Transition:
    """Return a rollout [T, B, ...] in which only those games are valid that end within it in any case.

    The rollout must begin with new games. Alice's reward is unknown if Bob's turn was truncated. Dropping only the
    truncated games would keep the short ones among those that begin late, and short games are easy, so Bob would seem
    to fail too rarely. Therefore a game is ``valid`` if it begins early enough for ``horizon`` moves and the step in
    which Alice stops, even if it turns out shorter. The next rollout begins with new games, so unfinished ones become
    ``truncated``.
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
    """Return Bob's number of moves and whether he reached the goal, as of the game's end, at every step [T, B]."""
    info = rollout.info

    def step(carry, row):
        over, *ended = row
        carry = tuple(jnp.where(over, now, later) for now, later in zip(ended, carry, strict=True))
        return carry, carry

    over = info["over"] > 0.0
    nothing = (jnp.zeros_like(info["t_bob"][0]), jnp.zeros_like(over[0]))
    _, (t_bob, reached) = jax.lax.scan(step, nothing, (over, info["t_bob"], info["reached"] > 0.0), reverse=True)
    return t_bob, reached

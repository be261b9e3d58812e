"""Clips of ``point`` and ``pencil_case`` of four kinds: progressing, reversed, failed and occluded.

A progressing clip ends when the task is done. A reversed one is the same clip backwards, and an occluded one is the
same clip with a part of every picture covered. A failed clip goes somewhere else: on ``point`` to another place, which
may be just outside the goal, on ``pencil_case`` past the notebook and away, or with the pusher alone behind it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import Action, Key, Memory, Obs, Transition
from rl_rewards.envs.base import Environment
from rl_rewards.envs.pencil_case.env import PencilCase
from rl_rewards.envs.pencil_case.scripts import demonstrate, hide_case, push_out_of_frame
from rl_rewards.envs.point import Point
from rl_rewards.loop.collect import collect_host, collect_jax, reset_jax

COVER = (70, 70, 70)
"""The colour of what covers a part of a picture: dark grey, which is nothing of either environment."""
WANDER = 0.3
"""The standard deviation of the noise on every action, which lies in [-1, 1]."""
Draw = Callable[[np.ndarray], np.ndarray]
"""A function of one scene that returns a picture, uint8 [H, W, 3]."""
NEAR_MISS = 1.2
"""The least distance of a failed clip's end from the middle of the goal of ``point``, in goal radii."""


class Clips(NamedTuple):
    """Clips of one kind, all of one length; what follows a clip's end is that end again."""

    steps: Transition  # numpy leaves [n, L, ...]
    ends: Int[np.ndarray, " n"]  # steps of each clip
    success: Bool[np.ndarray, " n"]  # whether the task is done at the end

    def backwards(self) -> "Clips":
        """Return the clips backwards, which end where they began."""
        return self._at(np.maximum(self.ends[:, None] - 1 - np.arange(self._length), 0), np.zeros_like(self.success))

    def prefixes(self, count: int) -> Transition:
        """Return ``count`` beginnings of every clip, evenly spaced in time up to the whole: leaves [n, K, L, ...]."""
        shares = np.arange(1, count + 1) / count
        stops = np.maximum(np.round(self.ends[:, None] * shares).astype(int), 1)
        index = np.minimum(np.arange(self._length), stops[..., None] - 1)
        rows = np.arange(len(self.ends))[:, None, None]
        return jax.tree.map(lambda leaf: leaf[rows, index], self.steps)

    @property
    def _length(self) -> int:
        return self.steps.action.shape[1]

    def _at(self, index: Int[np.ndarray, "n L"], success: Bool[np.ndarray, " n"]) -> "Clips":
        rows = np.arange(len(self.ends))[:, None]
        return Clips(jax.tree.map(lambda leaf: leaf[rows, index], self.steps), self.ends, success)


@dataclass(frozen=True, kw_only=True)
class Place:
    """An environment whose clips are judged; keys: configs/experiment/lecture/preferences/looking_judge.yaml."""

    env: Environment
    task: str
    covered: tuple[float, ...]

    def __post_init__(self) -> None:
        check_fields(self, "study.places.NAME")
        name = self.env.spec.name
        require(
            isinstance(self.env, Point | PencilCase),
            f"study.places has {name}, but only point and pencil_case have scripts that succeed and fail.",
        )
        valid = len(self.covered) == 4
        if valid:
            left, top, right, bottom = self.covered
            valid = 0.0 <= left < right <= 1.0 and 0.0 <= top < bottom <= 1.0
        require(
            valid,
            f"study.places.{name}.covered={list(self.covered)} must be left, top, right and bottom of a box, as "
            "shares of the picture from its upper left corner.",
        )

    def progressing(self, key: Key, n: int) -> Clips:
        """Draw ``n`` clips of episodes in which the task is done, and which end then."""
        if isinstance(self.env, Point):
            return _walks(self.env, key, n, np.zeros((n, 2), np.float32))
        assert isinstance(self.env, PencilCase)
        return _played(self.env, key, n, demonstrate)

    def failed(self, key: Key, n: int) -> Clips:
        """Draw ``n`` clips that end without success."""
        if isinstance(self.env, Point):
            angle, distance = np.random.default_rng(np.asarray(jax.random.key_data(key))).uniform(size=(2, n))
            radius = NEAR_MISS * self.env.goal_radius
            distance = radius + (0.9 - radius) * distance
            ends = distance[:, None] * np.stack([np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)], axis=-1)
            return _walks(self.env, key, n, ends.astype(np.float32))
        assert isinstance(self.env, PencilCase)
        halves = [
            _played(self.env, jax.random.fold_in(key, i), count, script)
            for i, (script, count) in enumerate(((push_out_of_frame, n - n // 2), (hide_case, n // 2)))
        ]
        return jax.tree.map(lambda *both: np.concatenate(both), *halves)

    def covering(self, picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
        """Return a picture of which the part ``covered`` cannot be seen."""
        height, width = picture.shape[:2]
        left, top, right, bottom = np.round(np.array(self.covered) * [width, height, width, height]).astype(int)
        seen = picture.copy()
        seen[top:bottom, left:right] = COVER
        return seen


def _walks(env: Point, key: Key, n: int, targets: Float[np.ndarray, "n 2"]) -> Clips:
    """Walk to ``targets``, not quite straight, until a third of the goal's radius is left."""
    reset_key, walk_key = jax.random.split(key)

    def act(memory: Memory, obs: Obs, act_key: Key) -> tuple[Action, Memory, dict[str, jax.Array]]:
        straight = jnp.clip((targets - obs[:, :2]) / env.speed, -1.0, 1.0)
        return jnp.clip(straight + WANDER * jax.random.normal(act_key, straight.shape), -1.0, 1.0), memory, {}

    episodes = collect_jax(env, act, reset_jax(env, reset_key, n), walk_key, env.max_episode_steps).rollout
    left = jnp.linalg.norm(episodes.info["scene"] - targets, axis=-1)
    return _until(episodes, np.asarray(left < env.goal_radius / 3.0))


def _played(env: PencilCase, key: Key, n: int, script: Callable) -> Clips:
    """Play whole episodes of ``script``, with noise, until the case is behind the notebook."""
    seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
    rng, table = np.random.default_rng(seed), env.make(n, seed)
    table.reset(np.ones(n, bool))

    def act(agent: None, memory: Memory, obs: Obs, key: Key, t: int) -> tuple[Action, Memory, dict[str, Any]]:
        straight = script(table.positions)
        moves = (straight != 0.0).any(axis=-1, keepdims=True)
        noisy = straight + moves * rng.normal(0.0, WANDER, straight.shape)
        return np.clip(noisy, -1.0, 1.0).astype(np.float32), memory, {}

    episodes = collect_host(table, act, None, key, env.max_episode_steps).rollout
    return _until(episodes, np.asarray(episodes.info["success"], bool))


def _until(episodes: Transition, there: Bool[np.ndarray, "T n"]) -> Clips:
    """Return the episodes, leaves [T, n, ...], each up to the first step at which it is ``there``, or whole."""
    steps = jax.tree.map(lambda leaf: np.asarray(leaf).swapaxes(0, 1), episodes)
    length, arrived = len(there), there.T
    ends = np.where(arrived.any(axis=1), arrived.argmax(axis=1) + 1, length)
    whole = Clips(steps, ends, np.asarray(steps.info["success"], bool)[np.arange(len(ends)), ends - 1])
    return whole._at(np.minimum(np.arange(length), ends[:, None] - 1), whole.success)
